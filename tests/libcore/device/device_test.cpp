// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/device/device.h"

#include <sched.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "formats/errors.h"
#include "libcore/device/device_cpu.h"
#include "tests/support/backend.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::device {

BOOST_AUTO_TEST_SUITE(device)

BOOST_AUTO_TEST_CASE(the_cpu_has_the_allowed_threads) {
  cpu_set_t allowed;
  BOOST_REQUIRE_EQUAL(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  const auto cpu = open_device("cpu", 0);
  BOOST_TEST(cpu->threads() >= 1);
  BOOST_TEST(cpu->threads() <= CPU_COUNT(&allowed));
  BOOST_TEST(cpu->name().substr(0, 5) == "cpu: ");
}

BOOST_AUTO_TEST_CASE(cuda_is_a_gpu_or_says_what_is_missing_and_auto_takes_what_there_is) {
  std::string kind = "cuda: ";
  try {
    const auto gpu = open_device("cuda", 3);
    BOOST_TEST(gpu->name().substr(0, 6) == "cuda: ");
    BOOST_TEST(gpu->threads() == 3);
  } catch (const formats::UnavailableError& error) {
    const std::string message = error.what();
    BOOST_TEST(message.substr(0, 13) == "device cuda: ");
    BOOST_TEST(message.find("; take auto or cpu") != std::string::npos);
    kind = "cpu: ";
  }
  BOOST_TEST(open_device("auto", 0)->name().substr(0, kind.size()) == kind);
}

BOOST_AUTO_TEST_CASE(threads_follow_a_narrower_affinity_mask) {
  cpu_set_t before, one;
  BOOST_REQUIRE_EQUAL(sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  BOOST_REQUIRE_EQUAL(sched_setaffinity(0, sizeof(one), &one), 0);
  const int threads = open_device("cpu", 0)->threads();
  BOOST_REQUIRE_EQUAL(sched_setaffinity(0, sizeof(before), &before), 0);
  BOOST_TEST(threads == 1);
}

BOOST_AUTO_TEST_CASE(threads_asked_for_are_given) {
  const auto cpu = open_device("cpu", 3);
  BOOST_TEST(cpu->threads() == 3);
  BOOST_TEST(cpu->name().substr(0, 14) == "cpu: 3 threads");
}

BOOST_AUTO_TEST_CASE(refuses_unknown_kinds_and_negative_threads) {
  BOOST_CHECK_THROW(open_device("tpu", 0), formats::UsageError);
  BOOST_CHECK_THROW(open_device("", 0), formats::UsageError);
  BOOST_CHECK_THROW(open_device("cpu", -1), formats::UsageError);
}

BOOST_AUTO_TEST_CASE(memory_is_aligned_and_holds_what_is_copied) {
  const auto device = support::open_test_device(1);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
                                  std::size_t{65}, std::size_t{5} << 20}) {
    DeviceBuffer buffer(*device, bytes), other(*device, bytes);
    BOOST_TEST(buffer.bytes() == bytes);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0U);
    const std::vector<char> sent(bytes, 'x');
    std::vector<char> received(bytes);
    device->copy_to_device(buffer.data(), sent.data(), bytes);
    device->copy_on_device(other.data(), buffer.data(), bytes);
    device->copy_to_host(received.data(), other.data(), bytes);
    BOOST_TEST((received == sent));
    device->fill_zero(other.data(), bytes);
    device->synchronize();
    device->copy_to_host(received.data(), other.data(), bytes);
    BOOST_TEST((received == std::vector<char>(bytes)));
  }
}

