// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// model_probe: shows torch_model.py what libcore computes.
//
//   model_probe logits    MODEL TOKENS B T OUT.safetensors
//   model_probe gradients MODEL TOKENS B T OUT.safetensors
//   model_probe train     MODEL TOKENS B T STEPS WARMUP PEAK MINIMUM
//   model_probe save      MODEL DIRECTORY
//
// MODEL is any model directory. TOKENS holds raw little-endian int32: B x T for logits; batches of
// B rows of T + 1 for gradients (one) and train (STEPS). gradients are those of the mean loss;
// train prints one mean loss a step.
#include <fmt/format.h>

#include <bit>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "libcore/model/model_directory.h"
#include "libcore/model/model_weights.h"
#include "libcore/optim/adamw.h"
#include "libcore/optim/learning_rate.h"
#include "tests/support/update_step.h"

namespace {

using namespace gpt2;

static_assert(std::endian::native == std::endian::little, "token files are read as they are");

struct Model {
  explicit Model(const std::string& directory)
      : device(device::open_device("cpu", 0)),
        kernels(kernels::open_kernels(*device)),
        gpt2(*device, *kernels, model::load_config(directory)) {
    std::vector<std::string> notices;
    model::load_weights(model::open_model_directory(directory, notices), gpt2);
  }
  std::unique_ptr<device::Device> device;
  std::unique_ptr<kernels::Kernels> kernels;
  model::Gpt2 gpt2;
};

std::vector<std::int32_t> read_tokens(const std::string& path, std::int64_t count) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  std::ifstream file(path, std::ios::binary);
  const auto bytes = static_cast<std::streamsize>(tokens.size() * sizeof(std::int32_t));
  if (!file.read(reinterpret_cast<char*>(tokens.data()), bytes)) {
    throw std::runtime_error(fmt::format("{}: has fewer than {} tokens", path, count));
  }
  return tokens;
}

/// Inputs and targets of B rows of T + 1 tokens.
struct Batch {
  Batch(std::span<const std::int32_t> rows, std::int64_t B, std::int64_t T) {
    for (std::int64_t b = 0; b < B; ++b) {
      const auto row = rows.begin() + b * (T + 1);
      inputs.insert(inputs.end(), row, row + T);
      targets.insert(targets.end(), row + 1, row + T + 1);
    }
    losses.resize(inputs.size());
  }
  double mean_loss() const {
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  }
  std::vector<std::int32_t> inputs, targets;
  std::vector<float> losses;
};

void forward_backward(Model& model, Batch& batch, std::int64_t B, std::int64_t T,
                      const device::DeviceBuffer& gradients) {
  model.device->fill_zero(gradients.data(), gradients.bytes());
  model.gpt2.forward_backward(batch.inputs, batch.targets, B, T, 1.0F / static_cast<float>(B * T),
                              {}, gradients,
                              {batch.losses.data(), device::DataType::kF32, {B, T}});  // on a CPU
}

struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
void write_tensors(const std::string& path, const std::vector<NamedTensor>& tensors) {
  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& tensor : tensors) {
    entries.push_back({.name = tensor.name, .dtype = "F32", .shape = tensor.shape});
  }
  formats::SafetensorsWriter writer(path, std::move(entries), {});
  for (const auto& tensor : tensors) writer.write_floats(tensor.values);
  writer.commit();
}

NamedTensor logits_of(Model& model, const std::vector<std::int32_t>& tokens, std::int64_t B,
                      std::int64_t T) {
  const auto V = model.gpt2.config().vocab_size;
  NamedTensor logits{
      "logits", {B, T, V}, std::vector<float>(tokens.size() * static_cast<std::size_t>(V))};
  model.gpt2.logits(tokens, B, T, logits.values);
  return logits;
}

using Arguments = std::vector<std::string>;

void show_logits(const Arguments& arguments) {
  Model model(arguments[0]);
  const auto B = std::stoll(arguments[2]), T = std::stoll(arguments[3]);
  write_tensors(arguments[4], {logits_of(model, read_tokens(arguments[1], B * T), B, T)});
}

void show_gradients(const Arguments& arguments) {
  Model model(arguments[0]);
  const auto B = std::stoll(arguments[2]), T = std::stoll(arguments[3]);
  Batch batch(read_tokens(arguments[1], B * (T + 1)), B, T);
  const device::DeviceBuffer gradients(*model.device, model.gpt2.table().buffer_bytes());
  forward_backward(model, batch, B, T, gradients);
  std::vector<NamedTensor> tensors{logits_of(model, batch.inputs, B, T),
                                   {"losses", {B, T}, batch.losses}};
  for (const auto& parameter : model.gpt2.table().parameters()) {
    std::vector<float> values(static_cast<std::size_t>(parameter.element_count));
    model.device->copy_to_host(values.data(), gradients.f32() + parameter.offset,
                               values.size() * sizeof(float));
    tensors.push_back({parameter.name, parameter.shape, std::move(values)});
  }
  write_tensors(arguments[4], tensors);
}

void train(const Arguments& arguments) {
  Model model(arguments[0]);
  const auto B = std::stoll(arguments[2]), T = std::stoll(arguments[3]);
  const optim::LearningRateSchedule schedule{.kind = "cosine",
                                             .peak = std::stod(arguments[6]),
                                             .minimum = std::stod(arguments[7]),
                                             .warmup_steps = std::stoll(arguments[5]),
                                             .max_steps = std::stoll(arguments[4])};
  const auto tokens = read_tokens(arguments[1], schedule.max_steps * B * (T + 1));
  const std::span<const std::int32_t> rows(tokens);
  const device::DeviceBuffer gradients(*model.device, model.gpt2.table().buffer_bytes());
  optim::AdamW optimizer(model.gpt2, {});
  for (std::int64_t step = 0; step < schedule.max_steps; ++step) {
    Batch batch(rows.subspan(static_cast<std::size_t>(step * B * (T + 1))), B, T);
    forward_backward(model, batch, B, T, gradients);
    support::take_step(optimizer, *model.device, gradients, schedule.at(step));
    fmt::print("{:.9f}\n", batch.mean_loss());
  }
}

void save(const Arguments& arguments) {
  const Model model(arguments[0]);
  model::save_model(arguments[1], model.gpt2);
}

struct Verb {
  std::size_t argument_count;
  std::function<void(const Arguments&)> run;
};
const std::map<std::string, Verb> kVerbs{{"logits", {5, show_logits}},
                                         {"gradients", {5, show_gradients}},
                                         {"train", {8, train}},
                                         {"save", {2, save}}};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argv + 1, argv + argc);
  const auto verb = arguments.empty() ? kVerbs.end() : kVerbs.find(arguments.front());
  if (verb == kVerbs.end() || arguments.size() != verb->second.argument_count + 1) {
    fmt::print(stderr, "model_probe: the head of model_probe.cpp says how to call it\n");
    return 64;
  }
  arguments.erase(arguments.begin());
  try {
    verb->second.run(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "model_probe: {}\n", error.what());
    return 65;
  }
  return 0;
}
