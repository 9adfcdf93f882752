// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/model/model_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
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
#include "formats/torch_checkpoint.h"

namespace gpt2::model {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kGenerationConfigName = "generation_config.json";
constexpr const char* kWeightsName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kTorchWeightsName = "pytorch_model.bin";
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

/// A tensor by the name that its file gives it.
struct StoredTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  fs::path path;  // of its file
  bool of_torch = false;
  std::function<std::vector<float>()> read;

  std::string where() const { return fmt::format("{}: tensor {}", path.string(), name); }
};

std::vector<StoredTensor> tensors_of_safetensors(const fs::path& path) {
  const auto reader = std::make_shared<formats::SafetensorsReader>(path);
  std::vector<StoredTensor> tensors;
  for (const auto& entry : reader->entries()) {
    tensors.push_back(
        {.name = entry.name, .shape = entry.shape, .path = path, .read = [reader, &entry] {
           return reader->read_as_floats(entry);
         }});
  }
  return tensors;
}

/// Names are without what torch.compile and DistributedDataParallel put before them.
std::vector<StoredTensor> tensors_of_torch(const fs::path& path) {
  const auto reader = std::make_shared<formats::TorchCheckpoint>(path);
  std::vector<StoredTensor> tensors;
  for (const auto& tensor : reader->tensors()) {
    std::string_view name = tensor.name;
    for (const std::string_view wrapper : {"module.", "_orig_mod."}) {
      if (name.starts_with(wrapper)) name.remove_prefix(wrapper.size());
    }
    tensors.push_back({.name = std::string(name),
                       .shape = tensor.shape,
                       .path = path,
                       .of_torch = true,
                       .read = [reader, &tensor] { return reader->read_as_floats(tensor); }});
  }
  return tensors;
}

std::vector<StoredTensor> tensors_of_file(const fs::path& path) {
  return path.extension() == ".safetensors" ? tensors_of_safetensors(path) : tensors_of_torch(path);
}

/// Those of the files that an index names, all of `extension`.
std::vector<StoredTensor> tensors_of_index(const fs::path& index, std::string_view extension) {
  const auto document = load_json(index);
  const auto weight_map = document.root().object("weight_map");
  std::map<std::string, std::map<std::string, StoredTensor>> files;
  std::vector<StoredTensor> tensors;
  for (const auto field : weight_map.fields()) {
    const auto name = field.key, file = weight_map.text(field);
    if (!file.ends_with(extension) || file.find('/') != file.npos || file.find('\0') != file.npos) {
      weight_map.refuse(name,
                        fmt::format("is {}, expected the name of a {} file of the same folder",
                                    formats::json_quote(file), extension));
    }
    const auto path = index.parent_path() / file;
    const auto [found, is_new] = files.try_emplace(std::string(file));
    if (is_new) {
      for (auto& tensor : tensors_of_file(path)) found->second.emplace(tensor.name, tensor);
    }
    const auto tensor = found->second.find(std::string(name));
    if (tensor == found->second.end()) {
      throw InputError(fmt::format("{}: has no tensor {}, which {} puts there", path.string(), name,
                                   index.filename().string()));
    }
    tensors.push_back(tensor->second);
  }
  return tensors;
}

/// All tensors of a Hugging Face directory, or of a file of torch.save.
std::vector<StoredTensor> tensors_of(const fs::path& model) {
  if (!fs::is_directory(model)) return tensors_of_torch(model);
  for (const auto* name : {kWeightsName, kTorchWeightsName}) {
    if (is_there(model / name)) return tensors_of_file(model / name);
    const fs::path index = (model / name).string() + ".index.json";
    if (is_there(index)) return tensors_of_index(index, fs::path(name).extension().string());
  }
  throw InputError(fmt::format("{}: has neither {} nor {}, nor an index of either", model.string(),
                               kWeightsName, kTorchWeightsName));
}

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

/// nn.Linear keeps a matrix as [out, in], where GPT-2's Conv1D has [in, out].
bool is_matrix_of_layer(std::string_view name) {
  return name.ends_with(".c_attn.weight") || name.ends_with(".c_proj.weight") ||
         name.ends_with(".c_fc.weight");
}

