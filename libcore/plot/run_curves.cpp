// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/run_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "formats/train_log.h"

namespace gpt2::plot {
namespace {

bool by_value(const Point& a, const Point& b) { return a.value < b.value; }

std::vector<formats::TrainLogRecord> load_records(const std::filesystem::path& run_directory) {
  if (std::filesystem::exists(run_directory / "metrics.jsonl")) {
    return formats::load_train_log(run_directory);
  }
  if (std::filesystem::exists(run_directory / "log.txt")) {
    return formats::load_log_text(run_directory);
  }
  throw formats::InputError(fmt::format(
      "{}: is no run folder: it has neither metrics.jsonl nor log.txt", run_directory.string()));
}

void take(Curve& curve, const formats::TrainLogRecord& record, const char* number) {
  const auto found = record.numbers.find(number);
  if (found == record.numbers.end()) return;
  if (std::abs(found->second) <= std::numeric_limits<float>::max()) {
    curve.points.push_back({static_cast<double>(record.step), found->second});
  } else {
    ++curve.not_finite;
  }
}

/// A log that several starts appended to holds steps twice: the later line counts.
void order_by_step(Curve& curve) {
  auto& points = curve.points;
  std::stable_sort(points.begin(), points.end(),
                   [](const Point& a, const Point& b) { return a.step < b.step; });
  const auto first_kept =
      std::unique(points.rbegin(), points.rend(),
                  [](const Point& a, const Point& b) { return a.step == b.step; });
  points.erase(points.begin(), first_kept.base());
}

/// RUN/config.yaml as gpt2-train writes it, one setting a line.
std::map<std::string, std::string> load_settings(const std::filesystem::path& run_directory) {
  std::map<std::string, std::string> settings;
  std::ifstream file(run_directory / "config.yaml");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with('#') || colon == std::string::npos) continue;
    std::string value = line.substr(colon + 2);
    const bool quoted = value.size() >= 2 && value.starts_with('"') && value.ends_with('"');
    settings[line.substr(0, colon)] = quoted ? value.substr(1, value.size() - 2) : value;
  }
  return settings;
}

/// How long the steps took, summed; a step that was not logged counts as the next one.
Curve seconds_of(const Curve& tokens, const Curve& tokens_per_second) {
  Curve seconds;
  double sum = 0, tokens_before = 0;
  for (std::size_t i = 0; i < std::min(tokens.points.size(), tokens_per_second.points.size());
       ++i) {
    const auto& [step, count] = tokens.points[i];
    const auto& rate = tokens_per_second.points[i];
    if (rate.step != step || rate.value <= 0) return {};
    sum += (count - tokens_before) / rate.value;
    tokens_before = count;
    seconds.points.push_back({step, sum});
  }
  return seconds;
}

void write_point(formats::JsonWriter& json, const char* key, const Point& point) {
  json.key(key).begin_object();
  json.key("step").value(static_cast<std::uint64_t>(point.step));
  json.key("value").value(point.value).end_object();
}

void write_curve(formats::JsonWriter& json, const char* key, const Curve& curve,
                 const Point& (Curve::*best)() const) {
  json.key(key).begin_object();
  json.key("points").value(static_cast<std::uint64_t>(curve.points.size()));
  json.key("not_finite").value(curve.not_finite);
  if (!curve.empty()) {
    write_point(json, "last", curve.last());
    if (best != nullptr) write_point(json, "best", (curve.*best)());
  }
  json.end_object();
}

}  // namespace

const Point& Curve::lowest() const {
  return *std::min_element(points.begin(), points.end(), by_value);
}

const Point& Curve::highest() const {
  return *std::max_element(points.begin(), points.end(), by_value);
}

RunCurves load_run_curves(const std::filesystem::path& run_directory) {
  RunCurves curves;
  curves.name = run_directory.string();
  auto& tokens = curves.tokens;
  for (const auto& record : load_records(run_directory)) {
    if (record.kind == "train") {
      take(curves.training_loss, record, "loss");
      take(curves.learning_rate, record, "learning_rate");
      take(curves.gradient_norm, record, "gradient_norm");
      take(tokens, record, "tokens");
      take(curves.tokens_per_second, record, "tokens_per_second");
    } else if (record.kind == "val") {
      take(curves.validation_loss, record, "loss");
    } else if (record.kind == "hella") {
      take(curves.accuracy, record, "accuracy");
    } else if (record.kind == "sample") {
      curves.samples.push_back({record.step, record.text});
    }
  }
  for (auto* curve :
       {&curves.training_loss, &curves.validation_loss, &curves.accuracy, &curves.learning_rate,
        &curves.gradient_norm, &curves.tokens_per_second, &tokens}) {
    order_by_step(*curve);
  }
  if (curves.training_loss.empty() && curves.validation_loss.empty()) {
    throw formats::InputError(
        fmt::format("{}: its log holds no loss; let the run go on for a step", curves.name));
  }
  if (!tokens.empty() && tokens.last().step > 0) {
    curves.tokens_per_step = tokens.last().value / tokens.last().step;
  }
  curves.seconds = seconds_of(tokens, curves.tokens_per_second);
  curves.settings = load_settings(run_directory);
  return curves;
}

Curve over(const Curve& curve, const Curve& progress) {
  Curve result;
  result.not_finite = curve.not_finite;
  if (progress.empty()) return result;
  for (const auto& point : curve.points) {
    const auto found = std::ranges::lower_bound(progress.points, point.step, {}, &Point::step);
    const bool known = found != progress.points.end() && found->step == point.step;
    if (known || point.step == 0) result.points.push_back({known ? found->value : 0, point.value});
  }
  return result;
}

std::string summary_json(const RunCurves& curves) {
  formats::JsonWriter json(2);
  json.begin_object();
  json.key("run").value(curves.name);
  write_curve(json, "training_loss", curves.training_loss, &Curve::lowest);
  write_curve(json, "validation_loss", curves.validation_loss, &Curve::lowest);
  write_curve(json, "accuracy", curves.accuracy, &Curve::highest);
  write_curve(json, "learning_rate", curves.learning_rate, nullptr);
  write_curve(json, "gradient_norm", curves.gradient_norm, nullptr);
  json.end_object();
  return json.text();
}

}  // namespace gpt2::plot
