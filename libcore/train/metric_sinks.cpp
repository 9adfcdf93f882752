// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/metric_sinks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "formats/json_text.h"
#include "formats/prometheus_text.h"
#include "formats/tensorboard_events.h"
#include "formats/utf8.h"
#include "formats/wandb_run.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using formats::TrainLogRecord;

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double begin_of(const std::vector<TrainLogRecord>& records) {
  return records.empty() ? seconds_since_epoch() : records.front().time;
}

std::string run_name(const fs::path& run) {
  return fs::absolute(run).lexically_normal().filename().string();
}

/// What a curve is called: "train/loss".
std::string curve_name(const TrainLogRecord& record, const std::string& number) {
  return record.kind + "/" + number;
}

/// Records that are points of curves by step.
bool is_of_a_step(const TrainLogRecord& record) {
  static const std::set<std::string_view> kinds{"train",  "val",       "hella",
                                                "sample", "histogram", "skip"};
  return kinds.contains(record.kind);
}

// ---- TensorBoard --------------------------------------------------------------------------------

formats::TensorboardEvent event_of(const TrainLogRecord& record) {
  formats::TensorboardEvent event{.time = record.time, .step = record.step};
  if (record.kind == "histogram") {
    const auto number = [&](const char* name) { return record.numbers.at(name); };
    event.values.push_back(
        {record.text, formats::TensorboardHistogram{number("low"), number("high"), number("sum"),
                                                    number("sum_squares"), record.counts}});
    return event;
  }
  for (const auto& [name, number] : record.numbers) {
    event.values.push_back({curve_name(record, name), static_cast<float>(number)});
  }
  if (!record.text.empty())
    event.values.push_back({record.kind, formats::well_formed(record.text)});
  return event;
}

/// The settings as a table in Markdown.
formats::TensorboardEvent configuration_event(const TrainingConfig& config, double time) {
  std::string table = "|option|value|\n|---|---|\n";
  for (const auto& [name, value] : encode_configuration(config)) {
    std::string cell;
    for (const char c : value) cell += c == '|' ? std::string("\\|") : std::string(1, c);
    table += fmt::format("|{}|{}|\n", name, cell);
  }
  return {.time = time, .step = 0, .values = {{"configuration", table}}};
}

class TensorboardSink : public MetricSink {
 public:
  TensorboardSink(const fs::path& run, const TrainingConfig& config,
                  const std::vector<TrainLogRecord>& so_far)
      : writer_(run / "tensorboard", events(config, so_far), seconds_since_epoch()) {}
  void write(const TrainLogRecord& record) override {
    if (is_of_a_step(record)) writer_.write(event_of(record));
  }

 private:
  static std::vector<formats::TensorboardEvent> events(const TrainingConfig& config,
                                                       const std::vector<TrainLogRecord>& records) {
    std::vector<formats::TensorboardEvent> all{configuration_event(config, begin_of(records))};
    for (const auto& record : records) {
      if (is_of_a_step(record)) all.push_back(event_of(record));
    }
    return all;
  }
  formats::TensorboardWriter writer_;
};

// ---- W&B ----------------------------------------------------------------------------------------

/// A setting's text as JSON: numbers, truths and lists are that already.
std::string as_json(const std::string& text) {
  const bool is_list = text.starts_with('[');
  char* end = nullptr;
  const bool is_number = !text.empty() && (std::strtod(text.c_str(), &end), *end == '\0') &&
                         text.find_first_not_of("0123456789.e+-") == std::string::npos;
  const bool is_truth = text == "true" || text == "false";
  return is_list || is_number || is_truth ? text : formats::json_quote(text);
}

formats::WandbRun wandb_run(const fs::path& run, const TrainingConfig& config, double begin) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  formats::WandbRun described{.id = "",
                              .project = config.wandb,
                              .entity = config.wandb_entity,
                              .name = config.wandb_name.empty() ? run_name(run) : config.wandb_name,
                              .tags = config.wandb_tags,
                              .configuration = {},
                              .host = host.data(),
                              .start_time = begin};
  for (const auto& [name, text] : encode_configuration(config)) {
    described.configuration[name] = as_json(text);
  }
  return described;
}

/// W&B's form of a histogram: counts, and one edge more.
std::string histogram_json(const TrainLogRecord& record) {
  const double low = record.numbers.at("low"), high = record.numbers.at("high");
  const auto bin_count = static_cast<double>(record.counts.size());
  formats::JsonWriter json;
  json.begin_object().key("_type").value("histogram").key("values").begin_array();
  for (const auto count : record.counts) json.value(count);
  json.end_array().key("bins").begin_array();
  for (std::size_t edge = 0; edge <= record.counts.size(); ++edge) {
    json.value(low + (high - low) * static_cast<double>(edge) / bin_count);
  }
  json.end_array().end_object();
  return json.text();
}

/// Joins the records of a step to the one row that W&B wants of it.
class RowBuilder {
 public:
  /// Gives the row before when `record` begins another one.
  std::optional<formats::WandbRow> add(const TrainLogRecord& record) {
    if (!is_of_a_step(record)) return {};
    std::optional<formats::WandbRow> done;
    if (record.step != row_.step) done = take();
    row_.step = record.step;
    row_.time = record.time;
    if (record.kind == "histogram") {
      row_.values[record.text] = histogram_json(record);
      return done;
    }
    for (const auto& [name, number] : record.numbers) {
      row_.values[curve_name(record, name)] =
          std::isfinite(number) ? formats::json_number(number) : "\"NaN\"";
    }
    if (!record.text.empty()) row_.values[record.kind] = formats::json_quote(record.text);
    return done;
  }
  std::optional<formats::WandbRow> take() {
    if (row_.values.empty()) return {};
    return std::exchange(row_, {});
  }