/// Weights that have Hugging Face's names.
class NamedWeights {
 public:
  NamedWeights(const fs::path& model, const Gpt2Config& config)
      : shape_from_(fs::is_directory(model) ? kConfigName : "the other tensors") {
    const ParameterTable table(config);
    const auto stored = tensors_of(model);
    // Of torch.save alone: a safetensors file is Hugging Face's, whose layout is one.
    const bool of_torch =
        std::all_of(stored.begin(), stored.end(), std::mem_fn(&StoredTensor::of_torch));
    // Square matrices do not show it; those of queries, keys and values do.
    is_linear_ =
        of_torch && std::all_of(stored.begin(), stored.end(), [](const StoredTensor& tensor) {
          return !tensor.name.ends_with(".c_attn.weight") ||
                 (tensor.shape.size() == 2 && tensor.shape[0] == 3 * tensor.shape[1]);
        });
    std::vector<std::string> unexpected, missing;
    for (const auto& tensor : stored) {
      const auto* parameter = table.find(tensor.name);
      if (parameter != nullptr) {
        add(*parameter, tensor, config);
      } else if (tensor.name == "lm_head.weight") {
        head_ = tensor;
      } else if (!is_mask_buffer(tensor.name)) {
        unexpected.push_back(tensor.name);
      }
    }
    // nanoGPT can do without biases, all or none.
    const auto is_bias = [](std::string_view name) { return name.ends_with(".bias"); };
    const bool lacks_biases =
        of_torch && std::none_of(by_name_.begin(), by_name_.end(),
                                 [&](const auto& entry) { return is_bias(entry.first); });
    for (const auto& parameter : table.parameters()) {
      if (by_name_.contains(parameter.name) || (lacks_biases && is_bias(parameter.name))) continue;
      missing.push_back(parameter.name);
    }
    if (!missing.empty()) {
      throw InputError(fmt::format("{}: the weights lack {}", model.string(), list_names(missing)));
    }
    if (!unexpected.empty()) {
      throw InputError(
          fmt::format("{}: the weights hold {}, which a GPT-2 of this shape does not have",
                      model.string(), list_names(unexpected)));
    }
  }

  std::span<const float> read(const Parameter& parameter) {
    const auto found = by_name_.find(parameter.name);
    if (found == by_name_.end()) {
      values_.assign(static_cast<std::size_t>(parameter.element_count), 0);
      return values_;
    }
    const auto& tensor = found->second;
    values_ = tensor.read();
    if (head_ && parameter.name == kEmbeddingName) check_head(tensor);
    if (is_transposed(parameter.name)) {
      values_ = formats::transposed(values_, static_cast<std::size_t>(tensor.shape[0]),
                                    static_cast<std::size_t>(tensor.shape[1]));
    }
    values_.resize(static_cast<std::size_t>(parameter.element_count));
    check_finite(values_, tensor.where());
    return values_;
  }

 private:
  bool is_transposed(std::string_view name) const { return is_linear_ && is_matrix_of_layer(name); }
  void add(const Parameter& parameter, const StoredTensor& tensor, const Gpt2Config& config) {
    const auto [there, is_new] = by_name_.emplace(parameter.name, tensor);
    if (!is_new) {
      throw InputError(
          fmt::format("{}: is there a second time, as {}", tensor.where(), there->second.name));
    }
    auto shape = tensor.shape, expected = parameter.shape;
    if (is_transposed(parameter.name)) {
      std::reverse(shape.begin(), shape.end());
      std::reverse(expected.begin(), expected.end());
    }
    if (!shape_fits(parameter, shape, config)) {
      throw InputError(fmt::format("{}: has shape {}, expected {} by {}", tensor.where(),
                                   shape_text(tensor.shape), shape_text(expected), shape_from_));
    }
  }
  /// `values_` are those of the embedding `tensor`.
  void check_head(const StoredTensor& tensor) const {
    if (head_->shape != tensor.shape || head_->read() != values_) {
      throw InputError(
          fmt::format("{}: differs from {}; an output layer of its own is not supported",
                      head_->where(), tensor.name));
    }
  }

  const char* shape_from_;
  bool is_linear_ = false;
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
  if (formats::begins_as_llmc_model(directory.path)) {
    return source_of<LlmcWeights>(directory.path, config);
  }
  return source_of<NamedWeights>(directory.path, config);
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
