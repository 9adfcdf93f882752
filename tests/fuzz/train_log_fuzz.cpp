// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Records that are accepted come back equal when they are written again, and a log that is cut back
// to its end keeps its bytes: metrics.jsonl and log.txt alike.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/errors.h"
#include "formats/train_log.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;
using Load = std::vector<TrainLogRecord> (*)(const std::filesystem::path& run_directory);

constexpr auto kAllSteps = std::numeric_limits<std::uint64_t>::max();

/// A number that is not finite is written as null, which is read as NaN.
bool came_back(const TrainLogRecord& after, const TrainLogRecord& before) {
  return after.kind == before.kind && after.step == before.step && after.time == before.time &&
         after.text == before.text &&
         std::ranges::equal(after.numbers, before.numbers, [](const auto& a, const auto& b) {
           return a.first == b.first &&
                  (a.second == b.second || (std::isnan(a.second) && !std::isfinite(b.second)));
         });
}

void check_log(const std::string& name, Load load, std::string_view input) {
  const auto run = scratch_folder() / "run", copy = scratch_folder() / "copy";
  std::filesystem::create_directory(run);
  std::filesystem::create_directory(copy);
  write_scratch_file("run/" + name, input);
  std::vector<TrainLogRecord> records;
  try {
    records = load(run);
  } catch (const FormatError&) {
    return;
  }
  TrainLogWriter(run, kAllSteps);
  require(read_whole(run / name) == input.substr(0, input.rfind('\n') + 1),
          "lines that are records stay as they are");
  {
    TrainLogWriter writer(copy, 0);
    for (const auto& record : records) writer.write(record);
  }
  const auto written = load_train_log(copy);
  require(std::ranges::equal(written, records, came_back), "the same records come back");
  for (const auto& record : load_log_text(copy)) {
    require(record.numbers.size() == 1, "a line of log.txt holds one number");
  }
}

}  // namespace

void check(std::string_view input) {
  check_log("metrics.jsonl", load_train_log, input);
  check_log("log.txt", load_log_text, input);
}

}  // namespace gpt2::fuzz
