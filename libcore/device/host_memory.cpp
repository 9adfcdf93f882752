// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Where Linux says how much memory is left: proc(5), and the controllers "memory" of cgroups(7) in
// both versions.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/device/device_cpu.h"

namespace gpt2::device {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnknown = UINT64_MAX;

std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return {};  // "max", too
}

/// The number of the line that begins with `name` and a blank or colon.
std::optional<std::uint64_t> number_of_line(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name) || line.size() <= name.size()) continue;
    if (line[name.size()] != ' ' && line[name.size()] != ':') continue;
    const auto digits = line.find_first_of("0123456789", name.size());
    if (digits != std::string::npos) return std::stoull(line.substr(digits));
  }
  return {};
}

std::uint64_t left_in_system(const fs::path& root) {
  const auto meminfo = root / "proc/meminfo";
  const auto available = number_of_line(meminfo, "MemAvailable");
  if (!available) return kUnknown;
  return (*available + number_of_line(meminfo, "SwapFree").value_or(0)) * 1024;
}

/// Names of a control group's files, in one version.
struct GroupFiles {
  const char *limit, *used, *cache;
};

/// Cached files make room when memory is wanted.
std::uint64_t left_in_group(const fs::path& group, const GroupFiles& names) {
  const auto limit = number_in(group / names.limit), used = number_in(group / names.used);
  if (!limit || !used) return kUnknown;
  const auto cache = number_of_line(group / "memory.stat", names.cache).value_or(0);
  const auto taken = *used - std::min(*used, cache);
  return *limit - std::min(*limit, taken);
}

/// A process is in a group and in all groups above it. In a container the group's own folder may
/// stand for the top.
std::uint64_t left_in_groups(const fs::path& mount, const fs::path& group,
                             const GroupFiles& names) {
  auto left = kUnknown;
  for (auto path = group.relative_path(); !path.empty(); path = path.parent_path()) {
    left = std::min(left, left_in_group(mount / path, names));
  }
  return std::min(left, left_in_group(mount, names));
}

}  // namespace

std::uint64_t free_host_bytes(const fs::path& root) {
  auto left = left_in_system(root);
  const auto mounts = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");  // "4:memory:/a/b", "0::/a/b"
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controller = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controller.empty()) {
      left = std::min(
          left, left_in_groups(mounts, group, {"memory.max", "memory.current", "inactive_file"}));
    } else if (controller == "memory") {
      left = std::min(left, left_in_groups(mounts / "memory", group,
                                           {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                            "total_inactive_file"}));
    }
  }
  return left;
}

}  // namespace gpt2::device
