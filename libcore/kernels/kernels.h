// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Every operation of GPT-2 once: forward, backward, optimizer. Twins: kernels_cpu, kernels_cuda.
// Shapes: B sequences, T positions, N = B x T rows, C channels, H heads, D = C / H, V vocabulary,
// Vp = V padded, K inputs and M outputs of a product. Weights keep Hugging Face's orientation [in,
// out]. All work is queued on the device's stream. Gradients of parameters are added to (+=);
// gradients of activations are written (=). Activations, their gradients and the parameters are of
// Kernels::compute_type(); statistics, losses, logits, gains and biases of layernorms, and
// gradients of parameters are float. No result depends on the number of threads. A twin throws
// UsageError for a type it does not have. kernels_timed.h wraps a twin to time it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/kernels/update_outcome.h"

namespace gpt2::kernels {

using device::TensorView;

/// What an operation costs at the least: the yardstick of profiles and timings.
struct Work {
  std::int64_t operations = 0;  // multiplications and additions of its products, no others
  std::int64_t bytes = 0;       // each element that it needs read once, each that it makes written
};
/// Bytes of `elements` of a tensor; none when it is not given.
inline std::int64_t bytes_of(const TensorView& tensor, std::int64_t elements) {
  return tensor ? elements * static_cast<std::int64_t>(device::bytes_of(tensor.type)) : 0;
}

/// MatmulForward and HeadForward of at most so many rows (decoding): what a row becomes does not
/// depend, to the bit, on the other rows or on how many there are.
inline constexpr std::int64_t kFewRows = 16;

/// Dropout by counter: element e of row b's sequence is kept when its word >= p x 2^32, and scaled
/// by 1 / (1 - p). probability 0 turns it off. Element: t x C + c; in attention (h x T + query) x T
/// + key.
struct Dropout {
  float probability = 0;
  std::uint32_t seed = 0;
  std::uint64_t first_sequence = 0;  // number of row 0's sequence since the run began; row b: + b
  std::uint32_t site = 0;  // 0 embedding; layer l: 3l+1 attention, 3l+2 and 3l+3 its residuals
};

struct EmbeddingForward {
  TensorView tokens;    // (B, T) i32, each in [0, V)
  TensorView wte, wpe;  // (Vp, C), (P, C)
  TensorView x;         // (B, T, C) out
  std::int64_t B, T, C;
  TensorView first_position;  // (1) i32, of column 0 (decoding); not given: 0
  Dropout dropout;
  Work work() const {
    return {.bytes = bytes_of(wte, B * T * C) + bytes_of(wpe, T * C) + bytes_of(x, B * T * C)};
  }
};
struct EmbeddingBackward {
  TensorView tokens, dx;  // (B, T) i32, (B, T, C)
  TensorView dwte, dwpe;  // (Vp, C), (P, C), added to
  std::int64_t B, T, C;
  Dropout dropout;
  Work work() const {
    return {.bytes =
                bytes_of(dx, B * T * C) + 2 * (bytes_of(dwte, B * T * C) + bytes_of(dwpe, T * C))};
  }
};
struct LayerNormForward {
  TensorView x, weight, bias, y;  // (N, C), (C), (C), (N, C); y may be x
  TensorView mean, rstd;          // (N) float
  std::int64_t N, C;
  float epsilon = 1e-5F;
  Work work() const { return {.bytes = bytes_of(x, N * C) + bytes_of(y, N * C)}; }
};
/// sum = residual + dropout(branch); y = layernorm(sum).
struct ResidualLayerNormForward {
  TensorView residual, branch, sum;  // (N, C); sum may be residual or branch
  TensorView weight, bias, y;        // (C), (C), (N, C)
  TensorView mean, rstd;             // (N) float
  std::int64_t B, T, C;              // N = B x T
  float epsilon = 1e-5F;
  Dropout dropout;
  Work work() const {
    return {.bytes = bytes_of(residual, B * T * C) + bytes_of(branch, B * T * C) +
                     bytes_of(sum, B * T * C) + bytes_of(y, B * T * C)};
  }
};
struct LayerNormBackward {
  TensorView dy, x, weight, mean, rstd;  // (N, C), (N, C), (C), (N), (N)
  TensorView dresidual;                  // (N, C): the gradient of x is added to it
  TensorView dweight, dbias;             // (C), added to
  std::int64_t N, C;
  Work work() const {
    return {.bytes = bytes_of(dy, N * C) + bytes_of(x, N * C) + 2 * bytes_of(dresidual, N * C)};
  }
};
/// dx = dy x mask / (1 - p): the gradient of a branch whose forward used `dropout`. dx may be dy.
struct DropoutBackward {
  TensorView dy, dx;  // (B, T, C)
  std::int64_t B, T, C;
  Dropout dropout;
  Work work() const { return {.bytes = bytes_of(dy, B * T * C) + bytes_of(dx, B * T * C)}; }
};
/// y = x weight + bias; with gelu: pre_activation = that, y = gelu(pre_activation), the tanh form.
struct MatmulForward {
  TensorView x, weight, bias, y;  // (N, K), (K, M), (M) or empty, (N, M)
  TensorView pre_activation;  // (N, M); given: y is gelu of it. May be y when no backward follows.
  std::int64_t N, K, M;
  Work work() const {
    return {.operations = 2 * N * K * M,
            .bytes = bytes_of(x, N * K) + bytes_of(weight, K * M) + bytes_of(y, N * M) +
                     bytes_of(pre_activation, N * M)};
  }
};
/// dx = dy weight^T; with pre_activation: times gelu'(pre_activation).
struct MatmulBackwardInput {
  TensorView dy, weight, dx;  // (N, M), (K, M), (N, K)
  TensorView pre_activation;  // (N, K) or empty
  std::int64_t N, K, M;
  Work work() const {
    return {.operations = 2 * N * K * M,
            .bytes = bytes_of(dy, N * M) + bytes_of(weight, K * M) + bytes_of(dx, N * K) +
                     bytes_of(pre_activation, N * K)};
  }
};
/// dweight += x^T dy; dbias += column sums of dy.
struct MatmulBackwardWeight {
  TensorView x, dy;           // (N, K), (N, M)
  TensorView dweight, dbias;  // (K, M), (M) or empty
  std::int64_t N, K, M;
  Work work() const {
    return {.operations = 2 * N * K * M,
            .bytes = bytes_of(x, N * K) + bytes_of(dy, N * M) + 2 * bytes_of(dweight, K * M)};
  }
};
/// Causal attention on packed QKV, scale 1 / sqrt(D). Never holds T x T for more than one tile.
struct AttentionForward {
  TensorView qkv, out;  // (B, T, 3C): Q | K | V, each head D wide; (B, T, C)
  TensorView lse;       // (B, H, T) float: log-sum-exp of each row's scaled scores
  std::int64_t B, T, C, H;
  Dropout dropout;  // on the probabilities
  /// Two products over the pairs of positions that see each other.
  Work work() const {
    return {.operations = 2 * B * C * T * (T + 1),
            .bytes = bytes_of(qkv, 3 * B * T * C) + bytes_of(out, B * T * C)};
  }
};
struct AttentionBackward {
  TensorView qkv, out, lse, dout;  // as forward; (B, T, C)
  TensorView dqkv;                 // (B, T, 3C)
  std::int64_t B, T, C, H;
  Dropout dropout;
  /// Five products: the scores are computed once more.
  Work work() const {
    return {.operations = 5 * B * C * T * (T + 1),
            .bytes = bytes_of(qkv, 3 * B * T * C) + bytes_of(out, B * T * C) +
                     bytes_of(dout, B * T * C) + bytes_of(dqkv, 3 * B * T * C)};
  }
};
/// Decoding: puts the new positions' K and V into the caches, then attends over all positions so
/// far.
struct AttentionCached {
  TensorView qkv, out;                // (B, n, 3C), (B, n, C): n new positions
  TensorView key_cache, value_cache;  // (B, H, capacity, D)
  TensorView first_position;          // (1) i32, of the first new one; at most capacity - n
  std::int64_t B, new_positions, C, H, capacity;
  /// As if the new positions were the cache's last: only the device knows which they are.
  Work work() const {
    const auto before = capacity - new_positions;
    const auto pairs = (capacity * (capacity + 1) - before * (before + 1)) / 2;
    return {.operations = 4 * B * C * pairs,
            .bytes = bytes_of(qkv, 3 * B * new_positions * C) +
                     bytes_of(out, B * new_positions * C) + bytes_of(key_cache, B * capacity * C) +
                     bytes_of(value_cache, B * capacity * C)};
  }
};
/// logits = x wte^T over the first V rows of wte.
struct HeadForward {
  TensorView x, wte, logits;  // (N, C), (Vp, C), (N, V)
  std::int64_t N, C, V;
  Work work() const {
    return {.operations = 2 * N * C * V,
            .bytes = bytes_of(x, N * C) + bytes_of(wte, V * C) + bytes_of(logits, N * V)};
  }
};
/// losses[n] = -log softmax(x wte^T)[target]; 0 where target < 0. Logits are never stored whole.
/// Rows of wte from V on, where it has any, are zeros.
struct ClassifierForward {
  TensorView x, wte, targets, losses;  // (N, C), (Vp, C), (N) i32, (N) float
  std::int64_t N, C, V;
  Work work() const {
    return {.operations = 2 * N * C * V, .bytes = bytes_of(x, N * C) + bytes_of(wte, V * C)};
  }
};
/// The same with gradients of scale x sum(losses): dx written, dwte added to, zeros from row V on.
struct ClassifierForwardBackward {
  TensorView x, wte, targets, losses;  // as ClassifierForward
  TensorView dx, dwte;                 // (N, C), (Vp, C)
  std::int64_t N, C, V;
  float scale = 1;
  Work work() const {
    return {.operations = 6 * N * C * V,
            .bytes = bytes_of(x, N * C) + bytes_of(wte, V * C) + bytes_of(dx, N * C) +
                     2 * bytes_of(dwte, V * C)};
  }
};
/// sums[i] = the sum of part i of x, or of its squares; each part has `part` elements, the last one
/// what is left. In double and in a fixed order.
struct PartSums {
  TensorView x, sums;  // (n) float, (ceil(n / part)) double
  std::int64_t part;
  bool squared = false;
  Work work() const { return {.bytes = bytes_of(x, x.element_count())}; }
};
/// Whether and how the step's gradients change the parameters: kernels/update_outcome.h.
struct UpdateDecision {
  TensorView loss_sums, squares;  // double: of the losses by slot, joined in place; of gradients
  double token_count, grad_clip, beta1, beta2;
  double loss_scale = 1;   // gradients are those of loss_scale x loss
  UpdateOutcome* outcome;  // in the device's memory; the last one comes in
  UpdateTerms terms() const {
    return {.loss_count = loss_sums.element_count(),
            .square_count = squares.element_count(),
            .token_count = token_count,
            .grad_clip = grad_clip,
            .beta1 = beta1,
            .beta2 = beta2,
            .loss_scale = loss_scale};
  }
  Work work() const { return {.bytes = bytes_of(squares, squares.element_count())}; }
};
/// Neighbouring elements that AdamW updates alike.
struct AdamWPart {
  std::int64_t first = 0, count = 0;
  float weight_decay = 0;
  bool operator==(const AdamWPart&) const = default;
};
/// m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr (m x correction1 / (sqrt(v x correction2) +
/// eps) + wd p), with g = gradient x gradient_scale, for the elements of `parts`; others stay. All
/// stay when the outcome is an update left out.
struct AdamWUpdate {
  TensorView parameter, gradient, exp_avg, exp_avg_sq;  // same number of elements, float
  TensorView compute_copy;  // empty, or the new parameter once more, rounded to compute_type()
  std::span<const AdamWPart> parts;  // no element is in two
  float learning_rate, beta1, beta2, epsilon;
  const UpdateOutcome* outcome;  // in the device's memory
  Work work() const {
    std::int64_t count = 0;
    for (const auto& part : parts) count += part.count;
    return {.bytes = 2 * (bytes_of(parameter, count) + bytes_of(exp_avg, count) +
                          bytes_of(exp_avg_sq, count)) +
                     bytes_of(gradient, count) + bytes_of(compute_copy, count)};
  }
};

inline Work work_of_add(const TensorView& to, const TensorView& from) {
  const auto count = to.element_count();
  return {.bytes = 2 * bytes_of(to, count) + bytes_of(from, count)};
}
inline Work work_of_round_to_bf16(const TensorView& x) {
  return {.bytes = 2 * bytes_of(x, x.element_count())};
}
inline Work work_of_convert(const TensorView& to, const TensorView& from) {
  return {.bytes = bytes_of(to, to.element_count()) + bytes_of(from, to.element_count())};
}

/// A pass over B sequences, as forward or as forward and backward.
struct PassShape {
  std::int64_t B, T, C, H, F, V;  // F: channels inside the MLP
  std::int64_t parameter_count;
};

/// The operations. Docstrings of the structures above give the formulas.
class Kernels {
 public:
  virtual ~Kernels() = default;
  /// Of activations and of the parameters as products read them.
  virtual device::DataType compute_type() const { return device::DataType::kF32; }
  /// What the operations of such a pass, and an update after it, allocate at the most beside their
  /// tensors. Units: bytes.
  virtual std::size_t workspace_bytes(const PassShape& shape, bool backward) const = 0;
  virtual void embedding_forward(const EmbeddingForward& op) = 0;
  virtual void embedding_backward(const EmbeddingBackward& op) = 0;
  /// y = (x - mean) x rstd x weight + bias, each row on its own. Source: Ba et al. 2016, Layer
  /// Normalization.
  virtual void layernorm_forward(const LayerNormForward& op) = 0;
  virtual void residual_layernorm_forward(const ResidualLayerNormForward& op) = 0;
  virtual void layernorm_backward(const LayerNormBackward& op) = 0;
  virtual void dropout_backward(const DropoutBackward& op) = 0;
  virtual void matmul_forward(const MatmulForward& op) = 0;
  virtual void matmul_backward_input(const MatmulBackwardInput& op) = 0;
  virtual void matmul_backward_weight(const MatmulBackwardWeight& op) = 0;
  /// Source: Dao et al. 2022, FlashAttention, algorithms 1 and 4 (tiles, online softmax,
  /// recomputation).
  virtual void attention_forward(const AttentionForward& op) = 0;
  virtual void attention_backward(const AttentionBackward& op) = 0;
  virtual void attention_cached(const AttentionCached& op) = 0;
  virtual void head_forward(const HeadForward& op) = 0;
  virtual void classifier_forward(const ClassifierForward& op) = 0;
  virtual void classifier_forward_backward(const ClassifierForwardBackward& op) = 0;
  /// Source: Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization, algorithm 2.
  virtual void adamw_update(const AdamWUpdate& op) = 0;
  virtual void decide_update(const UpdateDecision& op) = 0;
  /// to += from, element by element.
  virtual void add(TensorView to, TensorView from) = 0;
  /// Each element of x becomes the nearest number of bf16, ties to even; x stays float.
  virtual void round_to_bf16(TensorView x) = 0;
  /// to = from, one of which is float, rounded to the nearest number of its type, ties to even.
  virtual void convert(TensorView to, TensorView from) = 0;
  virtual void part_sums(const PartSums& op) = 0;

