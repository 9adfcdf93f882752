// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The record of how products are done, and products done by it.
#include <boost/test/unit_test.hpp>
#include <vector>

#include "libcore/kernels/kernels.h"
#include "libcore/kernels/product_choices_cuda.h"
#include "tests/support/backend.h"

namespace gpt2::kernels {
namespace {

using device::DataType;

constexpr std::int64_t kRows = 40, kInner = 100, kColumns = 24;

/// A GPU of its own with what products of two shapes need.
struct Gpu {
  std::unique_ptr<device::Device> device = device::open_device("cuda", 1);
  std::unique_ptr<Kernels> kernels = open_kernels(*device);
  device::DeviceBuffer x = filled(kRows * kInner, 1), weight = filled(kInner * kColumns, 2),
                       y = filled(kRows * kColumns, 3);

  device::DeviceBuffer filled(std::int64_t count, std::uint32_t seed) const {
    device::DeviceBuffer buffer(*device, static_cast<std::size_t>(count) * sizeof(float));
    const auto values = support::random_floats(count, seed);
    device->copy_to_device(buffer.data(), values.data(), buffer.bytes());
    return buffer;
  }
  void multiply(std::int64_t rows) const {
    kernels->matmul_forward({.x = {x.data(), DataType::kF32, {rows, kInner}},
                             .weight = {weight.data(), DataType::kF32, {kInner, kColumns}},
                             .y = {y.data(), DataType::kF32, {rows, kColumns}},
                             .N = rows,
                             .K = kInner,
                             .M = kColumns});
  }
  std::string choose() const {
    return kernels->choose_products([&] {
      multiply(kRows);
      multiply(kRows / 2);
      multiply(kRows);
    });
  }
  /// Bits of the products of both shapes.
  std::vector<float> products() const {
    std::vector<float> both;
    for (const auto rows : {kRows, kRows / 2}) {
      std::vector<float> values(static_cast<std::size_t>(rows * kColumns));
      multiply(rows);
      device->copy_to_host(values.data(), y.data(), values.size() * sizeof(float));
      both.insert(both.end(), values.begin(), values.end());
    }
    return both;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(product_choices)

BOOST_AUTO_TEST_CASE(a_record_is_read_back_as_it_was) {
  ProductChoices choices{.made_by = "GPU of two words, library 7", .of_products = {}};
  BOOST_TEST((ProductChoices::decode(choices.encode()) == choices));
  choices.of_products[{1, -2, 3}] = {0xffffffffffffffffU, 1, 2, 3, 4, 5, 6, 0xabcU};
  choices.of_products[{4}] = {};
  BOOST_TEST((ProductChoices::decode(choices.encode()) == choices));
}

BOOST_AUTO_TEST_CASE(a_record_with_a_word_missing_wrong_or_too_many_is_none) {
  const ProductChoices choices{.made_by = "GPU", .of_products = {{{1, 2}, {3, 4}}}};
  const auto text = choices.encode();
  const auto line = text.substr(text.find('\n') + 1);
  const auto words = line.substr(0, line.size() - 1);
  BOOST_TEST(ProductChoices::decode("GPU\n" + words).has_value());
  for (const auto& wrong :
       {words.substr(2), words + " 0", "x" + words, words + "x",
        words.substr(0, words.size() - 1) + "1ffffffffffffffff", std::string(" ")}) {
    BOOST_TEST(!ProductChoices::decode("GPU\n" + wrong + "\n"), wrong);
  }
}

BOOST_AUTO_TEST_CASE(what_differs_in_how_it_is_done_has_its_own_choice) {
  float memory[64];
  const GpuMatrix matrix{.data = memory, .type = DataType::kF32, .stride = 8};
  const MatrixProduct product{
      .rows = 8, .columns = 8, .inner = 8, .a = matrix, .b = matrix, .c = matrix};
  std::vector<MatrixProduct> others(6, product);
  others[0].rows = 4;
  others[1].a.transposed = true;
  others[2].add = true;
  others[3].b.data = memory + 1;  // less aligned
  others[4].c.stride = 16;
  others[5].epilogue = Epilogue::kBias;
  for (const auto& other : others) {
    BOOST_TEST((key_of(other, false) != key_of(product, false)));
  }
  BOOST_TEST((key_of(product, true) != key_of(product, false)));
  auto elsewhere = product;
  elsewhere.a.data = memory + 16;
  BOOST_TEST((key_of(elsewhere, false) == key_of(product, false)));
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on_has_the_bits_of_the_choices_it_was_begun_with) {
  const Gpu first, second;
  const auto record = first.choose();
  BOOST_TEST(ProductChoices::decode(record)->of_products.size() == 2);
  const auto expected = first.products();
  // Timed again, the other way may win.
  BOOST_TEST(second.choose() != record);
  BOOST_TEST((second.products() != expected));
  BOOST_TEST(second.kernels->use_products(record));
  BOOST_TEST((second.products() == expected));
}

BOOST_AUTO_TEST_CASE(a_record_of_another_gpu_is_not_taken) {
  const Gpu gpu;
  const auto record = gpu.choose();
  const auto expected = gpu.products();
  BOOST_TEST(!gpu.kernels->use_products("another GPU" + record.substr(record.find('\n'))));
  BOOST_TEST(!gpu.kernels->use_products(record + "damaged\n"));
  BOOST_TEST(!gpu.kernels->use_products(""));
  BOOST_TEST((gpu.products() == expected));
  BOOST_TEST(gpu.kernels->use_products(record));
}

BOOST_AUTO_TEST_CASE(a_cpu_has_nothing_to_choose) {
  const auto cpu = device::open_device("cpu", 1);
  const auto kernels = open_kernels(*cpu);
  bool has_run = false;
  BOOST_TEST(kernels->choose_products([&] { has_run = true; }) == "");
  BOOST_TEST(!has_run);
  BOOST_TEST(kernels->use_products("any record"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
