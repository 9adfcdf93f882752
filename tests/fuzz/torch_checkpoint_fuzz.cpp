// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A checkpoint of torch.save, whole or by its pickle alone in an archive that is good: a tensor
// that is accepted lies in its record, and reads twice the same.
#include <algorithm>
#include <bit>

#include "formats/errors.h"
#include "formats/torch_checkpoint.h"
#include "tests/formats/torch_maker.h"
#include "tests/fuzz/fuzz_target.h"

namespace gpt2::fuzz {
namespace {

using namespace formats;

bool same_bits(float a, float b) {  // NaN differs from itself
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

void check_file(std::string_view bytes) {
  const auto path = write_scratch_file("model.pt", bytes);
  try {
    const TorchCheckpoint checkpoint(path);
    require(!checkpoint.tensors().empty(), "a checkpoint has a tensor");
    for (const auto& tensor : checkpoint.tensors()) {
      require(tensor.first_element + tensor.element_count() <= tensor.record_elements,
              "a tensor lies in its record");
      try {
        const auto values = checkpoint.read_as_floats(tensor);
        require(values.size() == tensor.element_count(), "a tensor has the elements of its shape");
        const auto again = checkpoint.read_as_floats(tensor);
        require(std::equal(again.begin(), again.end(), values.begin(), values.end(), same_bits),
                "a tensor reads twice the same");
      } catch (const InputError&) {
      }
    }
    checkpoint.setting("n_head");
  } catch (const InputError&) {
  }
}

}  // namespace

void check(std::string_view input) {
  check_file(input);
  const std::string record(8, '\x40');
  check_file(torch_file(input, {record, record}));
}

}  // namespace gpt2::fuzz