 private:
  formats::WandbRow row_;
};

class WandbSink : public MetricSink {
 public:
  WandbSink(const fs::path& run, const TrainingConfig& config,
            const std::vector<TrainLogRecord>& so_far)
      : writer_(run / "wandb", wandb_run(run, config, begin_of(so_far)), rows(so_far)) {}
  void write(const TrainLogRecord& record) override {
    if (const auto row = builder_.add(record)) writer_.write(*row);
  }
  void finish(int exit_code) override {
    if (const auto row = builder_.take()) writer_.write(*row);
    writer_.finish(exit_code, seconds_since_epoch());
  }

 private:
  /// The rows that are complete; the newest may get more values.
  std::vector<formats::WandbRow> rows(const std::vector<TrainLogRecord>& records) {
    std::vector<formats::WandbRow> complete;
    for (const auto& record : records) {
      if (auto row = builder_.add(record)) complete.push_back(*std::move(row));
    }
    return complete;
  }
  RowBuilder builder_;  // before the writer, which is made from what it joins
  formats::WandbRunWriter writer_;
};

// ---- Prometheus ---------------------------------------------------------------------------------

struct Exported {
  std::string_view kind, number;  // of a record; "step" and "time" are its own
  formats::PrometheusMetric metric;
};

constexpr std::array<Exported, 10> kExported{{
    {"train", "step", {"gpt2_train_step", "gauge", "Optimizer steps done."}},
    {"train",
     "time",
     {"gpt2_train_last_step_timestamp_seconds", "gauge", "When the newest step was done."}},
    {"train", "loss", {"gpt2_train_loss", "gauge", "Training loss of the newest step, in nats."}},
    {"train", "learning_rate", {"gpt2_train_learning_rate", "gauge", "Learning rate."}},
    {"train", "gradient_norm", {"gpt2_train_gradient_norm", "gauge", "Norm of the gradients."}},
    {"train",
     "tokens_per_second",
     {"gpt2_train_tokens_per_second", "gauge", "Tokens trained on a second."}},
    {"train", "tokens", {"gpt2_train_tokens_total", "counter", "Tokens trained on."}},
    {"skip",
     "skipped_steps",
     {"gpt2_train_skipped_steps_total", "counter", "Steps left out: loss or norm not finite."}},
    {"val", "loss", {"gpt2_train_validation_loss", "gauge", "Newest validation loss, in nats."}},
    {"hella", "accuracy", {"gpt2_train_hellaswag_accuracy", "gauge", "Newest HellaSwag accuracy."}},
}};

class PrometheusSink : public MetricSink {
 public:
  PrometheusSink(const fs::path& run, const TrainingConfig& config,
                 const std::vector<TrainLogRecord>& so_far)
      : path_(config.prometheus), labels_{{"run", run_name(run)}} {
    for (const auto& record : so_far) take(record);
    save();
  }
  void write(const TrainLogRecord& record) override {
    take(record);
    constexpr auto kSaveEvery = std::chrono::seconds(1);
    if (std::chrono::steady_clock::now() - saved_ >= kSaveEvery) save();
  }
  void finish(int /*exit_code*/) override { save(); }

 private:
  void take(const TrainLogRecord& record) {
    for (std::size_t i = 0; i < kExported.size(); ++i) {
      const auto& [kind, number, metric] = kExported[i];
      if (kind != record.kind) continue;
      const auto found = record.numbers.find(std::string(number));
      if (number == "step") {
        values_[i] = static_cast<double>(record.step);
      } else if (number == "time") {
        values_[i] = record.time;
      } else if (found != record.numbers.end()) {
        values_[i] = found->second;
      }
    }
  }
  void save() {
    std::vector<formats::PrometheusMetric> metrics;
    for (std::size_t i = 0; i < kExported.size(); ++i) {
      if (!values_[i]) continue;
      metrics.push_back(kExported[i].metric);
      metrics.back().value = *values_[i];
    }
    formats::save_prometheus_text(path_, formats::encode_prometheus_text(metrics, labels_));
    saved_ = std::chrono::steady_clock::now();
  }

  fs::path path_;
  std::map<std::string, std::string> labels_;
  std::array<std::optional<double>, kExported.size()> values_;
  std::chrono::steady_clock::time_point saved_;
};

}  // namespace

std::vector<std::unique_ptr<MetricSink>> open_metric_sinks(
    const fs::path& run, const TrainingConfig& config, const std::vector<TrainLogRecord>& so_far) {
  std::vector<std::unique_ptr<MetricSink>> sinks;
  if (config.tensorboard) sinks.push_back(std::make_unique<TensorboardSink>(run, config, so_far));
  if (!config.wandb.empty() && config.wandb_mode == "offline") {
    sinks.push_back(std::make_unique<WandbSink>(run, config, so_far));
  }
  if (!config.prometheus.empty()) {
    sinks.push_back(std::make_unique<PrometheusSink>(run, config, so_far));
  }
  return sinks;
}

}  // namespace gpt2::train
