// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Times every kernel at the shapes of GPT-2 124M on random data, and prints its rates as shares of
// what the machine can do, measured just before; the larger share says how near the kernel is to
// its roofline. Usage: kernels_bench [THREADS [matmul|attention|classifier|memory]].
// GPT2_TEST_DEVICE and GPT2_TEST_PRECISION choose the twin.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "libcore/kernels/matmul_rate.h"
#include "tests/bench/machine_rates.h"
#include "tests/support/backend.h"

namespace {

using namespace gpt2;
using kernels::Dropout;
using kernels::Kernels;
using support::TensorView;

constexpr std::int64_t T = 1024, C = 768, H = 12, V = 50257, kPaddedV = 50304;

class Bench {
 public:
  explicit Bench(support::Backend& backend)
      : B(backend.device().is_host() ? 4 : 64),  // as many sequences as fill the device
        N(B * T),
        backend_(backend),
        product_rate_(backend.device().is_host()
                          ? bench::fma_rate(backend.device().threads())
                          : kernels::measure_matmul_rate(backend.device(), backend.kernels())),
        memory_rate_(backend.device().is_host() ? bench::memory_rate(backend.device().threads())
                                                : bench::copy_rate(backend.device())) {
    const bool is_host = backend.device().is_host();
    fmt::print("{}: {:.0f} GFLOP/s of {}, memory read and written at {:.1f} GB/s\n",
               backend.device().name(), product_rate_ / 1e9,
               is_host ? "fused multiply-adds" : "large matrix products", memory_rate_ / 1e9);
    fmt::print("{:44} {:>10} {:>10} {:>7} {:>9} {:>10}\n", "operation", "ms", "GFLOP/s",
               is_host ? "of FMA" : "of max", "GB/s", "of memory");
  }

  const std::int64_t B, N;

  /// Times one operation. More than all of the memory's rate: the tensors stay in a cache.
  template <class Operation>
  void time(const std::string& name, void (Kernels::*method)(const Operation&),
            const std::type_identity_t<Operation>& op) {
    time(name, op.work(), [&] { (backend_.kernels().*method)(op); });
  }
  void time(const std::string& name, const kernels::Work& work, const std::function<void()>& run) {
    run();  // the first call grows workspaces
    backend_.device().synchronize();
    double best = std::numeric_limits<double>::infinity(), total = 0;
    for (int repeat = 0; repeat < 40 && (repeat < 3 || total < 0.5); ++repeat) {
      const auto begin = std::chrono::steady_clock::now();
      run();
      backend_.device().synchronize();
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      best = std::min(best, seconds);
      total += seconds;
    }
    const double operations = static_cast<double>(work.operations) / best,
                 bytes = static_cast<double>(work.bytes) / best;
    fmt::print("{:44} {:10.3f} {:10.1f} {:6.0f}% {:9.1f} {:9.0f}%\n", name, best * 1e3,
               operations / 1e9, 100 * operations / product_rate_, bytes / 1e9,
               100 * bytes / memory_rate_);
  }

  TensorView random(std::initializer_list<std::int64_t> shape, float scale = 0.02F) {
    return backend_.upload(values(shape, scale), shape);
  }
  /// The same of floats, whatever the twin computes in.
  TensorView random_floats(std::initializer_list<std::int64_t> shape, float scale = 0.02F) {
    return backend_.upload_floats(values(shape, scale), shape);
  }
  TensorView tokens(std::int64_t count) {
    return backend_.upload_ints(support::random_ints(count, V, ++seed_));
  }
  TensorView position(std::int64_t number) {
    return backend_.upload_ints({static_cast<std::int32_t>(number)});
  }
  TensorView doubles(std::int64_t count) {
    return backend_.upload_doubles(std::vector<double>(static_cast<std::size_t>(count)));
  }
  const kernels::UpdateOutcome* outcome(const kernels::UpdateOutcome& outcome) {
    return backend_.upload_value(outcome);
  }
  Kernels& kernels() { return backend_.kernels(); }
  device::DataType compute_type() { return kernels().compute_type(); }

 private:
  std::vector<float> values(std::initializer_list<std::int64_t> shape, float scale) {
    std::int64_t count = 1;
    for (const auto size : shape) count *= size;
    auto values = support::random_floats(count, ++seed_);
    for (float& value : values) value *= scale;
    return values;
  }

