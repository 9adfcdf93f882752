// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/model_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "formats/crc32c.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_reading.h"
#include "formats/json_text.h"
#include "formats/llmc.h"
#include "formats/safetensors.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kGenerationConfigName = "generation_config.json";
constexpr const char* kWeightsName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr std::string_view kEmbeddingName = "transformer.wte.weight";

/// False also when it cannot be told: reading the path then says why.
bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
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
  return parameter.name == kEmbeddingName && stored.size() == 2 &&
         stored[1] == parameter.shape[1] && stored[0] > parameter.shape[0] &&
         stored[0] <= config.padded_vocab_size();
}

/// The causal mask, which older versions of transformers stored beside the weights.
bool is_mask_buffer(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

const char* config_dtype(WeightType type) {
  switch (type) {
    case WeightType::kBF16:
      return "bfloat16";
    case WeightType::kF16:
      return "float16";
    case WeightType::kF32:
      break;
  }
  return "float32";
}

formats::CheckpointFile write_text(const fs::path& directory, const char* name,
                                   const std::string& text) {
  formats::DurableFile file(directory / name);
  file.write(text);
  file.commit();
  return {.name = name, .bytes = text.size(), .crc32c = formats::crc32c(text.data(), text.size())};
}

void check_finite(std::span<const float> values, const std::string& where) {
  const auto wrong =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != values.end()) {
    throw InputError(fmt::format("{}: element {} is {}", where, wrong - values.begin(), *wrong));
  }
}

/// The weights of a Hugging Face directory.
class SafetensorsWeights {
 public:
  SafetensorsWeights(const fs::path& directory, const Gpt2Config& config) : stored_(directory) {
    const ParameterTable table(config);
    std::vector<std::string> unexpected, missing;
    for (const auto& tensor : stored_.all()) {
      const auto& name = tensor.entry->name;
      const auto* parameter = table.find(name);
      if (parameter != nullptr) {
        add(*parameter, tensor, config);
      } else if (name == "lm_head.weight") {
        head_ = tensor;
      } else if (!is_mask_buffer(name)) {
        unexpected.push_back(name);
      }
    }
    for (const auto& parameter : table.parameters()) {
      if (!by_name_.contains(parameter.name)) missing.push_back(parameter.name);
    }
    if (!missing.empty()) {
      throw InputError(
          fmt::format("{}: the weights lack {}", directory.string(), list_names(missing)));
    }
    if (!unexpected.empty()) {
      throw InputError(
          fmt::format("{}: the weights hold {}, which a GPT-2 of this shape does not have",
                      directory.string(), list_names(unexpected)));
    }
  }

  std::span<const float> read(const Parameter& parameter) {
    const auto& tensor = by_name_.at(parameter.name);
    values_ = tensor.reader->read_as_floats(*tensor.entry);
    if (head_ && parameter.name == kEmbeddingName) check_head(tensor);
    values_.resize(static_cast<std::size_t>(parameter.element_count));
    check_finite(values_, tensor.where());
    return values_;
  }

 private:
  void add(const Parameter& parameter, const StoredTensor& tensor, const Gpt2Config& config) {
    const auto [there, is_new] = by_name_.emplace(parameter.name, tensor);
    if (!is_new) {
      throw InputError(fmt::format("{}: is there a second time, as {}", tensor.where(),
                                   there->second.entry->name));
    }
    if (!shape_fits(parameter, tensor.entry->shape, config)) {
      throw InputError(fmt::format("{}: has shape {}, expected {} by {}", tensor.where(),
                                   shape_text(tensor.entry->shape), shape_text(parameter.shape),
                                   kConfigName));
    }
  }
  /// `values_` are those of the embedding `tensor`.
  void check_head(const StoredTensor& tensor) const {
    if (head_->entry->shape != tensor.entry->shape ||
        head_->reader->read_as_floats(*head_->entry) != values_) {
      throw InputError(
          fmt::format("{}: differs from {}; an output layer of its own is not supported",
                      head_->where(), tensor.entry->name));
    }
  }

  StoredTensors stored_;
  std::map<std::string, StoredTensor, std::less<>> by_name_;  // the parameter's
  std::optional<StoredTensor> head_;
  std::vector<float> values_;
};

/// The weights of llm.c's file.
class LlmcWeights {
 public:
  LlmcWeights(const fs::path& path, const Gpt2Config& config) : reader_(path) {
    const ParameterTable table(config);
    for (const auto& tensor : reader_.tensors()) {
      const auto* parameter = table.find(tensor.name);
      if (parameter == nullptr || parameter->shape != tensor.shape) {
        throw InputError(fmt::format("{}: its {} of shape {} is none of the model's parameters",
                                     path.string(), tensor.name, shape_text(tensor.shape)));
      }
      by_name_.emplace(parameter->name, &tensor);
    }
  }
  std::span<const float> read(const Parameter& parameter) {
    const auto& tensor = *by_name_.at(parameter.name);
    values_ = reader_.read(tensor);
    check_finite(values_, fmt::format("{}: {}", reader_.path().string(), tensor.name));
    return values_;
  }

 private:
  formats::LlmcModelReader reader_;
  std::map<std::string, const formats::LlmcTensor*, std::less<>> by_name_;
  std::vector<float> values_;
};

