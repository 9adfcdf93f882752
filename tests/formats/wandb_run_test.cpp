// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/wandb_run.h"

#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <utility>

#include "formats/byte_codec.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeadBytes = 7, kBlockBytes = 32768;

/// The records of a file, put together from their pieces, whose checksums are checked.
std::vector<std::string> records_in(const std::string& file) {
  BOOST_REQUIRE(file.starts_with(std::string_view(":W&B\xE1\xBE\0", 7)));
  std::vector<std::string> records;
  std::string unfinished;
  bool inside = false;  // a record; its first piece may have no bytes
  for (std::size_t at = 7; at < file.size();) {
    const std::size_t left = kBlockBytes - at % kBlockBytes;
    if (left < kHeadBytes) {
      BOOST_TEST(file.substr(at, left) == std::string(left, '\0'));
      at += left;
      continue;
    }
    BOOST_REQUIRE_GE(file.size(), at + kHeadBytes);
    const auto* head = reinterpret_cast<const std::uint8_t*>(file.data()) + at;
    const std::size_t bytes = load_u16(head + 4);
    BOOST_REQUIRE_LE(kHeadBytes + bytes, left);
    BOOST_REQUIRE_GE(file.size(), at + kHeadBytes + bytes);
    BOOST_TEST(load_u32(head) == crc32(0, head + 6, static_cast<unsigned>(1 + bytes)));
    const int kind = head[6];
    const bool begins = kind == 1 || kind == 2, ends = kind == 1 || kind == 4;
    BOOST_TEST(inside != begins);
    inside = !ends;
    unfinished += file.substr(at + kHeadBytes, bytes);
    if (ends) records.push_back(std::exchange(unfinished, {}));
    at += kHeadBytes + bytes;
  }
  BOOST_TEST(!inside);
  return records;
}

WandbRun run() { return {.id = "abcd1234", .project = "p", .name = "r", .start_time = 10}; }

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string file_of(const fs::path& directory) {
  const auto name = directory.filename().string();
  return bytes_of(directory / ("run-" + name.substr(name.size() - 8) + ".wandb"));
}

WandbRow row(std::uint64_t step) { return {step, 11, {{"train/loss", "1.5"}}}; }

BOOST_AUTO_TEST_SUITE(wandb_run)

BOOST_AUTO_TEST_CASE(records_of_any_length_are_cut_at_the_ends_of_blocks) {
  // So many lengths that records end at every distance from the end of a block.
  WandbEncoder encoder;
  std::string file = encoder.begin(run());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 300; ++i) {
    texts.push_back('"' + std::string(200 + 7 * i % 1000, static_cast<char>('a' + i % 26)) + '"');
  }
  texts.push_back('"' + std::string(100000, 'x') + '"');  // several blocks
  for (std::size_t i = 0; i < texts.size(); ++i) file += encoder.row({i, 11, {{"text", texts[i]}}});
  file += encoder.end(0, 12);
  const auto records = records_in(file);
  BOOST_REQUIRE_EQUAL(records.size(), 2 + texts.size() + 2);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    BOOST_TEST((records[2 + i].find(texts[i]) != std::string::npos));
  }
  for (std::size_t left = 0; left < kHeadBytes; ++left) {  // the zeros before a block's end
    WandbEncoder other;
    std::string bytes = other.begin(run());
    const auto overhead = WandbEncoder(other).row({0, 11, {{"text", "\"\""}}}).size();
    const auto room = kBlockBytes - bytes.size() - overhead - left;
    // The lengths of longer values take up to four bytes more.
    for (std::size_t extra = 0; extra <= 8; ++extra) {
      auto trial = other;
      auto file_so_far =
          bytes + trial.row({0, 11, {{"text", '"' + std::string(room - extra, 'y') + '"'}}});
      file_so_far += trial.row(row(1));
      BOOST_TEST(records_in(file_so_far).size() == 4U);
    }
  }
}

BOOST_AUTO_TEST_CASE(summary_holds_the_newest_value_of_each_name) {
  WandbEncoder encoder;
  std::string file = encoder.begin(run());
  file += encoder.row({1, 11, {{"val/loss", "7.25"}, {"train/loss", "6.5"}}});
  file += encoder.row({2, 12, {{"train/loss", "5.75"}}});
  file += encoder.end(75, 13);
  const auto records = records_in(file);
  const auto& summary = records[4];
  BOOST_TEST((summary.find("7.25") != std::string::npos));
  BOOST_TEST((summary.find("5.75") != std::string::npos));
  BOOST_TEST((summary.find("6.5") == std::string::npos));
  BOOST_TEST(records[5].ends_with(std::string_view("\x08\x4B\x10\x03", 4)));  // 75, 3 seconds
}

BOOST_AUTO_TEST_CASE(run_that_goes_on_keeps_its_folder_and_has_no_step_twice) {
  const support::TemporaryFolder folder;
  WandbRunWriter first(folder / "wandb", run(), {});
  for (std::uint64_t step = 1; step <= 5; ++step) first.write(row(step));
  first.finish(75, 20);
  const auto name = first.directory().filename().string();
  BOOST_TEST(name.starts_with("offline-run-19700101_000010-"));
  const auto id = name.substr(name.size() - 8);
  std::ofstream(first.directory() / ("run-" + id + ".wandb.synced"));

  WandbRunWriter second(folder / "wandb", run(), {row(1), row(2)});
  second.write(row(3));
  second.finish(0, 30);
  BOOST_TEST(second.directory() == first.directory());
  BOOST_TEST(!fs::exists(second.directory() / ("run-" + id + ".wandb.synced")));
  WandbEncoder encoder;
  auto described = run();
  described.id = id;
  std::string wanted = encoder.begin(described);
  for (std::uint64_t step = 1; step <= 3; ++step) wanted += encoder.row(row(step));
  wanted += encoder.end(0, 30);
  BOOST_TEST((file_of(second.directory()) == wanted));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::formats
