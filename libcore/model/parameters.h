// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The parameters of a GPT-2: names, shapes, and where each lies in one contiguous buffer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/device/device.h"
#include "libcore/model/gpt2_config.h"

namespace gpt2::model {

struct Parameter {
  std::string name;                 // "transformer.h.0.attn.c_attn.weight"
  std::vector<std::int64_t> shape;  // unpadded, [in, out]
  std::int64_t element_count = 0;   // unpadded
  std::int64_t offset = 0;          // elements from the start of the buffer, multiple of 16
  bool decayed() const { return shape.size() == 2; }  // weight decay: every 2-D tensor
};

/// Order: wte, wpe, then each layer's ln_1, attn, ln_2, mlp, then ln_f. wte has padded_vocab_size
/// rows in the buffer (the rest zero); gaps between tensors are zero, in parameters, gradients and
/// moments alike.
class ParameterTable {
 public:
  explicit ParameterTable(const Gpt2Config& config);
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// `name` with or without "transformer."; null if there is no such parameter.
  const Parameter* find(std::string_view name) const;
  /// As find. Throws: UsageError if there is no such parameter.
  const Parameter& at(std::string_view name) const;
  std::int64_t parameter_count() const { return parameter_count_; }  // unpadded sum
  std::int64_t buffer_elements() const { return buffer_elements_; }  // with padding
  std::size_t buffer_bytes() const { return static_cast<std::size_t>(buffer_elements_) * 4; }

 private:
  std::vector<Parameter> parameters_;
  std::int64_t parameter_count_ = 0, buffer_elements_ = 0;
};

}  // namespace gpt2::model
