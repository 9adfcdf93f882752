// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/libcore/data/shard_fixture.h"

#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "formats/byte_codec.h"

namespace gpt2::data {
namespace {

namespace fs = std::filesystem;

std::string bytes_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string ShardFixture::write_shard(const std::string& name,
                                      const std::vector<std::uint16_t>& tokens,
                                      const formats::TokenShardHeader& base) const {
  formats::TokenShardWriter writer(at(name), base);
  writer.append(tokens);
  writer.commit(/*replace=*/true);
  return at(name);
}

std::string ShardFixture::write_foreign_shard(const std::string& name,
                                              const std::vector<std::uint16_t>& tokens) const {
  std::vector<std::uint8_t> bytes(formats::kTokenShardHeaderBytes + 2 * tokens.size());
  formats::store_u32(&bytes[0], 20240520);
  formats::store_u32(&bytes[4], 1);
  formats::store_u32(&bytes[8], static_cast<std::uint32_t>(tokens.size()));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    formats::store_u16(&bytes[formats::kTokenShardHeaderBytes + 2 * i], tokens[i]);
  }
  return write_bytes(name, {bytes.begin(), bytes.end()});
}

std::string ShardFixture::write_bytes(const std::string& name, const std::string& bytes) const {
  std::ofstream file(at(name), std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error(at(name) + ": cannot be written");
  return at(name);
}

std::string ShardFixture::read_bytes(const std::string& name) const {
  return bytes_of_file(at(name));
}

std::map<std::string, std::string> ShardFixture::contents() const {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), folder).string()] = bytes_of_file(entry.path());
    }
  }
  return files;
}

std::vector<std::uint16_t> counting_tokens(std::size_t count, std::uint16_t first,
                                           std::uint16_t modulus) {
  std::vector<std::uint16_t> tokens(count);
  for (std::size_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<std::uint16_t>((first + i) % modulus);
  }
  return tokens;
}

std::function<bool(const std::exception&)> says(std::vector<std::string> parts) {
  return [parts = std::move(parts)](const std::exception& error) {
    const std::string message = error.what();
    for (const auto& part : parts) {
      if (message.find(part) == std::string::npos) {
        BOOST_TEST_MESSAGE("'" << message << "' lacks '" << part << "'");
        return false;
      }
    }
    return true;
  };
}

}  // namespace gpt2::data
