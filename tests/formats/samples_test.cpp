// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Runs every reader over formats/samples, and the pages of formats over their samples.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <sstream>

#include "formats/checkpoint.h"
#include "formats/decompression.h"
#include "formats/errors.h"
#include "formats/llmc.h"
#include "formats/parquet.h"
#include "formats/safetensors.h"
#include "formats/token_shard.h"
#include "formats/token_stream.h"
#include "formats/tokenizer_files.h"
#include "formats/torch_checkpoint.h"
#include "tests/formats/format_fixture.h"
#include "tests/formats/sample_files.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

const fs::path kFormats = GPT2_FORMATS_DIR;
const fs::path kSamples = kFormats / "samples";

void read_shard(const fs::path& path) { TokenShardReader(path).verify(); }

void read_stream(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  TokenStreamReader reader(in, path.string());
  std::vector<std::uint16_t> tokens;
  while (reader.next(tokens)) {
  }
}

void read_safetensors(const fs::path& path) {
  const SafetensorsReader reader(path);
  for (const auto& entry : reader.entries()) reader.read_as_floats(entry);
}

void read_manifest(const fs::path& path) {
  decode_checkpoint_manifest(read_file(path), path.string());
}

void read_packed(const fs::path& path) {
  const auto source = open_byte_source(path.string());
  std::vector<std::uint8_t> bytes(100);
  while (source->read(bytes) == bytes.size()) {
  }
}

void read_parquet(const fs::path& path) {
  ParquetTextReader reader(InputFile(path), "text");
  for (std::string_view text; reader.next(text);) {
  }
}

void read_llmc(const fs::path& path) {
  const LlmcModelReader reader(path);
  for (const auto& tensor : reader.tensors()) reader.read(tensor);
}

void read_torch(const fs::path& path) {
  const TorchCheckpoint checkpoint(path);
  for (const auto& tensor : checkpoint.tensors()) checkpoint.read_as_floats(tensor);
}

using Read = void (*)(const fs::path&);
const std::map<std::string, Read> kReaders = {
    {".shard", read_shard},
    {".npy", read_shard},
    {".stream", read_stream},
    {".safetensors", read_safetensors},
    {".manifest", read_manifest},
    {".gz", read_packed},
    {".zst", read_packed},
    {".parquet", read_parquet},
    {".llmc", read_llmc},
    {".torch", read_torch},
    {".tokenizer", [](const fs::path& path) { load_tokenizer_files(path); }}};

std::vector<fs::path> samples_in(const char* verdict) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kSamples / verdict)) paths.push_back(entry);
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(samples)

BOOST_AUTO_TEST_CASE(the_folder_holds_what_make_samples_writes) {
  std::map<std::string, std::string> found;
  for (const auto* verdict : {"accepted", "refused", "written"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kSamples / verdict)) {
      if (entry.is_directory()) continue;
      found[fs::relative(entry.path(), kSamples).string()] = read_file(entry.path());
    }
  }
  const auto expected = sample_files();
  for (const auto& [name, bytes] : expected) {
    BOOST_CHECK_MESSAGE(found.contains(name) && found.at(name) == bytes,
                        name << " is missing or differs; run make_samples formats/samples");
  }
  for (const auto& [name, bytes] : found) {
    BOOST_CHECK_MESSAGE(expected.contains(name), name << " is not made by make_samples");
  }
}

BOOST_AUTO_TEST_CASE(accepted_samples_load) {
  const auto paths = samples_in("accepted");
  BOOST_TEST(paths.size() == 28U);
  for (const auto& path : paths) {
    BOOST_TEST_CONTEXT(path) { BOOST_CHECK_NO_THROW(kReaders.at(path.extension())(path)); }
  }
}

BOOST_AUTO_TEST_CASE(refused_samples_are_refused_for_the_reason_in_their_name) {
  const auto paths = samples_in("refused");
  BOOST_TEST(paths.size() == 241U);
  for (const auto& path : paths) {
    const auto error = error_of<InputError>([&] { kReaders.at(path.extension())(path); });
    const auto name = path.filename().string();
    const auto field = name.substr(0, name.find("__", 1));
    auto words = field;
    std::ranges::replace(words, '_', ' ');
    // What follows the path, as its name holds the reason anyway.
    const auto reason =
        error.starts_with(path.string()) ? error.substr(path.string().size()) : error;
    BOOST_CHECK_MESSAGE(contains(reason, field) || contains(reason, words), name << ": " << error);
  }
}

// A page names its sample in backquotes and shows it in lines of four blanks, the offset in five
// columns, two blanks and the bytes in 47 columns.
BOOST_AUTO_TEST_CASE(pages_show_the_bytes_of_their_samples) {
  for (const auto* page : {"token_shard.md", "foreign_tokens.md", "token_stream.md",
                           "safetensors.md", "parquet.md", "llmc.md", "gguf.md"}) {
    std::istringstream lines(read_file(kFormats / page));
    std::string line, sample;
    std::size_t shown = 0;
    while (std::getline(lines, line)) {
      if (line.starts_with("`samples/"))
        sample = read_file(kFormats / line.substr(1, line.find('`', 1) - 1));
      if (sample.empty() || line.size() < 13 || !line.starts_with("    ") ||
          line.substr(9, 2) != "  ")
        continue;
      std::istringstream bytes(line.substr(11, 47));
      for (std::size_t offset = std::stoul(line.substr(4, 5)), byte = 0; bytes >> std::hex >> byte;
           ++offset, ++shown) {
        BOOST_TEST_REQUIRE(offset < sample.size());
        BOOST_CHECK_MESSAGE(byte == static_cast<std::uint8_t>(sample[offset]),
                            page << " shows another byte at " << offset);
      }
    }
    BOOST_CHECK_MESSAGE(shown >= 64, page << " shows too little of its sample");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
