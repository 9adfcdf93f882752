// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/gradient_slots.h"

#include <algorithm>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "formats/half_precision.h"
#include "tests/support/backend.h"

namespace gpt2::train {
namespace {

constexpr std::int64_t kElements = 37;
constexpr auto kF32 = device::DataType::kF32, kBF16 = device::DataType::kBF16;

/// Gradients of one slot: magnitudes so far apart that another order of adding gives other bits.
std::vector<float> slot_gradients(std::int64_t slot) {
  auto values = support::random_floats(kElements, static_cast<std::uint32_t>(slot));
  for (auto& value : values) value *= std::exp2(static_cast<float>(slot * 7 % 24));
  return values;
}
double slot_loss(std::int64_t slot) { return std::exp2(slot * 11 % 53) / 3; }

float joined(float a, float b, device::DataType wire) {
  const auto rounded = [&](float value) {
    return wire == kF32 ? value : formats::float_from_bfloat16(formats::bfloat16_from_float(value));
  };
  return rounded(a) + rounded(b);
}
double joined(double a, double b, device::DataType /*wire*/) { return a + b; }

/// The definition: the largest power of two of slots, itself halved again and again, then the rest.
template <typename Number, typename Leaf>
Number tree_sum(std::int64_t first, std::int64_t count, const Leaf& leaf,
                device::DataType wire = kF32) {
  if (count == 1) return leaf(first);
  auto left = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(count)));
  if (left == count) left = count / 2;
  return joined(tree_sum<Number>(first, left, leaf, wire),
                tree_sum<Number>(first + left, count - left, leaf, wire), wire);
}

std::vector<double> losses(std::int64_t first, std::int64_t count) {
  std::vector<double> of_slots;
  for (auto slot = first; slot < first + count; ++slot) of_slots.push_back(slot_loss(slot));
  return of_slots;
}

struct Sums : support::Backend {
  void add_slots(GradientSlots& slots, std::int64_t first, std::int64_t count) {
    for (std::int64_t slot = first; slot < first + count; ++slot) {
      const auto values = slot_gradients(slot);
      device().copy_to_device(slots.open_slot().data(), values.data(),
                              values.size() * sizeof(float));
      slots.close_slot();
    }
  }
  std::vector<float> gradients(const device::DeviceBuffer& total) {
    std::vector<float> values(kElements);
    device().copy_to_host(values.data(), total.data(), total.bytes());
    return values;
  }
  void check_against_definition(const device::DeviceBuffer& total, std::int64_t count,
                                device::DataType wire = kF32) {
    const auto sums = gradients(total);
    for (std::int64_t element = 0; element < kElements; ++element) {
      const auto leaf = [&](std::int64_t slot) {
        return slot_gradients(slot)[static_cast<std::size_t>(element)];
      };
      BOOST_TEST(sums[static_cast<std::size_t>(element)] == tree_sum<float>(0, count, leaf, wire));
    }
  }
  std::unique_ptr<comm::Communicator> communicator = comm::open_communicator();
};

/// Two ranks in one process: this one's sums, and those of a partner that has them ready.
class PartnerCommunicator : public comm::Communicator {
 public:
  PartnerCommunicator(support::Backend& backend, std::vector<float> partner, double partner_loss)
      : backend_(backend), partner_(std::move(partner)), partner_loss_(partner_loss) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::vector<std::string> gather(std::string_view bytes) override {
    return {std::string(bytes),
            {reinterpret_cast<const char*>(&partner_loss_), sizeof(partner_loss_)}};
  }
  void reduce_shares(device::TensorView values, const comm::Shares& /*shares*/,
                     comm::ElementRange range, device::DataType wire) override {
    // On another thread than the one that has the kernels.
    std::vector<float> sums(static_cast<std::size_t>(range.count));
    const auto part = values.part(range.first, {range.count});
    backend_.device().copy_to_host(sums.data(), part.data, part.bytes());
    std::transform(sums.begin(), sums.end(), partner_.begin() + range.first, sums.begin(),
                   [&](float a, float b) { return joined(a, b, wire); });
    backend_.device().copy_to_device(part.data, sums.data(), part.bytes());
  }
  void gather_shares(device::TensorView /*values*/, const comm::Shares& /*shares*/) override {}
  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<PartnerCommunicator>(backend_, partner_, partner_loss_);
  }
  void say_phase(std::string_view /*phase*/) override {}
  int leave(int code) override { return code; }

 private:
  support::Backend& backend_;
  std::vector<float> partner_;
  double partner_loss_;
};

BOOST_FIXTURE_TEST_SUITE(gradient_slots, Sums)

