// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Started as several ranks by messages.sh: what they say to each other arrives whole, in pieces of
// a few bytes; sums and shares are of memory of the device that GPT2_TEST_DEVICE names.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/half_precision.h"
#include "libcore/comm/communicator.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "tests/support/backend.h"

namespace gpt2::comm {
namespace {

constexpr auto kF32 = device::DataType::kF32, kBF16 = device::DataType::kBF16;

/// MPI begins and ends once in a process.
struct Ranks {
  Ranks() {
    hosts = open_communicator({.launched = true, .message_bytes = 40, .summed_message_bytes = 24});
    device = device::open_device(support::test_device(), 1, hosts->rank());
    kernels = kernels::open_kernels(*device);
    of_gpus = open_gpu_communicator(*hosts, *device, *kernels, /*exchange_bytes=*/120);
    BOOST_REQUIRE((of_gpus == nullptr) == device->is_host());
  }
  ~Ranks() {
    of_gpus.reset();
    hosts->leave(0);
  }
  static Communicator& all() { return of_gpus ? *of_gpus : *hosts; }

  static inline std::unique_ptr<Communicator> hosts;
  static inline std::unique_ptr<device::Device> device;
  static inline std::unique_ptr<kernels::Kernels> kernels;
  static inline std::unique_ptr<Communicator> of_gpus;
};

/// Magnitudes so far apart that another order of adding gives other bits.
std::vector<float> values_of(int rank, std::int64_t elements) {
  std::vector<float> values(static_cast<std::size_t>(elements));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto mixed =
        (static_cast<unsigned>(i) * 2654435761U + static_cast<unsigned>(rank)) * 40503U;
    values[i] = std::ldexp(static_cast<float>(mixed % 65521) - 30000, static_cast<int>(mixed % 19));
  }
  return values;
}

std::vector<float> sums_of(int ranks, std::int64_t elements, device::DataType wire) {
  const auto rounded = [&](float value) {
    return wire == device::DataType::kF32
               ? value
               : formats::float_from_bfloat16(formats::bfloat16_from_float(value));
  };
  std::vector<std::vector<float>> terms;
  for (int rank = 0; rank < ranks; ++rank) terms.push_back(values_of(rank, elements));
  join_pairwise(terms.size(), [&](std::size_t to, std::size_t from) {
    for (std::size_t i = 0; i < terms[to].size(); ++i) {
      terms[to][i] = rounded(terms[to][i]) + rounded(terms[from][i]);
    }
  });
  return terms.front();
}

/// The values on the device while `use` has them there.
template <typename Use>
void on_device(std::vector<float>& values, const Use& use) {
  const auto bytes = values.size() * sizeof(float);
  const device::DeviceBuffer memory(*Ranks::device, bytes);
  Ranks::device->copy_to_device(memory.data(), values.data(), bytes);
  use(device::TensorView(memory.data(), kF32, {std::ssize(values)}));
  Ranks::device->copy_to_host(values.data(), memory.data(), bytes);
}

BOOST_TEST_GLOBAL_FIXTURE(Ranks);

BOOST_AUTO_TEST_SUITE(messages)

BOOST_AUTO_TEST_CASE(texts_of_any_length_arrive_whole) {
  auto& ranks = Ranks::all();
  const auto text_of = [](int rank, std::size_t length) {
    std::string text(length + static_cast<std::size_t>(rank), 'a');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + rank);
    return text;
  };
  for (const std::size_t length : {0, 1, 54, 55, 56, 57, 95, 96, 97, 1000}) {
    const auto all = ranks.gather(text_of(ranks.rank(), length));
    BOOST_REQUIRE(std::ssize(all) == ranks.size());
    for (int rank = 0; rank < ranks.size(); ++rank) {
      BOOST_TEST(all[static_cast<std::size_t>(rank)] == text_of(rank, length));
    }
  }
}

BOOST_AUTO_TEST_CASE(sums_are_the_tree_in_whatever_ranges_they_are_taken) {
  auto& ranks = Ranks::all();
  for (const auto& [elements, wire] :
       {std::pair{1, kF32}, std::pair{37, kF32}, std::pair{5003, kF32}, std::pair{1, kBF16},
        std::pair{37, kBF16}, std::pair{5003, kBF16}}) {
    const Shares shares(elements, ranks.size());
    const auto expected = sums_of(ranks.size(), elements, wire);
    for (const std::int64_t range : {elements, elements / 3 + 1, 17}) {
      auto values = values_of(ranks.rank(), elements);
      on_device(values, [&](const device::TensorView& view) {
        for (std::int64_t end = elements; end > 0; end -= range) {
          const auto first = std::max<std::int64_t>(0, end - range);
          ranks.reduce_shares(view, shares, {first, end - first}, wire);
        }
      });
      const auto own = shares.of_rank(ranks.rank());
      for (auto i = static_cast<std::size_t>(own.first); std::cmp_less(i, own.end()); ++i) {
        BOOST_REQUIRE_EQUAL(values[i], expected[i]);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_rank_gets_every_share) {
  auto& ranks = Ranks::all();
  for (const std::int64_t elements : {1, 37, 1000, 5003}) {
    const Shares shares(elements, ranks.size());
    const auto expected = values_of(99, elements);
    const auto own = shares.of_rank(ranks.rank());
    std::vector<float> values(expected.size());
    std::copy_n(expected.begin() + own.first, own.count, values.begin() + own.first);
    on_device(values, [&](const device::TensorView& view) { ranks.gather_shares(view, shares); });
    BOOST_TEST(values == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::comm
