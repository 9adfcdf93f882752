// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Numbers for Prometheus: a file for the node_exporter's textfile collector. Spec:
// formats/prometheus_text.md; change both together.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace gpt2::formats {

struct PrometheusMetric {
  std::string_view name;  // "gpt2_train_loss"
  std::string_view type;  // gauge or counter
  std::string_view help;
  double value = 0;
};

/// The metrics, each with the same labels.
std::string encode_prometheus_text(std::span<const PrometheusMetric> metrics,
                                   const std::map<std::string, std::string>& labels);
/// Replaces the file in one rename, without waiting for the disk: after a power cut it is old.
/// Throws: IoError.
void save_prometheus_text(const std::filesystem::path& path, std::string_view text);

}  // namespace gpt2::formats
