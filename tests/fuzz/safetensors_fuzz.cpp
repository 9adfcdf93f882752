// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Tensors and metadata that are accepted come back equal when they are written again.
#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

std::vector<std::uint8_t> bytes_of(const SafetensorsReader& reader, const SafetensorsEntry& entry) {
  std::vector<std::uint8_t> bytes(entry.end - entry.begin);
  reader.read(entry, 0, bytes);
  return bytes;
}

void check_floats(const SafetensorsReader& reader, const SafetensorsEntry& entry) {
  try {
    require(reader.read_as_floats(entry).size() == entry.element_count(),
            "a tensor has as many floats as elements");
  } catch (const FormatError&) {
    require(entry.dtype != "F32" && entry.dtype != "F16" && entry.dtype != "BF16",
            "F32, F16 and BF16 are read as floats");
  }
}

void check_written_again(const SafetensorsReader& reader) {
  const auto path = scratch_folder() / "copy";
  SafetensorsWriter writer(path, reader.entries(), reader.metadata());
  for (const auto& entry : reader.entries()) writer.write(bytes_of(reader, entry));
  writer.commit();
  const SafetensorsReader copy(path);
  require(copy.metadata() == reader.metadata(), "the same metadata come back");
  require(copy.entries().size() == reader.entries().size(), "the same tensors come back");
  for (std::size_t i = 0; i < copy.entries().size(); ++i) {
    const auto &before = reader.entries()[i], &after = copy.entries()[i];
    require(before.name == after.name && before.dtype == after.dtype &&
                before.shape == after.shape && before.begin == after.begin,
            "a tensor keeps its name, type, shape and place");
    require(bytes_of(reader, before) == bytes_of(copy, after), "a tensor keeps its bytes");
    require(copy.find(before.name) == &after, "a tensor is found by its name");
  }
}

void check_file(std::string_view input) {
  const auto path = write_scratch_file("tensors", input);
  try {
    const SafetensorsReader reader(path);
    for (const auto& entry : reader.entries()) check_floats(reader, entry);
    check_written_again(reader);
  } catch (const FormatError&) {
  }
}

/// The same bytes with the length of a header that ends with the last brace.
std::string with_header_length(std::string bytes) {
  constexpr std::size_t kLengthBytes = 8;
  const auto brace = bytes.rfind('}');
  if (brace == std::string::npos || brace < kLengthBytes) return bytes;
  store_u64(reinterpret_cast<std::uint8_t*>(bytes.data()), brace + 1 - kLengthBytes);
  return bytes;
}

}  // namespace

void check(std::string_view input) {
  check_file(input);
  check_file(with_header_length(std::string(input)));
}

}  // namespace gpt2::fuzz
