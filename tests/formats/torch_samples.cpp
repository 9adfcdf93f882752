// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include <fmt/format.h>

#include "tests/formats/document_samples.h"
#include "tests/formats/torch_maker.h"

namespace gpt2::formats {
namespace {

const std::string kOneAndMinusTwo("\0\0\x80\x3F\0\0\0\xC0", 8);  // F32
const std::string kHalfAndThree("\0\x3F\x40\x40", 4);            // BF16
const MadeTensor kA{.record_elements = 2, .shape = {2}, .strides = {1}};
const MadeTensor kB{.storage = "BFloat16Storage",
                    .record = "1",
                    .record_elements = 2,
                    .shape = {2, 1},
                    .strides = {1, 1}};

std::string both() { return pickled_state({{"a", kA}, {"b", kB}}); }

}  // namespace

void add_torch_samples(std::map<std::string, std::string>& samples) {
  const std::vector<std::string> records{kOneAndMinusTwo, kHalfAndThree};
  const auto good = torch_file(both(), records);
  const auto settings = pickled_dict({{"n_head", pickled_number(2)}, {"bias", "\x89"}});
  samples["accepted/two_tensors.torch"] = good;
  samples["accepted/settings_of_nanogpt.torch"] = torch_file(
      pickled_dict({{"model", both()}, {"model_args", settings}, {"iter_num", "K\1"}}), records);
  samples["accepted/settings_in_an_object.torch"] = torch_file(
      pickled_dict({{"model", both()},
                    {"config", pickled_name("__main__", "GPTConfig") + ")\x81" + settings + "b"}}),
      records);
  samples["accepted/views_of_one_storage.torch"] = torch_file(
      pickled_state(
          {{"whole", kA},
           {"second",
            {.record_elements = 2, .first_element = 1, .shape = {1, 1}, .strides = {5, 7}}},
           {"none", {.record_elements = 2, .shape = {0, 9}, .strides = {3, 4}}},
           {"scalar", {.record_elements = 2}}}),
      records);

  const auto refuse = [&](const char* name, const std::string& bytes) {
    samples[fmt::format("refused/{}.torch", name)] = bytes;
  };
  const auto refuse_pickle = [&](const char* name, const std::string& instructions) {
    refuse(name, torch_file(instructions, records));
  };
  const auto refuse_a = [&](const char* name, const MadeTensor& tensor) {
    refuse_pickle(name, pickled_state({{"a", tensor}}));
  };
  refuse_pickle("pickle__cut", both().substr(0, both().size() - 1) + "X");
  refuse_pickle("pickle__takes_from_an_empty_stack", "R");
  refuse_pickle("pickle__recalls_what_was_not_kept", "h\7");
  refuse_pickle("pickle__of_protocol_0", "\x80" + std::string(1, '\0') + "N");
  refuse_pickle("pickle__of_an_unknown_instruction", "\xFF");
  refuse_pickle("pickle__with_a_key_without_a_value", "}(X" + std::string("\1\0\0\0a", 5) + "u");
  refuse_pickle("pickle__leaves_two_values", "NN");
  refuse_pickle("state_dict__missing", pickled_dict({{"step", pickled_number(1)}}));
  refuse_a("storage__shorter_than_the_tensor",
           {.record_elements = 2, .first_element = 1, .shape = {2}, .strides = {1}});
  refuse_a("record__not_of_the_storage", {.record_elements = 3, .shape = {3}, .strides = {1}});
  refuse_a("is_not_in_the_archive__record",
           {.record = "7", .record_elements = 2, .shape = {2}, .strides = {1}});
  refuse_a("elements__apart", {.record_elements = 2, .shape = {1, 2}, .strides = {2, 2}});
  refuse_a("strides__fewer_than_axes", {.record_elements = 2, .shape = {1, 2}, .strides = {1}});
  refuse_a("size__negative", {.record_elements = 2, .shape = {-2}, .strides = {1}});
  refuse_a("elements__more_than_any_file",
           {.record_elements = 2, .shape = {2147483647, 2147483647}, .strides = {1, 1}});
  refuse_a("FloatStorage__is_read_and_not_this",
           {.storage = "DoubleStorage", .record_elements = 1, .shape = {1}, .strides = {1}});
  refuse("zip__cut", good.substr(0, good.size() - 1));
  auto damaged = good;
  damaged[good.find(kOneAndMinusTwo) + 3] ^= 1;
  refuse("CRC__of_a_record", damaged);
  refuse("data.pkl__missing", zip_of({{"model/version", "3\n"}}));
  refuse("big-endian__byteorder",
         zip_of({{"m/data.pkl", "\x80\x02" + both() + "."}, {"m/byteorder", "big"}}));
  refuse("before_1.6__of_old", "\x80\x02\x8A\x0A" + std::string("l\xFC\x9C", 3));
}

}  // namespace gpt2::formats
