// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What a run logged, as curves over its steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gpt2::plot {

struct Point {
  double step = 0, value = 0;
  bool operator==(const Point&) const = default;
};

/// Points by rising step, one a step, all of a size that a float can have.
struct Curve {
  std::vector<Point> points;
  std::uint64_t not_finite = 0;  // values left out because they were NaN, infinite or larger

  bool empty() const { return points.empty(); }
  const Point& last() const { return points.back(); }
  const Point& lowest() const;
  const Point& highest() const;
};

/// A text that the model wrote at a step.
struct Sample {
  std::uint64_t step = 0;
  std::string text;
};

struct RunCurves {
  std::string name;  // the run folder, as it was named
  Curve training_loss, validation_loss, accuracy, learning_rate, gradient_norm;
  Curve tokens_per_second;
  Curve tokens;   // trained on up to the step
  Curve seconds;  // that the steps up to it took; validation, saves and stops do not count
  double tokens_per_step = 0;  // 0: not logged
  std::vector<Sample> samples;
  std::map<std::string, std::string> settings;  // RUN/config.yaml; empty if it is missing
};

/// Reads RUN/metrics.jsonl, or RUN/log.txt where there is none.
/// Throws: InputError when both are missing or hold no loss; FormatError.
RunCurves load_run_curves(const std::filesystem::path& run_directory);

/// The curve over another measure of progress than steps: `progress` (tokens or seconds) by step.
/// Points of steps that it does not know are left out, but step 0, where it is 0; all if it is
/// empty.
Curve over(const Curve& curve, const Curve& progress);

/// One JSON object: for each curve its number of points, last point and, where one is better than
/// another, its best.
std::string summary_json(const RunCurves& curves);

}  // namespace gpt2::plot