  support::Backend& backend_;
  double product_rate_, memory_rate_;
  std::uint32_t seed_ = 0;
};

std::string of_rows(std::int64_t rows) {
  return fmt::format(" of {} row{}", rows, rows == 1 ? "" : "s");
}

void time_matmuls(Bench& bench) {
  const auto N = bench.N;
  const struct {
    const char* name;
    std::int64_t K, M;
    bool before_gelu, after_gelu;
  } layers[] = {{"qkv", C, 3 * C, false, false},
                {"attention projection", C, C, false, false},
                {"fc", C, 4 * C, true, false},
                {"fc projection", 4 * C, C, false, true}};
  for (const auto& [name, K, M, before_gelu, after_gelu] : layers) {
    const auto x = bench.random({N, K}, 1), weight = bench.random({K, M}), bias = bench.random({M});
    const auto y = bench.random({N, M}), dx = bench.random({N, K});
    const auto dweight = bench.random_floats({K, M}), dbias = bench.random_floats({M});
    const auto none = TensorView();
    bench.time(fmt::format("matmul_forward {}{}", name, before_gelu ? " + gelu" : ""),
               &Kernels::matmul_forward,
               {.x = x,
                .weight = weight,
                .bias = bias,
                .y = y,
                .pre_activation = before_gelu ? bench.random({N, M}) : none,
                .N = N,
                .K = K,
                .M = M});
    bench.time(fmt::format("matmul_backward_input {}{}", name, after_gelu ? " x gelu'" : ""),
               &Kernels::matmul_backward_input,
               {.dy = y,
                .weight = weight,
                .dx = dx,
                .pre_activation = after_gelu ? bench.random({N, K}, 1) : none,
                .N = N,
                .K = K,
                .M = M});
    bench.time(fmt::format("matmul_backward_weight {}", name), &Kernels::matmul_backward_weight,
               {.x = x, .dy = y, .dweight = dweight, .dbias = dbias, .N = N, .K = K, .M = M});
    for (const std::int64_t rows : {1, 4, 8}) {
      bench.time(fmt::format("matmul_forward {}{}", name, of_rows(rows)), &Kernels::matmul_forward,
                 {.x = x, .weight = weight, .bias = bias, .y = y, .N = rows, .K = K, .M = M});
    }
  }
}

void time_attention(Bench& bench) {
  const auto B = bench.B;
  const auto qkv = bench.random({B, T, 3 * C}, 1), out = bench.random({B, T, C}),
             lse = bench.random_floats({B, H, T});
  const auto dout = bench.random({B, T, C}, 1), dqkv = bench.random({B, T, 3 * C});
  for (const float probability : {0.0F, 0.1F}) {
    const Dropout dropout{.probability = probability, .seed = 1};
    const std::string suffix = probability == 0 ? "" : " with dropout";
    bench.time(
        "attention_forward" + suffix, &Kernels::attention_forward,
        {.qkv = qkv, .out = out, .lse = lse, .B = B, .T = T, .C = C, .H = H, .dropout = dropout});
    bench.time("attention_backward" + suffix, &Kernels::attention_backward,
               {.qkv = qkv,
                .out = out,
                .lse = lse,
                .dout = dout,
                .dqkv = dqkv,
                .B = B,
                .T = T,
                .C = C,
                .H = H,
                .dropout = dropout});
  }
  bench.time("attention_cached of 1 row after 1023", &Kernels::attention_cached,
             {.qkv = qkv,
              .out = out,
              .key_cache = bench.random({1, H, T, C / H}, 1),
              .value_cache = bench.random({1, H, T, C / H}, 1),
              .first_position = bench.position(T - 1),
              .B = 1,
              .new_positions = 1,
              .C = C,
              .H = H,
              .capacity = T});
}

void time_classifier(Bench& bench) {
  const auto N = bench.N;
  const auto x = bench.random({N, C}, 1), wte = bench.random({kPaddedV, C}),
             targets = bench.tokens(N), losses = bench.random_floats({N});
  bench.time("classifier_forward", &Kernels::classifier_forward,
             {.x = x, .wte = wte, .targets = targets, .losses = losses, .N = N, .C = C, .V = V});
  bench.time("classifier_forward_backward", &Kernels::classifier_forward_backward,
             {.x = x,
              .wte = wte,
              .targets = targets,
              .losses = losses,
              .dx = bench.random({N, C}),
              .dwte = bench.random_floats({kPaddedV, C}),
              .N = N,
              .C = C,
              .V = V,
              .scale = 1.0F / static_cast<float>(N)});
  const auto logits = bench.random_floats({8, V});
  for (const std::int64_t rows : {1, 8}) {
    bench.time("head_forward" + of_rows(rows), &Kernels::head_forward,
               {.x = x, .wte = wte, .logits = logits, .N = rows, .C = C, .V = V});
  }
}

void time_memory_bound(Bench& bench) {
  const auto B = bench.B, N = bench.N;
  const auto x = bench.random({N, C}, 1), y = bench.random({N, C}), sum = bench.random({N, C}),
             dresidual = bench.random({N, C});
  const auto weight = bench.random_floats({C}), bias = bench.random_floats({C}),
             mean = bench.random_floats({N}), rstd = bench.random_floats({N});
  const Dropout dropped{.probability = 0.1F, .seed = 1};
  bench.time(
      "layernorm_forward", &Kernels::layernorm_forward,
      {.x = x, .weight = weight, .bias = bias, .y = y, .mean = mean, .rstd = rstd, .N = N, .C = C});
  for (const auto& dropout : {Dropout(), dropped}) {
    bench.time(fmt::format("residual_layernorm_forward{}",
                           dropout.probability == 0 ? "" : " with dropout"),
               &Kernels::residual_layernorm_forward,
               {.residual = x,
                .branch = y,
                .sum = sum,
                .weight = weight,
                .bias = bias,
                .y = dresidual,
                .mean = mean,
                .rstd = rstd,
                .B = B,
                .T = T,
                .C = C,
                .dropout = dropout});
  }
  bench.time("layernorm_backward", &Kernels::layernorm_backward,
             {.dy = y,
              .x = x,
              .weight = weight,
              .mean = mean,
              .rstd = rstd,
              .dresidual = dresidual,
              .dweight = bench.random_floats({C}),
              .dbias = bench.random_floats({C}),
              .N = N,
              .C = C});
  bench.time("dropout_backward", &Kernels::dropout_backward,
             {.dy = y, .dx = x, .B = B, .T = T, .C = C, .dropout = dropped});
  const auto wte = bench.random({kPaddedV, C}), wpe = bench.random({T, C}),
             tokens = bench.tokens(N);
  const auto dwte = bench.random_floats({kPaddedV, C}), dwpe = bench.random_floats({T, C});
  bench.time("embedding_forward", &Kernels::embedding_forward,
             {.tokens = tokens, .wte = wte, .wpe = wpe, .x = x, .B = B, .T = T, .C = C});
  bench.time("embedding_backward", &Kernels::embedding_backward,
             {.tokens = tokens, .dx = x, .dwte = dwte, .dwpe = dwpe, .B = B, .T = T, .C = C});
  const auto gradient = bench.random_floats({kPaddedV, C});
  const std::vector<kernels::AdamWPart> all{{.count = kPaddedV * C, .weight_decay = 0.1F}};
  bench.time("adamw_update", &Kernels::adamw_update,
             {.parameter = dwte,
              .gradient = gradient,
              .exp_avg = bench.random_floats({kPaddedV, C}),
              .exp_avg_sq = bench.random_floats({kPaddedV, C}, 0),
              .compute_copy = bench.compute_type() == device::DataType::kF32 ? TensorView() : wte,
              .parts = all,
              .learning_rate = 1e-4F,
              .beta1 = 0.9F,
              .beta2 = 0.95F,
              .epsilon = 1e-8F,
              .outcome = bench.outcome({.update_count = 10,
                                        .gradient_scale = 1,
                                        .correction1 = 1.5F,
                                        .correction2 = 2.5F,
                                        .is_done = 1})});
  bench.time("add", kernels::work_of_add(dwte, gradient),
             [&] { bench.kernels().add(dwte, gradient); });
  bench.time("part_sums", &Kernels::part_sums,
             {.x = gradient,
              .sums = bench.doubles(65),
              .part = gradient.element_count() / 64,
              .squared = true});
}

}  // namespace

int main(int argc, char** argv) {
  support::Backend backend(argc > 1 ? std::atoi(argv[1]) : 0);
  const std::string group = argc > 2 ? argv[2] : "";
  Bench bench(backend);
  if (group.empty() || group == "matmul") time_matmuls(bench);
  if (group.empty() || group == "attention") time_attention(bench);
  if (group.empty() || group == "classifier") time_classifier(bench);
  if (group.empty() || group == "memory") time_memory_bound(bench);
}