BOOST_AUTO_TEST_CASE(queued_copies_keep_their_order_and_arrive_when_waited_for) {
  const auto device = support::open_test_device(1);
  DeviceBuffer buffer(*device, 100);
  std::vector<std::vector<char>> received(5, std::vector<char>(100));
  std::vector<char> sent(100);
  for (std::size_t i = 0; i < received.size(); ++i) {
    sent.assign(100 - 10 * i, static_cast<char>('a' + i));  // longer and shorter than before
    device->queue_to_device(buffer.data(), sent.data(), sent.size());
    std::fill(sent.begin(), sent.end(), '!');  // taken along already
    device->queue_to_host(received[i].data(), buffer.data(), 100);
  }
  device->synchronize();
  for (std::size_t i = 0; i < received.size(); ++i) {
    std::vector<char> expected;
    for (std::size_t k = 0; k < 100; ++k) {
      expected.push_back(static_cast<char>('a' + std::min(i, (99 - k) / 10)));
    }
    BOOST_TEST(received[i] == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_mark_brings_the_copies_before_it_alone) {
  const auto device = support::open_test_device(1);
  DeviceBuffer buffer(*device, 1);
  std::vector<char> received(4, '?');
  std::vector<std::uint64_t> marks;
  for (std::size_t i = 0; i < received.size(); ++i) {
    const char sent = static_cast<char>('a' + i);
    device->queue_to_device(buffer.data(), &sent, 1);
    device->queue_to_host(&received[i], buffer.data(), 1);
    marks.push_back(device->mark());
  }
  const auto text = [&] { return std::string(received.begin(), received.end()); };
  device->wait_for(marks[0]);
  BOOST_TEST(text() == (device->is_host() ? "abcd" : "a???"));
  device->wait_for(marks[2]);
  BOOST_TEST(text() == (device->is_host() ? "abcd" : "abc?"));
  device->wait_for(marks[1]);  // passed long ago
  device->wait_for(marks[3]);
  BOOST_TEST(text() == "abcd");
  device->synchronize();
}

BOOST_AUTO_TEST_CASE(free_bytes_are_some_and_fewer_while_memory_is_held) {
  const auto device = support::open_test_device(1);
  BOOST_TEST(device->free_bytes() > 0U);
  if (device->name().starts_with("cpu")) return;  // others take and give memory meanwhile
  const auto before = device->free_bytes();
  const DeviceBuffer held(*device, std::size_t{8} << 20);
  BOOST_TEST(device->free_bytes() + held.bytes() <= before);
}

/// A folder that looks like a system's proc and sys.
struct System : support::TemporaryFolder {
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path() / name).parent_path());
    std::ofstream(path() / name) << text;
  }
};

BOOST_FIXTURE_TEST_CASE(free_host_memory_is_the_least_that_system_and_control_groups_leave,
                        System) {
  BOOST_TEST(free_host_bytes(path()) == UINT64_MAX);
  write("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:    4000 kB\nSwapFree:  96 kB\n");
  BOOST_TEST(free_host_bytes(path()) == 4096U * 1024);
  write("proc/self/cgroup", "1:cpu:/\n0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  write("sys/fs/cgroup/a/b/memory.current", "1000\n");
  BOOST_TEST(free_host_bytes(path()) == 4096U * 1024);
  write("sys/fs/cgroup/a/memory.max", "3000000\n");
  write("sys/fs/cgroup/a/memory.current", "2000000\n");
  BOOST_TEST(free_host_bytes(path()) == 1000000U);
  write("sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 500000\nfile 9\n");
  BOOST_TEST(free_host_bytes(path()) == 1500000U);
  write("sys/fs/cgroup/memory.max", "700\n");  // as a container sees its own group
  write("sys/fs/cgroup/memory.current", "900\n");
  BOOST_TEST(free_host_bytes(path()) == 0U);
}

BOOST_FIXTURE_TEST_CASE(control_groups_of_version_1_count_too, System) {
  write("proc/self/cgroup", "4:memory:/job\n0::/\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000\n");
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "4000\n");
  write("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 600\n");
  BOOST_TEST(free_host_bytes(path()) == 1600U);
}

BOOST_AUTO_TEST_CASE(a_moved_buffer_keeps_its_memory) {
  const auto device = support::open_test_device(1);
  DeviceBuffer first(*device, 100);
  void* memory = first.data();
  DeviceBuffer second(std::move(first));
  BOOST_TEST(second.data() == memory);
  DeviceBuffer third;
  third = std::move(second);
  BOOST_TEST(third.data() == memory);
  BOOST_TEST(third.bytes() == 100U);
}

BOOST_AUTO_TEST_CASE(memory_that_is_not_there_is_refused_with_device_and_bytes) {
  const auto device = support::open_test_device(2);
  std::vector<std::size_t> sizes{SIZE_MAX, SIZE_MAX - 100};
#ifndef __SANITIZE_ADDRESS__  // AddressSanitizer ends the program at such a size
  sizes.push_back(std::size_t{1} << 60);
#endif
  for (const std::size_t bytes : sizes) {
    BOOST_CHECK_EXCEPTION(DeviceBuffer(*device, bytes), formats::UnavailableError,
                          [&](const auto& error) {
                            const std::string message = error.what();
                            return message.find(device->name()) != std::string::npos &&
                                   message.find(std::to_string(bytes)) != std::string::npos;
                          });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::device
