// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/formats/torch_maker.h"

#include <fmt/format.h>
#include <zlib.h>

#include "tests/formats/little_endian.h"

namespace gpt2::formats {
namespace {

std::string pickled_numbers(const std::vector<std::int32_t>& values) {
  std::vector<std::string> items;
  for (const auto value : values) items.push_back(pickled_number(value));
  return pickled_tuple(items);
}

}  // namespace

std::string pickled_text(std::string_view text) {
  return "X" + u32(text.size()) + std::string(text);
}
std::string pickled_number(std::int32_t value) {
  return "J" + u32(static_cast<std::uint32_t>(value));
}
std::string pickled_name(std::string_view module, std::string_view name) {
  return fmt::format("c{}\n{}\n", module, name);
}
std::string pickled_tuple(const std::vector<std::string>& items) {
  std::string program = "(";
  for (const auto& item : items) program += item;
  return program + "t";
}
std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string program = "}(";
  for (const auto& [key, value] : entries) program += pickled_text(key) + value;
  return program + "u";
}

std::string pickled_tensor(const MadeTensor& tensor) {
  const auto storage =
      pickled_tuple({pickled_text("storage"), pickled_name("torch", tensor.storage),
                     pickled_text(tensor.record), pickled_text("cpu"),
                     pickled_number(tensor.record_elements)}) +
      "Q";
  return pickled_name("torch._utils", "_rebuild_tensor_v2") +
         pickled_tuple({storage, pickled_number(tensor.first_element),
                        pickled_numbers(tensor.shape), pickled_numbers(tensor.strides), "\x89",
                        pickled_name("collections", "OrderedDict") + ")R"}) +
         "R";
}

std::string pickled_state(const std::vector<std::pair<std::string_view, MadeTensor>>& tensors) {
  std::string program = pickled_name("collections", "OrderedDict") + ")R(";
  for (const auto& [name, tensor] : tensors) program += pickled_text(name) + pickled_tensor(tensor);
  return program + "u";
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string bytes, directory;
  for (const auto& [name, content] : members) {
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    const auto both = u16(10) + u16(0) + u16(0) + u16(0) + u16(0x21) +  // 1980-01-01
                      u32(crc) + u32(content.size()) + u32(content.size()) + u16(name.size()) +
                      u16(0);
    directory +=
        "PK\1\2" + u16(10) + both + u16(0) + u16(0) + u16(0) + u32(0) + u32(bytes.size()) + name;
    bytes += "PK\3\4" + both + name + content;
  }
  return bytes + directory + "PK\5\6" + u16(0) + u16(0) + u16(members.size()) +
         u16(members.size()) + u32(directory.size()) + u32(bytes.size()) + u16(0);
}

std::string torch_file(std::string_view instructions, const std::vector<std::string>& records) {
  std::vector<std::pair<std::string, std::string>> members{
      {"model/data.pkl", "\x80\x02" + std::string(instructions) + "."},
      {"model/byteorder", "little"}};
  for (std::size_t i = 0; i < records.size(); ++i) {
    members.emplace_back(fmt::format("model/data/{}", i), records[i]);
  }
  members.emplace_back("model/version", "3\n");
  return zip_of(members);
}

}  // namespace gpt2::formats
