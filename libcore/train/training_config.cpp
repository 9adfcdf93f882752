// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/training_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <optional>

#include "formats/errors.h"
#include "formats/json_text.h"
#include "libcore/kernels/kernels.h"

namespace gpt2::train {
namespace {

using formats::ContradictionError;
using formats::InputError;
using formats::UsageError;

constexpr std::string_view kAuto = "auto";
/// Bounds that no run reaches and under which no product below overflows 64 bits.
constexpr std::uint64_t kMostPerFactor = 1U << 20;
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 60;
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 40;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
  return number;
}

/// The number in a text setting that may also be auto.
template <typename Number>
std::optional<Number> number_unless_auto(std::string_view option, std::string_view text) {
  if (text == kAuto) return {};
  const auto number = parse_number<Number>(text);
  if (!number)
    throw UsageError(fmt::format("--{} is '{}'; it must be auto or a number", option, text));
  return number;
}

/// The most that an automatic warm-up may have; none: `text` says how long it is.
std::optional<std::uint64_t> most_automatic_warmup(std::string_view text) {
  constexpr std::string_view kAtMost = "at-most-";
  if (text == kAuto) return 715;
  if (!text.starts_with(kAtMost)) return {};
  return parse_number<std::uint64_t>(text.substr(kAtMost.size()));
}

std::uint64_t warmup_of_run(std::string_view text, std::uint64_t max_steps) {
  if (const auto most = most_automatic_warmup(text)) return std::min(*most, max_steps / 10);
  if (const auto number = parse_number<std::uint64_t>(text)) return *number;
  throw UsageError(fmt::format(
      "--warmup-steps is '{}'; it must be auto, a number, or at-most- and a number", text));
}

void require(bool holds, std::string_view option, const auto& value, std::string_view rule) {
  if (!holds) throw UsageError(fmt::format("--{} is {}; it must be {}", option, value, rule));
}

std::string text_of(const std::string& value) { return value; }
std::string text_of(double value) { return formats::json_number(value); }
std::string text_of(std::uint64_t value) { return std::to_string(value); }
std::string text_of(std::uint32_t value) { return std::to_string(value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(const std::vector<std::string>& values) {
  formats::JsonWriter json;
  json.begin_array();
  for (const auto& value : values) json.value(value);
  return json.end_array().text();
}

bool read_text(const std::string& text, std::string& value) {
  value = text;
  return true;
}
bool read_text(const std::string& text, bool& value) {
  value = text == "true";
  return value || text == "false";
}
template <typename Number>
bool read_text(const std::string& text, Number& value) {
  const auto number = parse_number<Number>(text);
  if (number) value = *number;
  return number.has_value();
}
bool read_text(const std::string& text, std::vector<std::string>& values) {
  simdjson::dom::parser parser;
  simdjson::dom::array array;
  if (parser.parse(text).get(array) != simdjson::SUCCESS) return false;
  values.clear();
  for (const auto element : array) {
    std::string_view word;
    if (element.get(word) != simdjson::SUCCESS) return false;
    values.emplace_back(word);
  }
  return true;
}

/// "6e-4" and "0.0006" are one value.
bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto x = parse_number<double>(a), y = parse_number<double>(b);
  return x && y && *x == *y;
}

/// Multiples of `unit` around `tokens`, as words.
std::string nearest_multiples(std::uint64_t tokens, std::uint64_t unit) {
  const std::uint64_t below = tokens / unit * unit;
  return below == 0 ? fmt::format("the nearest that fits is {}", unit)
                    : fmt::format("the nearest that fit are {} and {}", below, below + unit);
}

/// Divisors of `count` around `slots`, as words.
std::string nearest_divisors(std::uint64_t count, std::uint64_t slots) {
  std::uint64_t below = std::min(slots, count), above = slots;
  while (count % below != 0) --below;
  if (below == count) return std::to_string(below);
  while (count % above != 0) ++above;
  return fmt::format("{} or {}", below, above);
}

std::uint64_t automatic_slots(std::uint64_t micro_batch_count, int rank_count) {
  const auto most = std::max<std::uint64_t>(8, static_cast<std::uint64_t>(rank_count));
  const std::uint64_t in_count = micro_batch_count & (~micro_batch_count + 1);  // its power of two
  return std::min(in_count, std::bit_floor(most));
}

/// Pairs of slots are joined as one rank joins them where each rank has a power of two of them.
void check_rank_count(std::uint64_t slots, std::uint64_t micro_batches, std::uint64_t ranks,
                      bool exact) {
  if (!exact) {
    if (ranks <= micro_batches) return;
    throw UsageError(
        fmt::format("a step has {} micro-batches, too few for {} ranks", micro_batches, ranks));
  }
  const auto fits = [slots](std::uint64_t count) {
    return slots % count == 0 && std::has_single_bit(slots / count);
  };
  if (fits(ranks)) return;
  std::vector<std::uint64_t> possible;
  for (std::uint64_t count = 1; count <= slots; ++count) {
    if (fits(count)) possible.push_back(count);
  }
  throw UsageError(
      fmt::format("{} ranks cannot share {} gradient slots and sum them as one rank does; start "
                  "one of {}, or give --reduction fast",
                  ranks, slots, fmt::join(possible, ", ")));
}

std::uint64_t steps_of_run(const TrainingConfig& config, std::uint64_t windows_per_epoch,
                           std::uint64_t sequences_per_step) {
  if (config.max_steps > 0) return config.max_steps;
  const std::uint64_t epochs = std::max<std::uint64_t>(1, config.max_epochs);
  if (windows_per_epoch > UINT64_MAX / 2 / epochs) {
    throw UsageError(fmt::format("--max-epochs {} is more than can be counted", epochs));
  }
  return (epochs * windows_per_epoch + sequences_per_step - 1) / sequences_per_step;
}

}  // namespace

void TrainingConfig::check() const {
  if (out.empty()) throw UsageError("--out is needed: the folder of the run");
  if (train.empty() && resume.empty()) {
    throw UsageError("--train is needed to begin a run: the token shards to train on");
  }
  if (max_steps > 0 && max_epochs > 0) {
    throw UsageError("--max-steps and --max-epochs both set the length of the run; give one");
  }
  std::set<std::string> known;
  for_each_option(*this, [&](const TrainingOption& option, const auto&) {
    known.insert(std::string(option.name));
  });
  for (const auto& name : allow_change) {
    require(known.contains(name), "allow-change", name, "the name of an option, without dashes");
  }
  for_each_option(*this, [](const TrainingOption& option, const auto& value) {
    if constexpr (std::is_same_v<decltype(value), const std::string&>) {
      if (!option.choices.empty()) {
        require(
            std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end(),
            option.name, value, fmt::format("one of {}", fmt::join(option.choices, ", ")));
      }
    }
    if constexpr (std::is_same_v<decltype(value), const double&>) {
      require(std::isfinite(value) && value >= 0, option.name, value, "finite and not negative");
    }
  });
  if (const auto count = number_unless_auto<std::uint64_t>("batch-size", batch_size)) {
    require(*count >= 1 && *count <= kMostPerFactor, "batch-size", *count,
            fmt::format("from 1 to {}", kMostPerFactor));
  }
  require(total_batch_tokens >= 1 && total_batch_tokens <= kMostTokens, "total-batch-tokens",
          total_batch_tokens, "at least 1");
  require(max_steps <= kMostSteps, "max-steps", max_steps, fmt::format("at most {}", kMostSteps));
  if (const auto count = number_unless_auto<std::uint64_t>("slots", slots)) {
    require(*count >= 1 && *count <= kMostPerFactor, "slots", *count,
            fmt::format("from 1 to {}", kMostPerFactor));
  }
  if (const auto rate = number_unless_auto<double>("min-learning-rate", min_learning_rate)) {
    require(*rate >= 0 && *rate <= learning_rate, "min-learning-rate", *rate,
            fmt::format("from 0 to --learning-rate, {}", learning_rate));
  }
  warmup_of_run(warmup_steps, 0);
  require(accumulation_steps <= kMostPerFactor, "accumulation-steps", accumulation_steps,
          fmt::format("at most {}", kMostPerFactor));
  require(beta1 < 1, "beta1", beta1, "below 1");
  require(beta2 < 1, "beta2", beta2, "below 1");
  require(epsilon > 0, "epsilon", epsilon, "above 0");
  require(dropout < 1, "dropout", dropout, "below 1");
  kernels::check_precision(device, precision);
  require(prometheus.empty() || prometheus.ends_with(".prom"), "prometheus", prometheus,
          "a name that ends in .prom, or the collector does not read it");
  require(max_bad_steps >= 1, "max-bad-steps", max_bad_steps, "at least 1");
  require(keep_last >= 1, "keep-last", keep_last, "at least 1");
}

std::map<std::string, std::string> encode_configuration(const TrainingConfig& config) {
  std::map<std::string, std::string> texts;
  for_each_option(config, [&](const TrainingOption& option, const auto& value) {
    if (option.on_resume != OnResume::kNotStored) texts.emplace(option.name, text_of(value));
  });
  return texts;
}

TrainingConfig decode_configuration(const std::map<std::string, std::string>& texts,
                                    std::string_view where) {
  TrainingConfig config;
  std::set<std::string_view> known;
  for_each_option(config, [&](const TrainingOption& option, auto& value) {
    if (option.on_resume == OnResume::kNotStored) return;
    known.insert(option.name);
    const auto text = texts.find(std::string(option.name));
    if (text != texts.end() && !read_text(text->second, value)) {
      throw InputError(fmt::format("{}: configuration, {}: '{}' is not a value of this option",
                                   where, option.name, text->second));
    }
  });
  for (const auto& [name, text] : texts) {
    if (!known.contains(name)) {
      throw InputError(
          fmt::format("{}: configuration, {}: this build has no such option", where, name));
    }
  }
  return config;
}

std::string configuration_yaml(const TrainingConfig& config) {
  std::string yaml =
      "# The run's settings as they were decided; gpt2-train --config reads this file.\n";
  for_each_option(config, [&](const TrainingOption& option, const auto& value) {
    const std::string plain = text_of(value);
    if (option.on_resume == OnResume::kNotStored || plain.empty() || plain == "[]") return;
    constexpr bool is_text = std::is_same_v<decltype(value), const std::string&>;
    const std::string text = is_text ? formats::json_quote(plain) : plain;
    yaml += fmt::format("{}: {}\n", option.name, text);
  });
  return yaml;
}

bool may_change(const TrainingConfig& config, std::string_view option) {
  return std::find(config.allow_change.begin(), config.allow_change.end(), option) !=
         config.allow_change.end();
}

TrainingConfig resume_configuration(const TrainingConfig& stored, const TrainingConfig& asked,
                                    const std::set<std::string>& given,
                                    std::vector<std::string>& notices) {
  const auto stored_texts = encode_configuration(stored);
  auto texts = stored_texts;
  std::vector<std::string> refused;
  for_each_option(asked, [&](const TrainingOption& option, const auto& value) {
    const std::string name(option.name), text = text_of(value);
    if (option.on_resume == OnResume::kNotStored || !given.contains(name)) return;
    const std::string& before = stored_texts.at(name);
    const bool undecided = text == kAuto ||
                           (name == "warmup-steps" && most_automatic_warmup(text)) ||
                           (option.on_resume == OnResume::kShape && text == "0");
    if (undecided || same_value(text, before)) return;
    const std::string change = fmt::format("{}: {} in the checkpoint, {} now", name, before, text);
    switch (option.on_resume) {
      case OnResume::kBitsDiffer:
        notices.push_back(change + "; the result will not be the same to the bit");
        break;
      case OnResume::kSame:
        if (may_change(asked, name)) {
          notices.push_back(change + "; allowed by --allow-change");
        } else {
          refused.push_back(change);
        }
        break;
      case OnResume::kShape:
        refused.push_back(change + " (the weights have this shape; begin anew with --init-from)");
        break;
      case OnResume::kNotStored:
      case OnResume::kFree:
      case OnResume::kLongerRun:
      case OnResume::kSameContent:
        break;
    }
    texts[name] = text;
  });
  if (!refused.empty()) {
    throw ContradictionError(
        fmt::format("the run cannot go on with other settings: {}; leave them out, or give "
                    "--allow-change OPTION for each",
                    fmt::join(refused, "; ")));
  }
  TrainingConfig config = decode_configuration(texts, "resume");
  config.out = asked.out;
  config.resume = asked.resume;
  config.allow_change = asked.allow_change;
  config.profile = asked.profile;
  config.dry_run = asked.dry_run;
  config.memory_limit = asked.memory_limit;
  if (config.max_epochs > 0) config.max_steps = 0;  // the checkpoint's number of steps is overruled
  config.check();
  return config;
}

model::Gpt2Config new_model_shape(const TrainingConfig& config) {
  model::Gpt2Config shape = model::named_config(config.model);
  const auto set = [](std::int64_t& size, std::uint64_t asked) {
    if (asked > 0) size = static_cast<std::int64_t>(std::min<std::uint64_t>(asked, INT64_MAX));
  };
  set(shape.layers, config.layers);
  set(shape.heads, config.heads);
  set(shape.channels, config.channels);
  set(shape.ffn_channels, config.ffn_channels);
  set(shape.context, config.context);
  return shape;
}

TrainingPlan make_plan(const TrainingConfig& config, std::int64_t T,
                       std::uint64_t windows_per_epoch, int rank_count) {
  require(T >= 1 && T <= static_cast<std::int64_t>(kMostPerFactor), "context", T,
          fmt::format("from 1 to {}", kMostPerFactor));
  const auto batch_size = number_unless_auto<std::uint64_t>("batch-size", config.batch_size);
  assert(batch_size.has_value());
  const std::uint64_t micro_batch_tokens = *batch_size * static_cast<std::uint64_t>(T);
  const std::uint64_t tokens = config.accumulation_steps > 0
                                   ? config.accumulation_steps * micro_batch_tokens
                                   : config.total_batch_tokens;
  if (tokens % micro_batch_tokens != 0) {
    throw UsageError(fmt::format(
        "--total-batch-tokens {} is not a multiple of batch-size x context = {} x {} = {}; {}",
        tokens, *batch_size, T, micro_batch_tokens, nearest_multiples(tokens, micro_batch_tokens)));
  }
  const std::uint64_t micro_batch_count = tokens / micro_batch_tokens;
  const std::uint64_t slots = number_unless_auto<std::uint64_t>("slots", config.slots)
                                  .value_or(automatic_slots(micro_batch_count, rank_count));
  if (micro_batch_count % slots != 0) {
    throw UsageError(
        fmt::format("--total-batch-tokens {} is not a multiple of slots x batch-size x context = "
                    "{} x {} x {} = {}; {}, or give --slots {}",
                    tokens, slots, *batch_size, T, slots * micro_batch_tokens,
                    nearest_multiples(tokens, slots * micro_batch_tokens),
                    nearest_divisors(micro_batch_count, slots)));
  }
  TrainingPlan plan;
  plan.exact = config.reduction == "exact";
  plan.wire = config.wire_type();
  check_rank_count(slots, micro_batch_count, static_cast<std::uint64_t>(rank_count), plan.exact);
  plan.B = static_cast<std::int64_t>(*batch_size);
  plan.T = T;
  plan.slots = static_cast<std::int64_t>(slots);
  plan.micro_batches = static_cast<std::int64_t>(micro_batch_count / slots);
  plan.sequences_per_step = tokens / static_cast<std::uint64_t>(T);
  plan.windows_per_epoch = windows_per_epoch;
  plan.max_steps = steps_of_run(config, windows_per_epoch, plan.sequences_per_step);
  const auto warmup = warmup_of_run(config.warmup_steps, plan.max_steps);
  plan.schedule = {
      .kind = config.schedule,
      .peak = config.learning_rate,
      .minimum = number_unless_auto<double>("min-learning-rate", config.min_learning_rate)
                     .value_or(config.learning_rate / 10),
      .warmup_steps = static_cast<std::int64_t>(std::min<std::uint64_t>(warmup, INT64_MAX)),
      .max_steps = static_cast<std::int64_t>(plan.max_steps)};
  plan.schedule.check();
  plan.optimizer = {.beta1 = config.beta1,
                    .beta2 = config.beta2,
                    .epsilon = config.epsilon,
                    .weight_decay = config.weight_decay,
                    .grad_clip = config.grad_clip};
  return plan;
}

RankShare TrainingPlan::share_of(int rank, int rank_count) const {
  const auto batches = slots * micro_batches;
  const auto first = batches * rank / rank_count;
  RankShare share{.slots = 1,
                  .micro_batches = batches * (rank + 1) / rank_count - first,
                  .first_sequence = static_cast<std::uint64_t>(first * B)};
  if (exact) {
    share.slots = slots / rank_count;
    share.micro_batches = micro_batches;
  }
  return share;
}

void store_decisions(TrainingConfig& config, const TrainingPlan& plan,
                     const model::Gpt2Config& shape) {
  const auto count = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  config.layers = count(shape.layers);
  config.heads = count(shape.heads);
  config.channels = count(shape.channels);
  config.ffn_channels = count(shape.inner_channels());
  config.context = count(plan.T);
  config.batch_size = std::to_string(plan.B);
  config.total_batch_tokens = plan.tokens_per_step();
  config.accumulation_steps = 0;
  config.slots = std::to_string(plan.slots);
  config.max_steps = plan.max_steps;
  config.max_epochs = 0;
  config.min_learning_rate = formats::json_number(plan.schedule.minimum);
  config.warmup_steps = std::to_string(plan.schedule.warmup_steps);
}

}  // namespace gpt2::train
