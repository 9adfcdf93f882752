// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A manifest that is accepted comes back equal when it is written again.
#include <fmt/format.h>

#include "formats/checkpoint.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

void check_manifest(std::string_view text) {
  CheckpointManifest manifest;
  try {
    manifest = decode_checkpoint_manifest(text, "checkpoint.json");
  } catch (const FormatError&) {
    return;
  }
  const auto written = encode_checkpoint_manifest(manifest);
  require(decode_checkpoint_manifest(written, "checkpoint.json") == manifest,
          "the same manifest comes back");
}

/// The text with the checksum that it should have.
std::string with_checksum(std::string_view text) {
  constexpr std::string_view kKey = "\"crc32c\": \"";
  const auto covered = text.substr(0, text.rfind(kKey));
  return fmt::format("{}{}{:08x}\"\n}}\n", covered, kKey, crc32c(covered.data(), covered.size()));
}

}  // namespace

void check(std::string_view input) {
  check_manifest(input);
  check_manifest(with_checksum(input));
}

}  // namespace gpt2::fuzz