  /// For operations that are to be queued again and again with the same arguments, and copies on
  /// the device between them; on a GPU they become one launch. The kernels must outlive it.
  virtual std::unique_ptr<device::RecordedWork> record() {
    return std::make_unique<device::RecordedWork>();
  }

  /// What does products, as equal words where their ways are the same: the GPU's kind and the
  /// version of its library. Empty where there is one way.
  virtual std::string products_by() const { return {}; }
  /// Where a product can be done in several ways, that differ in their bits: finds the fastest way
  /// of each product that `run` does, by timing, and returns a record of them. What products are
  /// added to in `run` is worth nothing afterwards. Empty, and nothing run, where there is one way.
  virtual std::string choose_products(const std::function<void()>& run) {
    static_cast<void>(run);
    return {};
  }
  /// Does these products as in the record from now on. False if it is another GPU's or library's,
  /// or none at all: nothing is taken then.
  virtual bool use_products(std::string_view record) {
    static_cast<void>(record);
    return true;
  }
};

/// Whether a device of this kind (auto, cpu, cuda) computes with `precision`: fp32, the only one of
/// a CPU; tf32, which is fp32 with the factors of products rounded to 11 bits; bf16; fp16; auto,
/// the fastest that the device has. Throws: UsageError if not.
void check_precision(std::string_view device_kind, std::string_view precision);

/// The twin of `device`, which must outlive it. Throws: UsageError as check_precision.
std::unique_ptr<Kernels> open_kernels(device::Device& device, std::string_view precision = "fp32");

}  // namespace gpt2::kernels
