// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/prometheus_text.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "formats/errors.h"
#include "formats/json_text.h"

namespace gpt2::formats {
namespace {

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    result += c == '\n' ? "\\n" : std::string(1, c);
  }
  return result;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return json_number(value);
}

}  // namespace

std::string encode_prometheus_text(std::span<const PrometheusMetric> metrics,
                                   const std::map<std::string, std::string>& labels) {
  std::string label_text;
  for (const auto& [name, value] : labels) {
    label_text += fmt::format("{}{}=\"{}\"", label_text.empty() ? "" : ",", name, escaped(value));
  }
  std::string text;
  for (const auto& [name, type, help, value] : metrics) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0}{{{3}}} {4}\n", name, help, type,
                        label_text, number_text(value));
  }
  return text;
}

void save_prometheus_text(const std::filesystem::path& path, std::string_view text) {
  // Not .tmp-NAME.prom: the collector reads every file whose name ends in .prom.
  auto unfinished = path;
  unfinished += ".tmp";
  std::ofstream file(unfinished, std::ios::binary);
  file.write(text.data(), std::ssize(text)).flush();
  if (!file) throw_io_error(unfinished.string(), "writing");
  std::error_code error;
  std::filesystem::rename(unfinished, path, error);
  if (error) throw IoError(fmt::format("{}: rename: {}", path.string(), error.message()));
}

}  // namespace gpt2::formats
