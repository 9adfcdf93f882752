// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/model_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/crc32c.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kGenerationConfigName = "generation_config.json";
constexpr const char* kWeightsName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kCheckpointsName = "checkpoints";

/// False also when it cannot be told: reading the path then says why.
bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}
bool is_folder(const fs::path& path) {
  std::error_code unknown;
  return fs::is_directory(path, unknown);
}

/// A JSON file of a model directory.
formats::JsonDocument load_json(const fs::path& path) {
  constexpr std::uint64_t kMostBytes = 16 << 20;  // an index of thousands of tensors has 1 MB
  return {formats::load_file(path, kMostBytes), path.string()};
}

/// A tensor of a directory and the file that holds it.
struct StoredTensor {
  const formats::SafetensorsReader* reader;
  const formats::SafetensorsEntry* entry;

  std::string where() const {
    return fmt::format("{}: tensor {}", reader->path().string(), entry->name);
  }
};

/// All tensors of a directory, from one file or from the files that an index names.
class StoredTensors {
 public:
  explicit StoredTensors(const fs::path& directory) {
    if (is_there(directory / kWeightsName)) {
      const auto& reader = readers_.emplace(kWeightsName, directory / kWeightsName).first->second;
      for (const auto& entry : reader.entries()) tensors_.push_back({&reader, &entry});
    } else if (is_there(directory / kIndexName)) {
      open_index(directory);
    } else if (is_there(directory / "pytorch_model.bin") ||
               is_there(directory / "pytorch_model.bin.index.json")) {
      throw InputError(fmt::format(
          "{}: holds its weights in pytorch_model.bin alone, which can run code when "
          "it is read; convert it to {} (transformers: from_pretrained, then save_pretrained)",
          directory.string(), kWeightsName));
    } else {
      throw InputError(
          fmt::format("{}: has neither {} nor {}", directory.string(), kWeightsName, kIndexName));
    }
  }
  const std::vector<StoredTensor>& all() const { return tensors_; }

 private:
  void open_index(const fs::path& directory) {
    const auto document = load_json(directory / kIndexName);
    const auto weight_map = document.root().object("weight_map");
    for (const auto field : weight_map.fields()) {
      const auto name = field.key, file = weight_map.text(field);
      if (!file.ends_with(".safetensors") || file.find('/') != file.npos ||
          file.find('\0') != file.npos) {
        weight_map.refuse(
            name, fmt::format("is {}, expected the name of a .safetensors file of the same folder",
                              formats::json_quote(file)));
      }
      auto found = readers_.find(file);
      if (found == readers_.end()) {
        found = readers_.emplace(file, directory / file).first;
      }
      const auto& reader = found->second;
      const auto* entry = reader.find(name);
      if (entry == nullptr) {
        throw InputError(fmt::format("{}: has no tensor {}, which {} puts there",
                                     reader.path().string(), name, kIndexName));
      }
      tensors_.push_back({&reader, entry});
    }
  }

