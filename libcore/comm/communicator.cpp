// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/comm/communicator.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "libcore/kernels/kernels.h"

namespace gpt2::comm {
namespace {

template <typename Value>
std::string_view bytes_of(std::span<const Value> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

void join_terms(kernels::Kernels& kernels, device::TensorView to, device::TensorView from,
                device::DataType wire) {
  if (wire == device::DataType::kBF16) {
    kernels.round_to_bf16(to);
    kernels.round_to_bf16(from);
  }
  kernels.add(to, from);
}

std::int64_t Communicator::maximum(std::int64_t value) {
  for (const auto& bytes : gather(bytes_of(std::span<const std::int64_t>(&value, 1)))) {
    std::int64_t other = 0;
    std::memcpy(&other, bytes.data(), sizeof(other));
    value = std::max(value, other);
  }
  return value;
}

void Communicator::tree_sum(std::span<double> values) {
  const auto all = gather(bytes_of(std::span<const double>(values)));
  std::vector<std::vector<double>> terms(all.size(), std::vector<double>(values.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!values.empty()) std::memcpy(terms[i].data(), all[i].data(), values.size_bytes());
  }
  join_pairwise(terms.size(), [&](std::size_t to, std::size_t from) {
    std::ranges::transform(terms[to], terms[from], terms[to].begin(), std::plus<>());
  });
  std::ranges::copy(terms.front(), values.begin());
}

void Communicator::together(const std::function<void()>& body) {
  std::exception_ptr error;
  try {
    body();
  } catch (...) {
    error = std::current_exception();
  }
  const auto place = error != nullptr ? size() - rank() : 0;  // largest: the first rank's
  const auto first = maximum(place);
  if (first == 0) return;
  end_together();
  if (place == first) std::rethrow_exception(error);
  throw EndedByAnotherRank();
}

}  // namespace gpt2::comm
