// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/safetensors.h"

#include <fmt/format.h>

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "formats/byte_codec.h"
#include "formats/crc32c.h"
#include "formats/errors.h"
#include "tests/formats/format_fixture.h"

namespace gpt2::formats {
namespace {

namespace utf = boost::unit_test;

std::string file_of(const std::string& header, std::size_t buffer_bytes) {
  std::uint8_t length[8];
  store_u64(length, header.size());
  return std::string(length, length + 8) + header + std::string(buffer_bytes, '\1');
}

std::string error_in(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "a.safetensors", bytes);
  return error_of<FormatError>([&] { SafetensorsReader(folder / "a.safetensors"); });
}
std::string error_in_header(const std::string& header, std::size_t buffer_bytes = 8) {
  return error_in(file_of(header, buffer_bytes));
}
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype": ")" + dtype + R"(", "shape": )" + shape + R"(, "data_offsets": )" + offsets +
         "}";
}
const std::string kGood = tensor("F32", "[2]", "[0, 8]");

std::vector<SafetensorsEntry> sample_entries() {
  return {{.name = "wte", .dtype = "F32", .shape = {2, 3}},
          {.name = "empty", .dtype = "F32", .shape = {0, 5}},
          {.name = "half", .dtype = "F16", .shape = {3}},
          {.name = "scalar", .dtype = "BF16", .shape = {}},
          {.name = "last empty", .dtype = "U8", .shape = {0}}};
}
const std::vector<float> kWte = {0, -1, 2.5F, 1e-30F, 3e38F, -0.0F}, kHalf = {1, -2, 65504},
                         kScalar = {-3};