BOOST_AUTO_TEST_CASE(sum_is_the_pairwise_tree_for_any_number_of_slots) {
  for (std::int64_t count = 1; count <= 17; ++count) {
    GradientSlots slots(device(), kernels(), kElements, *communicator, kF32);
    add_slots(slots, 0, count);
    check_against_definition(slots.join(), count);
  }
}

BOOST_AUTO_TEST_CASE(numbers_of_slots_are_summed_by_the_same_tree) {
  for (std::int64_t count = 1; count <= 17; ++count) {
    BOOST_TEST(sum_over_slots(losses(0, count), *communicator) ==
               tree_sum<double>(0, count, slot_loss));
  }
}

BOOST_AUTO_TEST_CASE(order_of_adding_shows_in_the_bits) {
  GradientSlots slots(device(), kernels(), kElements, *communicator, kF32);
  add_slots(slots, 0, 8);
  const auto sums = gradients(slots.join());
  std::vector<float> in_a_row(kElements);
  for (std::int64_t slot = 0; slot < 8; ++slot) {
    const auto values = slot_gradients(slot);
    for (std::size_t i = 0; i < values.size(); ++i) in_a_row[i] += values[i];
  }
  BOOST_TEST(sums != in_a_row);
}

BOOST_AUTO_TEST_CASE(next_step_begins_from_zero_and_reuses_the_buffers) {
  for (std::int64_t count : {1, 4, 6, 8}) {
    GradientSlots slots(device(), kernels(), kElements, *communicator, kF32);
    for (int step = 0; step < 3; ++step) {
      add_slots(slots, 0, count);
      check_against_definition(slots.join(), count);
    }
    BOOST_TEST(slots.buffer_count() ==
               static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(count))));
  }
}

BOOST_AUTO_TEST_CASE(opened_slot_is_zero) {
  GradientSlots slots(device(), kernels(), kElements, *communicator, kF32);
  add_slots(slots, 0, 2);
  slots.join();
  const auto& buffer = slots.open_slot();
  std::vector<float> values(kElements, 1);
  device().copy_to_host(values.data(), buffer.data(), buffer.bytes());
  BOOST_TEST(values == std::vector<float>(kElements, 0), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_ranks_give_the_bits_of_one) {
  GradientSlots right(device(), kernels(), kElements, *communicator, kF32);
  add_slots(right, 4, 4);
  PartnerCommunicator partner(*this, gradients(right.join()),
                              sum_over_slots(losses(4, 4), *communicator));
  GradientSlots left(device(), kernels(), kElements, partner, kF32);
  add_slots(left, 0, 4);
  check_against_definition(left.join(), 8);
  BOOST_TEST(sum_over_slots(losses(0, 4), partner) == tree_sum<double>(0, 8, slot_loss));
}

BOOST_AUTO_TEST_CASE(terms_of_every_join_are_rounded_for_a_narrow_wire) {
  for (const std::int64_t count : {1, 2, 4, 8}) {
    GradientSlots alone(device(), kernels(), kElements, *communicator, kBF16);
    add_slots(alone, 0, count);
    check_against_definition(alone.join(), count, kBF16);
    if (count == 1) continue;
    GradientSlots right(device(), kernels(), kElements, *communicator, kBF16);
    add_slots(right, count / 2, count / 2);
    PartnerCommunicator partner(*this, gradients(right.join()), 0);
    GradientSlots left(device(), kernels(), kElements, partner, kBF16);
    add_slots(left, 0, count / 2);
    check_against_definition(left.join(), count, kBF16);
  }
}

BOOST_AUTO_TEST_CASE(what_is_finished_early_has_the_same_bits) {
  for (const std::int64_t own_slots : {1, 2, 4}) {
    GradientSlots right(device(), kernels(), kElements, *communicator, kF32);
    add_slots(right, own_slots, own_slots);
    PartnerCommunicator partner(*this, gradients(right.join()), 0);
    GradientSlots left(device(), kernels(), kElements, partner, kF32);
    for (int step = 0; step < 2; ++step) {
      add_slots(left, 0, own_slots - 1);
      const auto values = slot_gradients(own_slots - 1);
      auto* gradients = left.open_slot().f32();
      for (std::int64_t end = kElements; const std::int64_t first : {30, 29, 5}) {
        device().copy_to_device(gradients + first, values.data() + first,
                                static_cast<std::size_t>(end - first) * sizeof(float));
        left.finish_from(first);
        end = first;
      }
      device().copy_to_device(gradients, values.data(), 5 * sizeof(float));
      left.close_slot();
      check_against_definition(left.join(), 2 * own_slots);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
