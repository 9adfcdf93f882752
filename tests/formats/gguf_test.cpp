// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/gguf.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "formats/byte_codec.h"
#include "formats/errors.h"
#include "formats/half_precision.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

/// The bytes of a file of one row of Q8_0, after its header.
std::string quantised(const std::vector<float>& row) {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "a.gguf", {}, {{"a", {row.size()}, GgufType::kQ8_0}});
  writer.write(row);
  writer.commit();
  constexpr std::size_t kHeaderBytes = 64;  // 24, then 9 + 4 + 8 + 4 + 8, padded
  return read_file(folder / "a.gguf").substr(kHeaderBytes);
}

float value_in(const std::string& block, std::size_t i) {
  const auto scale = load_u16(reinterpret_cast<const std::uint8_t*>(block.data()));
  return float_from_half(scale) * static_cast<signed char>(block[2 + i]);
}

std::vector<float> zeros(std::size_t count) { return std::vector<float>(count); }

}  // namespace

BOOST_AUTO_TEST_SUITE(gguf)

BOOST_AUTO_TEST_CASE(writes_every_kind_of_value_and_tensor_as_the_page_shows) {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "a.gguf",
                    {{"count", std::uint32_t{5}},
                     {"epsilon", 0.5F},
                     {"flag", true},
                     {"name", "gpt2"},
                     {"types", std::vector<std::int32_t>{1, -2}},
                     {"tokens", std::vector<std::string>{"a", ""}}},
                    {{"f", {2, 1}, GgufType::kF32},
                     {"h", {3}, GgufType::kF16},
                     {"b", {1}, GgufType::kBF16},
                     {"q", {1, 32}, GgufType::kQ8_0}});
  writer.write(std::vector<float>{1, -2});
  writer.write(std::vector<float>{1, 0.5F, -2});
  writer.write(std::vector<float>{3});
  std::vector<float> row(32);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i) - 127;
  writer.write(row);
  writer.commit();
  const auto sample =
      read_file(std::filesystem::path(GPT2_FORMATS_DIR) / "samples/written/every_kind.gguf");
  BOOST_TEST((read_file(folder / "a.gguf") == sample));
}

BOOST_AUTO_TEST_CASE(q8_0_is_within_half_a_step_of_every_value) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(200 * 32);
  for (auto& value : values) value = normal(random);
  const auto blocks = quantised(values);
  for (std::size_t row = 0; row < 200; ++row) {
    const auto block = blocks.substr(34 * row, 34);
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(32 * row);
    const float most = std::abs(*std::max_element(
        first, first + 32, [](float a, float b) { return std::abs(a) < std::abs(b); }));
    for (std::size_t i = 0; i < 32; ++i) {
      // Half a step, and what the scale's own rounding to 11 bits may add.
      BOOST_TEST(std::abs(value_in(block, i) - first[static_cast<std::ptrdiff_t>(i)]) <=
                 most * (0.5F / 127 + 1.0F / 2048));
    }
  }
}

BOOST_AUTO_TEST_CASE(q8_0_rounds_ties_away_from_zero_and_keeps_zeros) {
  std::vector<float> row(32);
  BOOST_TEST(quantised(row) == std::string(64, '\0'));  // 34 bytes, padded
  row[0] = 127;
  row[1] = 2.5F;
  row[2] = -2.5F;
  row[3] = 1e-40F;
  const auto block = quantised(row);
  BOOST_TEST(value_in(block, 0) == 127.0F);
  BOOST_TEST(value_in(block, 1) == 3.0F);
  BOOST_TEST(value_in(block, 2) == -3.0F);
  BOOST_TEST(value_in(block, 3) == 0.0F);
  // A row so small that the inverse of its scale is no number.
  BOOST_TEST(quantised(std::vector<float>(32, 1e-40F)).substr(2, 32) == std::string(32, '\0'));
}

BOOST_AUTO_TEST_CASE(tensors_begin_at_multiples_of_32) {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "a.gguf", {},
                    {{"a", {9}, GgufType::kF16}, {"b", {8}, GgufType::kF32}, {"c", {1}}});
  writer.write(zeros(9));
  writer.write(zeros(8));
  writer.write(zeros(1));
  writer.commit();
  const auto bytes = read_file(folder / "a.gguf");
  // The header's 24 + 3 x 33 bytes are padded to 128; each tensor is.
  BOOST_TEST(bytes.size() == 128 + 32 + 32 + 32U);
  const auto offset_of = [&](std::size_t tensor) {
    return load_u64(reinterpret_cast<const std::uint8_t*>(bytes.data()) + 24 + 33 * tensor + 25);
  };
  BOOST_TEST(offset_of(0) == 0U);
  BOOST_TEST(offset_of(1) == 32U);
  BOOST_TEST(offset_of(2) == 64U);
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_read_back) {
  const TemporaryFolder folder;
  const auto path = folder / "a.gguf";
  const auto refused = [&](std::vector<GgufTensor> tensors) {
    return error_of<UsageError>([&] { GgufWriter(path, {}, std::move(tensors)); });
  };
  BOOST_TEST(contains(refused({{"a", {1}}, {"a", {2}}}), "a: is there twice"));
  BOOST_TEST(contains(refused({{"a", {}}}), "no axis"));
  BOOST_TEST(contains(refused({{"a", {1, 1, 1, 1, 1}}}), "no axis or above 4"));
  BOOST_TEST(contains(refused({{"a", {32, 33}, GgufType::kQ8_0}}), "rows of 33"));
  GgufWriter writer(path, {}, {{"a", {2}}});
  BOOST_CHECK_THROW(writer.write(zeros(3)), UsageError);
  BOOST_CHECK_THROW(writer.commit(), UsageError);
  writer.write(zeros(2));
  BOOST_CHECK_THROW(writer.write(zeros(2)), UsageError);
  BOOST_TEST(!std::filesystem::exists(path));
  writer.commit();
  BOOST_TEST(std::filesystem::exists(path));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