void write_sample(const std::filesystem::path& path) {
  SafetensorsWriter writer(path, sample_entries(), {{"format", "pt"}});
  writer.write_floats(std::span(kWte).first(4));
  writer.write_floats(std::span(kWte).subspan(4));
  writer.write_floats(kHalf);
  writer.write_floats(kScalar);
  writer.commit();
  const auto bytes = read_file(path);
  BOOST_TEST(writer.file_bytes() == bytes.size());
  BOOST_TEST(writer.file_crc32c() == crc32c(bytes_of(bytes)));
  for (std::size_t i = 0; i < writer.entries().size(); ++i) {
    const auto& entry = writer.entries()[i];
    const auto data = bytes.substr(bytes.size() - 32 + entry.begin, entry.end - entry.begin);
    BOOST_TEST(writer.tensor_crc32c()[i] == crc32c(bytes_of(data)));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  const SafetensorsReader reader(folder / "a");
  BOOST_TEST(reader.metadata().size() == 1U);
  BOOST_TEST(reader.metadata().at("format") == "pt");
  BOOST_TEST(reader.entries().size() == 5U);
  BOOST_TEST(reader.find("none") == nullptr);
  const auto& wte = *reader.find("wte");
  BOOST_TEST(wte.shape == (std::vector<std::int64_t>{2, 3}));
  BOOST_TEST(wte.element_count() == 6U);
  BOOST_TEST(reader.read_as_floats(wte) == kWte);
  BOOST_TEST(std::signbit(reader.read_as_floats(wte)[5]));
  BOOST_TEST(reader.read_as_floats(*reader.find("half")) == kHalf);
  BOOST_TEST(reader.read_as_floats(*reader.find("scalar")) == kScalar);
  BOOST_TEST(reader.find("scalar")->element_count() == 1U);
  BOOST_TEST(reader.read_as_floats(*reader.find("empty")).empty());
  BOOST_CHECK_THROW(reader.read_as_floats(*reader.find("last empty")), FormatError);
  std::vector<std::uint8_t> bytes(4);
  reader.read(wte, 8, bytes);
  BOOST_TEST(load_u32(bytes.data()) == std::bit_cast<std::uint32_t>(2.5F));
  BOOST_CHECK_THROW(reader.read(wte, 21, bytes), UsageError);
  BOOST_CHECK_THROW(reader.read(wte, ~std::uint64_t{0}, bytes), UsageError);
}

BOOST_AUTO_TEST_CASE(tensors_begin_at_a_multiple_of_8) {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  BOOST_TEST(load_u64(bytes_of(read_file(folder / "a")).data()) % 8 == 0U);
}

BOOST_AUTO_TEST_CASE(large_tensors_pass_in_pieces) {
  const TemporaryFolder folder;
  std::vector<float> values(700'001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000);
  for (const auto* dtype : {"F32", "F16"}) {
    SafetensorsWriter writer(folder / "a", {{.name = "t", .dtype = dtype, .shape = {700'001}}}, {});
    writer.write_floats(values);
    writer.commit();
    const SafetensorsReader reader(folder / "a");
    BOOST_TEST((reader.read_as_floats(reader.entries()[0]) == values));
  }
}

// One case for each row and rule of formats/safetensors.md.
BOOST_AUTO_TEST_CASE(every_field_is_checked) {
  const auto with = [](const std::string& t) { return error_in_header(R"({"t": )" + t + "}"); };
  BOOST_TEST(with(kGood) == "no error");
  BOOST_TEST(error_in_header("{}", 0) == "no error");
  BOOST_TEST(error_in_header(R"({"t": )" + kGood + "}     ") == "no error");

  BOOST_TEST(contains(error_in(""), "byte 0, header length"));
  BOOST_TEST(contains(error_in("1234567"), "byte 0, header length"));
  BOOST_TEST(
      contains(error_in(std::string("\3\0\0\0\0\0\0\0{}", 10)), "byte 0, header length: is 3"));
  BOOST_TEST(contains(error_in(std::string(100, '\xFF')), "byte 0, header length"));
  BOOST_TEST(contains(error_in_header(" {}", 0), "byte 8, header: does not begin with {"));
  BOOST_TEST(contains(error_in_header("", 0), "byte 8, header: does not begin with {"));
  BOOST_TEST(contains(error_in_header("{", 0), "is no valid JSON"));
  BOOST_TEST(contains(error_in_header("{} x", 0), "is no valid JSON"));
  BOOST_TEST(contains(error_in_header("{\"\xC0\xAF\": " + kGood + "}"), "is no valid JSON"));
  BOOST_TEST(contains(error_in_header(R"({"\ud800": )" + kGood + "}"), "is no valid JSON"));
  BOOST_TEST(contains(error_in_header(R"({"t":)" + std::string(100'000, '[')), "is no valid JSON"));

  BOOST_TEST(contains(error_in_header(R"({"t": )" + kGood + R"(, "t": )" + kGood + "}"),
                      "\"t\": is there twice"));
  BOOST_TEST(contains(with("7"), "\"t\": is not an object"));
  BOOST_TEST(contains(with(R"({"dtype": "F32", "shape": [2]})"), "\"t\".data_offsets: is missing"));
  BOOST_TEST(contains(with(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "x": 1})"),
                      "\"t\".\"x\": is not a key of a tensor"));
  BOOST_TEST(
      contains(with(R"({"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]})"),
               "\"t\".\"dtype\": is there twice"));

  BOOST_TEST(contains(with(tensor("F31", "[2]", "[0, 8]")), "\"t\".dtype: \"F31\" is not known"));
  BOOST_TEST(contains(with(tensor("F32", "2", "[0, 8]")), "\"t\".shape: is not an array"));
  BOOST_TEST(contains(with(tensor("F32", "[-2]", "[0, 8]")), "\"t\".shape: holds something else"));
  BOOST_TEST(contains(with(tensor("F32", "[2.0]", "[0, 8]")), "\"t\".shape"));
  BOOST_TEST(contains(with(tensor("F32", "[9223372036854775808]", "[0, 8]")), "\"t\".shape"));
  BOOST_TEST(contains(with(tensor("F32", "[4294967296, 1073741824]", "[0, 8]")), "\"t\".shape"));
  BOOST_TEST(contains(with(tensor("F32", "[4294967296, 4294967296, 0]", "[0, 0]")), "\"t\".shape"));
  BOOST_TEST(contains(with(tensor("F32", "[1e400]", "[0, 8]")), "is no valid JSON"));

  BOOST_TEST(contains(with(tensor("F32", "[2]", "[0]")), "\"t\".data_offsets: is not a pair"));
  BOOST_TEST(contains(with(tensor("F32", "[2]", "[8, 0]")), "\"t\".data_offsets: is [8, 0]"));
  BOOST_TEST(contains(with(tensor("F32", "[3]", "[0, 8]")), "takes 12 bytes"));
  BOOST_TEST(contains(with(tensor("F32", "[2]", "[0, 8.5]")), "\"t\".data_offsets"));
  BOOST_TEST(contains(with(tensor("F32", "[2]", "[1, 9]")), "a hole"));
  BOOST_TEST(contains(error_in_header(R"({"t": )" + kGood + "}", 7), "end of the tensors"));
  BOOST_TEST(contains(error_in_header(R"({"t": )" + kGood + "}", 9), "end of the tensors"));

  const auto two = [](const std::string& a, const std::string& b) {
    return error_in_header(R"({"b": )" + b + R"(, "a": )" + a + "}", 16);
  };
  BOOST_TEST(two(kGood, tensor("F32", "[2]", "[8, 16]")) == "no error");
  BOOST_TEST(contains(two(kGood, tensor("F32", "[3]", "[4, 16]")), "an overlap"));
  BOOST_TEST(contains(two(kGood, kGood), "an overlap"));
  BOOST_TEST(contains(two(kGood, tensor("F32", "[1]", "[12, 16]")), "a hole"));

  BOOST_TEST(error_in_header(R"({"__metadata__": {"a": "b"}})", 0) == "no error");
  BOOST_TEST(
      contains(error_in_header(R"({"__metadata__": 1})", 0), "__metadata__: is not an object"));
  BOOST_TEST(contains(error_in_header(R"({"__metadata__": {"a": 1}})", 0), "__metadata__.a"));
  BOOST_TEST(contains(error_in_header(R"({"__metadata__": {"a": "b", "a": "b"}})", 0),
                      "__metadata__.\"a\": is there twice"));
}

BOOST_AUTO_TEST_CASE(a_header_above_25_megabytes_is_refused_before_it_is_read) {
  const TemporaryFolder folder;
  std::uint8_t length[8];
  store_u64(length, 25'000'001);
  write_file(folder / "a", std::string(length, length + 8) + "{");
  std::filesystem::resize_file(folder / "a", std::uint64_t{1} << 40);  // sparse
  BOOST_TEST(contains(error_of<FormatError>([&] { SafetensorsReader(folder / "a"); }),
                      "byte 0, header length: is 25000001, at most 25000000"));
}

BOOST_AUTO_TEST_CASE(tensors_beyond_4_gib_are_read) {
  const TemporaryFolder folder;
  constexpr std::uint64_t kBytes = std::uint64_t{5} << 30;
  const auto first = tensor("U8", fmt::format("[{}]", kBytes), fmt::format("[0, {}]", kBytes)),
             last = tensor("F32", "[1]", fmt::format("[{}, {}]", kBytes, kBytes + 4));
  const auto header = file_of(fmt::format(R"({{"first": {}, "last": {}}})", first, last), 0);
  write_file(folder / "a", header);
  std::filesystem::resize_file(folder / "a", header.size() + kBytes);  // sparse
  std::ofstream(folder / "a", std::ios::app | std::ios::binary) << std::string("\0\0\xC0\x3F", 4);
  const SafetensorsReader reader(folder / "a");
  BOOST_TEST(reader.read_as_floats(*reader.find("last")) == std::vector<float>{1.5F});
  std::uint8_t byte = 1;
  reader.read(*reader.find("first"), kBytes - 1, {&byte, 1});
  BOOST_TEST(byte == 0);
}

// Compared with each other, 150,000 tensors and as many texts would take minutes.
BOOST_AUTO_TEST_CASE(a_header_of_many_names_is_read_in_linear_time, *utf::timeout(60)) {
  const TemporaryFolder folder;
  std::string metadata = R"("__metadata__": {"": "")", tensors;
  for (int i = 0; i < 150'000; ++i) {
    metadata += fmt::format(R"(,"{}":"")", i);
    tensors += fmt::format(R"(,"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", i);
  }
  write_file(folder / "a", file_of("{" + metadata + "}" + tensors + "}", 0));
  const SafetensorsReader reader(folder / "a");
  BOOST_TEST(reader.metadata().size() == 150'001U);
  for (const auto& entry : reader.entries()) BOOST_REQUIRE(reader.find(entry.name) == &entry);
}

BOOST_AUTO_TEST_CASE(every_truncation_is_found) {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  for (auto bytes = std::filesystem::file_size(folder / "a"); bytes-- > 0;) {
    std::filesystem::resize_file(folder / "a", bytes);
    BOOST_REQUIRE_THROW(SafetensorsReader(folder / "a"), FormatError);
  }
}

BOOST_AUTO_TEST_CASE(the_writer_takes_exactly_the_bytes_of_its_tensors) {
  const TemporaryFolder folder;
  const std::vector<float> values(8);
  const auto open = [&] { return SafetensorsWriter(folder / "a", sample_entries(), {}); };
  {
    auto writer = open();
    writer.write_floats(std::span(values).first(5));
    BOOST_CHECK_THROW(writer.write_floats(std::span(values).first(2)), UsageError);
    BOOST_CHECK_THROW(writer.commit(), UsageError);
  }
  {
    auto writer = open();
    for (const std::size_t count : {6, 3, 1}) writer.write_floats(std::span(values).first(count));
    BOOST_CHECK_THROW(writer.write_floats(std::span(values).first(1)), UsageError);
    BOOST_CHECK_THROW(writer.write(bytes_of("x")), UsageError);
    writer.commit();
  }
  SafetensorsWriter bytes(folder / "b", {{.name = "b", .dtype = "U8", .shape = {4}}}, {});
  BOOST_CHECK_THROW(bytes.write_floats(std::span(values).first(1)), UsageError);
  bytes.write(bytes_of("abcd"));
  bytes.commit();
}

BOOST_AUTO_TEST_CASE(tensors_that_no_reader_would_take_are_not_written) {
  const TemporaryFolder folder;
  using Entries = std::vector<SafetensorsEntry>;
  constexpr auto kHuge = std::numeric_limits<std::int64_t>::max();
  for (const Entries& entries : {Entries{{.name = "a", .dtype = "F33", .shape = {1}}},
                                 Entries{{.name = "a", .dtype = "F32", .shape = {-1}}},
                                 Entries{{.name = "a", .dtype = "F32", .shape = {1LL << 62}}},
                                 Entries{{.name = "__metadata__", .dtype = "F32", .shape = {1}}},
                                 Entries{{.name = "a", .dtype = "U8", .shape = {1}},
                                         {.name = "a", .dtype = "U8", .shape = {1}}},
                                 Entries{{.name = "\xFF", .dtype = "U8", .shape = {1}}},
                                 Entries{{.name = "a", .dtype = "U8", .shape = {kHuge}},
                                         {.name = "b", .dtype = "U8", .shape = {kHuge}},
                                         {.name = "c", .dtype = "U8", .shape = {2}}}}) {
    BOOST_CHECK_THROW(SafetensorsWriter(folder / "a", entries, {}), UsageError);
  }
  const std::map<std::string, std::string> long_text{{"a", std::string(25'000'000, 'a')}};
  BOOST_CHECK_THROW(SafetensorsWriter(folder / "a", {}, long_text), UsageError);
  BOOST_TEST(std::filesystem::is_empty(folder.path()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
