// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <stdexcept>

#include "tests/libcore/kernels/kernel_fixture.h"

namespace gpt2::kernels {

BOOST_AUTO_TEST_SUITE(recorded_work)

BOOST_FIXTURE_TEST_CASE(takes_what_memory_holds_at_each_run, Backend) {
  const auto sum = upload_floats({0}), part = upload_floats({0}), copy = upload_floats({0});
  int calls = 0;
  const auto work = kernels().record();
  for (const float value : {1.F, 2.F, 4.F, 8.F, 16.F}) {
    device().queue_to_device(part.data, &value, sizeof value);
    work->run([&] {
      ++calls;
      device().copy_on_device(copy.data, part.data, part.bytes());
      kernels().add(sum, copy);
      device().fill_zero(copy.data, copy.bytes());
    });
  }
  BOOST_TEST(download(sum)[0] == 31);
  BOOST_TEST(download(copy)[0] == 0);
  BOOST_TEST(calls == (device().is_host() ? 5 : 2));  // as it is, and for the graph
}

BOOST_FIXTURE_TEST_CASE(follows_memory_that_is_replaced, Backend) {
  const auto sum = upload_floats({0});
  device::DeviceBuffer part;
  const auto work = kernels().record();
  for (const float value : {1.F, 10.F, 100.F}) {
    device::DeviceBuffer larger(device(), part.bytes() + sizeof value);  // it lies elsewhere
    part = std::move(larger);
    larger = {};
    device().copy_to_device(part.data(), &value, sizeof value);
    for (int run = 0; run < 3; ++run) {
      work->run([&] { kernels().add(sum, TensorView(part.data(), device::DataType::kF32, {1})); });
    }
  }
  BOOST_TEST(download(sum)[0] == 333);
}

BOOST_FIXTURE_TEST_CASE(goes_on_after_an_error_in_the_middle, Backend) {
  const auto sum = upload_floats({0}), part = upload_floats({1});
  for (const int wrong_call : {1, 2}) {
    int calls = 0;
    const auto work = kernels().record();
    const auto run = [&] {
      work->run([&] {
        kernels().add(sum, part);
        if (++calls == wrong_call) throw std::runtime_error("no more");
      });
    };
    if (wrong_call == 2) run();
    BOOST_CHECK_THROW(run(), std::runtime_error);
    const auto before = download(sum)[0];
    for (int times = 0; times < 3; ++times) run();
    BOOST_TEST(download(sum)[0] == before + 3);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::kernels
