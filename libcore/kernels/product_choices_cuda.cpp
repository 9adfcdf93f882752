// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/kernels/product_choices_cuda.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

namespace gpt2::kernels {
namespace {

constexpr std::int64_t kAlignedBytes = 16;
constexpr std::int64_t kAuxiliaryStrides = 8;  // elements

/// Takes the text up to the next `separator`, and that one.
std::string_view take_until(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto taken = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return taken;
}
template <class Numbers>
bool take_numbers(std::string_view& line, int base, Numbers& numbers) {
  for (auto& number : numbers) {
    const auto word = take_until(line, ' ');
    const auto [end, error] = std::from_chars(word.begin(), word.end(), number, base);
    if (error != std::errc() || end != word.end()) return false;
  }
  return true;
}

}  // namespace

std::int64_t alignment_of(const GpuMatrix& matrix) {
  const auto bits = static_cast<std::int64_t>(
      reinterpret_cast<std::uintptr_t>(matrix.data) |
      static_cast<std::uintptr_t>(matrix.stride) * device::bytes_of(matrix.type) | kAlignedBytes);
  return bits & -bits;
}

bool fits_epilogue(const MatrixProduct& p, bool tf32) {
  const auto is_aligned = [](const void* address) {
    return reinterpret_cast<std::uintptr_t>(address) % kAlignedBytes == 0;
  };
  if (!is_aligned(p.bias) || !is_aligned(p.column_sums)) return false;
  if (p.pre_activation.data == nullptr) return true;
  return alignment_of(p.pre_activation) == kAlignedBytes &&
         p.pre_activation.stride % kAuxiliaryStrides == 0 &&
         (tf32 || p.c.type != device::DataType::kF32);
}

ProductKey key_of(const MatrixProduct& p, bool tf32) {
  const auto part = [](const GpuMatrix& m) {
    return static_cast<std::int64_t>(m.type) * 64 + alignment_of(m) * 2 + (m.transposed ? 1 : 0);
  };
  return {p.rows,
          p.columns,
          p.inner,
          p.a.stride,
          p.b.stride,
          p.c.stride,
          part(p.a),
          part(p.b),
          part(p.c),
          p.add ? 1 : 0,
          static_cast<std::int64_t>(p.epilogue),
          p.pre_activation.stride,
          part(p.pre_activation),
          tf32 ? 1 : 0};
}

std::string ProductChoices::encode() const {
  std::string text = made_by + '\n';
  for (const auto& [key, choice] : of_products) {
    text += fmt::format("{} {:x}\n", fmt::join(key, " "), fmt::join(choice, " "));
  }
  return text;
}

bool ProductChoices::take_up(std::string_view record) {
  auto choices = decode(record);
  if (!choices || choices->made_by != made_by) return false;
  *this = std::move(*choices);
  return true;
}

std::optional<ProductChoices> ProductChoices::decode(std::string_view text) {
  ProductChoices choices;
  choices.made_by = take_until(text, '\n');
  while (!text.empty()) {
    auto line = take_until(text, '\n');
    ProductKey key{};
    ProductChoice choice{};
    if (!take_numbers(line, 10, key) || !take_numbers(line, 16, choice) || !line.empty()) {
      return std::nullopt;
    }
    choices.of_products[key] = choice;
  }
  return choices;
}

}  // namespace gpt2::kernels