  std::map<std::string, formats::SafetensorsReader, std::less<>> readers_;
  std::vector<StoredTensor> tensors_;
};

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Names of tensors for a sentence: the first few and how many more.
std::string list_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  const std::vector<std::string> first(names.begin(),
                                       names.begin() + std::min(kShown, names.size()));
  const auto more = names.size() - first.size();
  return fmt::format("{}{}", fmt::join(first, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

/// wte may have been padded by its writer, up to the rows that this build pads to.
bool shape_fits(const Parameter& parameter, const std::vector<std::int64_t>& stored,
                const Gpt2Config& config) {
  if (stored == parameter.shape) return true;
  return parameter.name == "transformer.wte.weight" && stored.size() == 2 &&
         stored[1] == parameter.shape[1] && stored[0] > parameter.shape[0] &&
         stored[0] <= config.padded_vocab_size();
}

/// The causal mask, which older versions of transformers stored beside the weights.
bool is_mask_buffer(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

bool is_number_of_digits(std::string_view text, std::size_t least) {
  return text.size() >= least &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_checkpoint_name(std::string_view name) {
  if (name == "final") return true;
  if (name.starts_with("step_")) return is_number_of_digits(name.substr(5), 8);
  if (name.starts_with("epoch_")) return is_number_of_digits(name.substr(6), 4);
  return false;
}

/// The step of a checkpoint by its manifest. One that cannot be read counts by its name, or as the
/// newest, so that a reader meets it, and reports it, before it falls back to an older one.
std::uint64_t step_of(const fs::path& checkpoint) {
  try {
    return formats::load_checkpoint_manifest(checkpoint).step;
  } catch (const formats::Error&) {
    const auto name = checkpoint.filename().string();
    std::uint64_t step = std::numeric_limits<std::uint64_t>::max();
    if (name.starts_with("step_"))
      std::from_chars(name.data() + 5, name.data() + name.size(), step);
    return step;
  }
}

struct WeightTypeName {
  const char *safetensors, *config;
};
WeightTypeName name_of(WeightType type) {
  switch (type) {
    case WeightType::kBF16:
      return {"BF16", "bfloat16"};
    case WeightType::kF16:
      return {"F16", "float16"};
    case WeightType::kF32:
      break;
  }
  return {"F32", "float32"};
}

formats::CheckpointFile write_text(const fs::path& directory, const char* name,
                                   const std::string& text) {
  formats::DurableFile file(directory / name);
  file.write(text);
  file.commit();
  return {.name = name, .bytes = text.size(), .crc32c = formats::crc32c(text.data(), text.size())};
}

void check_fits_half(const Parameter& parameter, std::span<const float> values) {
  constexpr float kInfinityFrom = 65520;  // the first value that rounds to infinity
  for (const float value : values) {
    if (std::abs(value) >= kInfinityFrom) {
      throw formats::UsageError(
          fmt::format("{} holds {}, which f16 cannot; choose bf16 or f32", parameter.name, value));
    }
  }
}

}  // namespace

std::vector<fs::path> list_checkpoints(const fs::path& run) {
  std::error_code failed;
  fs::directory_iterator entries(run / kCheckpointsName, failed);
  if (failed == std::errc::no_such_file_or_directory) return {};
  if (failed) {
    throw InputError(fmt::format("{}: {}", (run / kCheckpointsName).string(), failed.message()));
  }
  std::vector<std::pair<std::uint64_t, fs::path>> found;
  for (const auto& entry : entries) {
    if (entry.is_directory() && is_checkpoint_name(entry.path().filename().string())) {
      found.emplace_back(step_of(entry.path()), entry.path());
    }
  }
  // Of one step, step_ comes before final and epoch_: the order is the same every time.
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<fs::path> checkpoints;
  for (auto& [step, path] : found) checkpoints.push_back(std::move(path));
  return checkpoints;
}

ModelDirectory open_checkpoint(const fs::path& directory) {
  auto manifest = formats::load_checkpoint_manifest(directory);
  formats::verify_checkpoint(directory, manifest);
  return {directory, std::move(manifest)};
}

std::optional<ModelDirectory> newest_checkpoint(const fs::path& run,
                                                std::vector<std::string>& notices) {
  const auto directories = list_checkpoints(run);
  std::string newest_problem;
  for (const auto& directory : directories) {
    try {
      return open_checkpoint(directory);
    } catch (const formats::Error& error) {
      if (newest_problem.empty()) newest_problem = error.what();
      notices.push_back(fmt::format("{}; the checkpoint before it is tried", error.what()));
    }
  }
  if (directories.empty()) return {};
  throw InputError(fmt::format("{}: none of its {} checkpoints is whole ({})", run.string(),
                               directories.size(), newest_problem));
}

ModelDirectory open_model_directory(const fs::path& given, std::vector<std::string>& notices) {
  if (!is_folder(given)) {
    throw InputError(
        fmt::format("{}: there is no such folder; give a checkpoint, a Hugging Face GPT-2 "
                    "directory or a run folder",
                    given.string()));
  }
  if (is_there(given / formats::kCheckpointManifestName)) return open_checkpoint(given);
  if (is_there(given / kConfigName)) return {given, std::nullopt};
  if (is_folder(given / kCheckpointsName)) {
    if (auto newest = newest_checkpoint(given, notices)) return *std::move(newest);
    throw InputError(fmt::format("{}: the run folder has no checkpoint in {}/", given.string(),
                                 kCheckpointsName));
  }
  throw InputError(fmt::format(
      "{}: is no model: it has neither {} (a checkpoint or a Hugging Face GPT-2 directory) nor {}/ "
      "(a run folder)",
      given.string(), kConfigName, kCheckpointsName));
}

void load_weights(const ModelDirectory& directory, Gpt2& model) {
  const StoredTensors stored(directory.path);
  std::map<const Parameter*, StoredTensor> by_parameter;
  std::optional<StoredTensor> head;
  std::vector<std::string> unexpected, missing;
  for (const auto& tensor : stored.all()) {
    const auto& name = tensor.entry->name;
    const auto* parameter = model.table().find(name);
    if (parameter != nullptr) {
      const auto [there, is_new] = by_parameter.emplace(parameter, tensor);
      if (!is_new) {
        throw InputError(fmt::format("{}: is there a second time, as {}", tensor.where(),
                                     there->second.entry->name));
      }
      if (!shape_fits(*parameter, tensor.entry->shape, model.config())) {
        throw InputError(fmt::format("{}: has shape {}, expected {} by {}", tensor.where(),
                                     shape_text(tensor.entry->shape), shape_text(parameter->shape),
                                     kConfigName));
      }
    } else if (name == "lm_head.weight") {
      head = tensor;
    } else if (!is_mask_buffer(name)) {
      unexpected.push_back(name);
    }
  }
  for (const auto& parameter : model.table().parameters()) {
    if (!by_parameter.contains(&parameter)) missing.push_back(parameter.name);
  }
  if (!missing.empty()) {
    throw InputError(
        fmt::format("{}: the weights lack {}", directory.path.string(), list_names(missing)));
  }
  if (!unexpected.empty()) {
    throw InputError(
        fmt::format("{}: the weights hold {}, which a GPT-2 of this shape does not have",
                    directory.path.string(), list_names(unexpected)));
  }
  for (const auto& parameter : model.table().parameters()) {
    const auto& tensor = by_parameter.at(&parameter);
    auto values = tensor.reader->read_as_floats(*tensor.entry);
    if (head && &parameter == &model.table().at("wte.weight")) {
      if (head->entry->shape != tensor.entry->shape ||
          head->reader->read_as_floats(*head->entry) != values) {
        throw InputError(
            fmt::format("{}: differs from {}; an output layer of its own is not supported",
                        head->where(), tensor.entry->name));
      }
    }
    values.resize(static_cast<std::size_t>(parameter.element_count));
    const auto wrong = std::find_if(values.begin(), values.end(),
                                    [](float value) { return !std::isfinite(value); });
    if (wrong != values.end()) {
      throw InputError(
          fmt::format("{}: element {} is {}", tensor.where(), wrong - values.begin(), *wrong));
    }
    model.load_parameter(parameter, values);
  }
}

SavedModel save_model(const fs::path& directory, const Gpt2Config& config,
                      const ParameterTable& table, const ParameterSource& weights,
                      WeightType type) {
  const auto& parameters = table.parameters();
  SavedModel saved;
  saved.files.push_back(
      write_text(directory, kConfigName, encode_config(config, name_of(type).config)));
  saved.files.push_back(
      write_text(directory, kGenerationConfigName, encode_generation_config(config)));

  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& parameter : parameters) {
    entries.push_back(
        {.name = parameter.name, .dtype = name_of(type).safetensors, .shape = parameter.shape});
  }
  formats::SafetensorsWriter writer(directory / kWeightsName, std::move(entries),
                                    {{"format", "pt"}});
  for (const auto& parameter : parameters) {
    const auto values = weights(parameter);
    if (type == WeightType::kF16) check_fits_half(parameter, values);
    writer.write_floats(values);
  }
  writer.commit();
  saved.files.push_back(
      {.name = kWeightsName, .bytes = writer.file_bytes(), .crc32c = writer.file_crc32c()});
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    saved.tensors.push_back(
        {.file = kWeightsName,
         .name = parameters[i].name,
         .first_element = 0,
         .element_count = static_cast<std::uint64_t>(parameters[i].element_count),
         .crc32c = writer.tensor_crc32c()[i]});
  }
  return saved;
}

SavedModel save_model(const fs::path& directory, const Gpt2& model, WeightType type) {
  std::vector<float> values;
  const auto weights = [&](const Parameter& parameter) {
    values.resize(static_cast<std::size_t>(parameter.element_count));
    model.store_parameter(parameter, values);
    return std::span<const float>(values);
  };
  return save_model(directory, model.config(), model.table(), weights, type);
}

}  // namespace gpt2::model
