// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Files as torch.save makes them, for tests: the instructions of a pickle, and an archive around
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpt2::formats {

/// Instructions that leave one value on the stack.
std::string pickled_text(std::string_view text);
std::string pickled_number(std::int32_t value);
std::string pickled_name(std::string_view module, std::string_view name);
std::string pickled_tuple(const std::vector<std::string>& items);
std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& entries);

struct MadeTensor {
  std::string_view storage = "FloatStorage";
  std::string_view record = "0";
  std::int32_t record_elements = 1, first_element = 0;
  std::vector<std::int32_t> shape, strides;
};
std::string pickled_tensor(const MadeTensor& tensor);
/// An OrderedDict of tensors.
std::string pickled_state(const std::vector<std::pair<std::string_view, MadeTensor>>& tensors);

/// Members stored as they are, in this order.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members);
/// The archive of a checkpoint whose value is left by `instructions`; `records` are its data/0,
/// data/1 ...
std::string torch_file(std::string_view instructions, const std::vector<std::string>& records);

}  // namespace gpt2::formats