template <typename Weights>
ParameterSource source_of(const fs::path& path, const Gpt2Config& config) {
  const auto weights = std::make_shared<Weights>(path, config);
  return [weights](const Parameter& parameter) { return weights->read(parameter); };
}

/// Shares out the parameters to files of at most `most_file_bytes` each, in their order: how many
/// go to each file.
std::vector<std::size_t> share_out(const std::vector<Parameter>& parameters, WeightType type,
                                   std::uint64_t most_file_bytes) {
  std::vector<std::size_t> counts{0};
  std::uint64_t bytes = 0;
  for (const auto& parameter : parameters) {
    const auto more =
        static_cast<std::uint64_t>(parameter.element_count) * formats::stored_bytes(type);
    if (counts.back() > 0 && (more > most_file_bytes || bytes > most_file_bytes - more)) {
      counts.push_back(0);
      bytes = 0;
    }
    ++counts.back();
    bytes += more;
  }
  return counts;
}

/// The name of weights file `number`, from 1, of `count`.
std::string weights_name(std::size_t number, std::size_t count) {
  return count == 1 ? kWeightsName : fmt::format("model-{:05}-of-{:05}.safetensors", number, count);
}

/// Writes one file of weights and tells `saved`.
void write_weights(const fs::path& directory, const std::string& name,
                   std::span<const Parameter> parameters, const ParameterSource& weights,
                   WeightType type, SavedModel& saved) {
  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& parameter : parameters) {
    entries.push_back({.name = parameter.name,
                       .dtype = std::string(formats::safetensors_dtype(type)),
                       .shape = parameter.shape});
  }
  formats::SafetensorsWriter writer(directory / name, std::move(entries), {{"format", "pt"}});
  for (const auto& parameter : parameters) {
    const auto values = weights(parameter);
    if (type == WeightType::kF16) check_fits_half(parameter, values);
    writer.write_floats(values);
  }
  writer.commit();
  saved.files.push_back(
      {.name = name, .bytes = writer.file_bytes(), .crc32c = writer.file_crc32c()});
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    saved.tensors.push_back(
        {.file = name,
         .name = parameters[i].name,
         .first_element = 0,
         .element_count = static_cast<std::uint64_t>(parameters[i].element_count),
         .crc32c = writer.tensor_crc32c()[i]});
  }
}

std::string encode_index(const ParameterTable& table, const SavedModel& saved, WeightType type) {
  const auto parameter_count = static_cast<std::uint64_t>(table.parameter_count());
  formats::JsonWriter json(2);
  json.begin_object();
  json.key("metadata").begin_object();
  json.key("total_parameters").value(parameter_count);
  json.key("total_size").value(parameter_count * formats::stored_bytes(type));
  json.end_object();
  json.key("weight_map").begin_object();
  for (const auto& tensor : saved.tensors) json.key(tensor.name).value(tensor.file);
  json.end_object();
  json.end_object();
  return json.text() + "\n";
}

}  // namespace

void check_fits_half(const Parameter& parameter, std::span<const float> values) {
  constexpr float kInfinityFrom = 65520;  // the first value that rounds to infinity
  for (const float value : values) {
    if (std::abs(value) >= kInfinityFrom) {
      throw formats::UsageError(
          fmt::format("{} holds {}, which f16 cannot; choose bf16 or f32", parameter.name, value));
    }
  }
}

ParameterSource open_weights(const ModelDirectory& directory, const Gpt2Config& config) {
  if (fs::is_directory(directory.path)) {
    return source_of<SafetensorsWeights>(directory.path, config);
  }
  return source_of<LlmcWeights>(directory.path, config);
}

void load_weights(const ModelDirectory& directory, Gpt2& model) {
  const auto weights = open_weights(directory, model.config());
  for (const auto& parameter : model.table().parameters()) {
    model.load_parameter(parameter, weights(parameter));
  }
}

SavedModel save_model(const fs::path& directory, const Gpt2Config& config,
                      const ParameterTable& table, const ParameterSource& weights, WeightType type,
                      std::uint64_t most_file_bytes) {
  SavedModel saved;
  saved.files.push_back(
      write_text(directory, kConfigName, encode_config(config, config_dtype(type))));
  saved.files.push_back(
      write_text(directory, kGenerationConfigName, encode_generation_config(config)));
  std::span<const Parameter> parameters = table.parameters();
  const auto counts = share_out(table.parameters(), type, most_file_bytes);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    write_weights(directory, weights_name(i + 1, counts.size()), parameters.first(counts[i]),
                  weights, type, saved);
    parameters = parameters.subspan(counts[i]);
  }
  if (counts.size() > 1) {
    saved.files.push_back(write_text(directory, kIndexName, encode_index(table, saved, type)));
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

bool is_weights_name(std::string_view name) {
  if (name == kWeightsName || name == kIndexName) return true;
  const auto shape = [](char c) { return c >= '0' && c <= '9' ? '0' : c; };
  std::string plain;
  std::transform(name.begin(), name.end(), std::back_inserter(plain), shape);
  return plain == "model-00000-of-00000.safetensors";
}

}  // namespace gpt2::model
