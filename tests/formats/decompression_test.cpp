// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/decompression.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

#include "formats/errors.h"
#include "tests/formats/format_fixture.h"
#include "tests/formats/packing.h"

namespace gpt2::formats {
namespace {

/// Words of a small vocabulary: they pack well, but not to nothing.
std::string make_text(std::size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "word" + std::to_string(random() % 1000) + ' ';
  text.resize(bytes);
  return text;
}

std::string read_all(const std::string& path, std::size_t piece_bytes = 1 << 16) {
  const auto source = open_byte_source(path);
  std::string text;
  std::vector<std::uint8_t> piece(piece_bytes);
  for (std::size_t got = piece.size(); got == piece.size();) {
    got = source->read(piece);
    text.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return text;
}

struct Packed {
  const char* name;
  std::string bytes;
};

struct Fixture {
  TemporaryFolder folder;
  std::string text = make_text(600);
  std::vector<Packed> packed() const {
    return {{"a.gz", pack_gzip(text)},
            {"a.zst", pack_zstd(text)},
            {"no_size.zst", pack_zstd(text, false)}};
  }
  std::string refusal(const std::string& name, std::string_view bytes) const {
    const auto path = folder.write(name, bytes);
    return error_of<FormatError>([&] { read_all(path); });
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(decompression, Fixture)

BOOST_AUTO_TEST_CASE(gives_the_bytes_that_were_packed) {
  const std::string long_text = make_text(3 << 20);
  for (const auto& [name, bytes] : std::vector<Packed>{{"long.gz", pack_gzip(long_text)},
                                                       {"long.zst", pack_zstd(long_text)},
                                                       {"stream.zst", pack_zstd(long_text, false)},
                                                       {"long.txt", long_text}}) {
    BOOST_TEST((read_all(folder.write(name, bytes)) == long_text), name);
  }
}

BOOST_AUTO_TEST_CASE(gives_the_same_bytes_in_pieces_of_any_size) {
  for (const auto& [name, bytes] : packed()) {
    const auto path = folder.write(name, bytes);
    for (const std::size_t piece_bytes : {1, 2, 7, 599, 600, 601}) {
      BOOST_TEST((read_all(path, piece_bytes) == text), name << " by " << piece_bytes);
    }
  }
}

BOOST_AUTO_TEST_CASE(contents_decide_whatever_the_name_is) {
  BOOST_TEST((read_all(folder.write("zstd_inside.gz", pack_zstd(text))) == text));
  BOOST_TEST((read_all(folder.write("packed.txt", pack_gzip(text))) == text));
}

BOOST_AUTO_TEST_CASE(joins_members_and_frames) {
  const auto gzips = stored_gzip("one ") + pack_gzip("two ") + stored_gzip("") + pack_gzip("three");
  BOOST_TEST(read_all(folder.write("a.gz", gzips)) == "one two three");
  const auto frames = skippable_zstd("note") + stored_zstd("one ") + pack_zstd("two ") +
                      skippable_zstd("") + pack_zstd("") + pack_zstd("three", false) +
                      skippable_zstd("end");
  BOOST_TEST(read_all(folder.write("a.zst", frames)) == "one two three");
}

BOOST_AUTO_TEST_CASE(counts_stored_bytes) {
  const std::string long_text = make_text(3 << 20);
  for (const auto& [name, bytes] : std::vector<Packed>{
           {"a.gz", pack_gzip(long_text)}, {"a.zst", pack_zstd(long_text)}, {"a.txt", long_text}}) {
    const auto source = open_byte_source(folder.write(name, bytes));
    std::vector<std::uint8_t> half(long_text.size() / 2), rest(long_text.size());
    BOOST_TEST(source->read(half) == half.size());
    BOOST_TEST(source->stored_bytes_read() > bytes.size() / 4);
    BOOST_TEST(source->stored_bytes_read() < bytes.size());
    BOOST_TEST(source->read(rest) == long_text.size() - half.size());
    BOOST_TEST(source->stored_bytes_read() == bytes.size());
  }
}

BOOST_AUTO_TEST_CASE(refuses_every_cut) {
  for (const auto& [name, bytes] : packed()) {
    for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
      const auto error = refusal(name, std::string_view(bytes).substr(0, kept));
      BOOST_TEST(contains(error, std::string(name) + ": byte "), name << " cut to " << kept);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cut_is_named_by_file_and_byte) {
  const auto bytes = stored_gzip("one") + stored_gzip("two").substr(0, 20);
  BOOST_TEST(contains(refusal("a.gz", bytes),
                      "/a.gz: byte 46, gzip member: the file ends before it does"));
  BOOST_TEST(contains(refusal("a.zst", stored_zstd("one").substr(0, 10)),
                      "/a.zst: byte 10, zstd frame: the file ends before it does"));
}

BOOST_AUTO_TEST_CASE(a_zstd_frame_of_another_size_than_its_head_says_is_refused) {
  const std::string head("\x28\xB5\x2F\xFD\x40\x50\x04\0", 8);  // promises 260 bytes
  const std::string block_of_260("\x22\x08\0a", 4), last_empty_block("\x01\0\0", 3);
  BOOST_TEST(read_all(folder.write("a.zst", head + block_of_260 + last_empty_block)) ==
             std::string(260, 'a'));
  const auto shorter = folder.write("b.zst", head + last_empty_block);
  for (const std::size_t piece_bytes : {1, 1000, 65536}) {
    BOOST_CHECK_THROW(read_all(shorter, piece_bytes), FormatError);
  }
}

BOOST_AUTO_TEST_CASE(every_changed_byte_is_refused_or_changes_nothing) {
  for (const auto& [name, bytes] : packed()) {
    std::size_t refused = 0;
    for (std::size_t place = 0; place < bytes.size(); ++place) {
      auto changed = bytes;
      changed[place] = static_cast<char>(changed[place] ^ 1 << place % 8);
      const auto path = folder.write(name, changed);
      try {
        BOOST_TEST((read_all(path) == text), name << " changed at " << place);
      } catch (const FormatError&) {
        ++refused;
      }
    }
    BOOST_TEST(refused + 16 > bytes.size());  // gzip's header holds a time and other free bytes
  }
}

BOOST_AUTO_TEST_CASE(refuses_bytes_after_the_end) {
  for (const auto& [name, bytes] : packed()) {
    for (const auto& garbage :
         {std::string("x"), std::string("1234567890"), std::string(8, '\0')}) {
      const auto error = refusal(name, bytes + garbage);
      BOOST_TEST(contains(error, "byte " + std::to_string(bytes.size())));
      BOOST_TEST(contains(error, "other bytes follow the last one"));
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_windows_above_128_mib) {
  BOOST_TEST(read_all(folder.write("a.zst", stored_zstd("text", 27))) == "text");
  const auto error = refusal("b.zst", stored_zstd("text", 28));
  BOOST_TEST(contains(error, "b.zst: byte 0, zstd frame: asks for a window of more than 128 MiB"));
}

BOOST_AUTO_TEST_CASE(refuses_frames_with_a_dictionary) {
  auto bytes = stored_zstd("text");
  bytes[4] = 1;                // a dictionary id of one byte
  bytes.insert(6, 1, '\x2A');  // after the window
  BOOST_TEST(contains(refusal("a.zst", bytes), "was packed with a dictionary"));
}

BOOST_AUTO_TEST_CASE(refuses_names_that_promise_a_packing) {
  for (const auto* content : {"plain text", "", "\x1F"}) {
    BOOST_TEST(contains(refusal("a.gz", content),
                        "a.gz: byte 0, packing: is not gzip, which the name promises"));
    BOOST_TEST(contains(refusal("a.zst", content), "packing: is not zstd"));
    BOOST_TEST(read_all(folder.write("a.txt", content)) == content);
  }
}

BOOST_AUTO_TEST_CASE(refuses_other_packings_by_name) {
  using namespace std::string_literals;
  BOOST_TEST(contains(refusal("a.txt", "\xFD\x37\x7A\x58\x5A\0..."s), "is xz, which is not read"));
  BOOST_TEST(contains(refusal("a.txt", "BZh9\x31\x41\x59\x26\x53\x59..."), "is bzip2"));
  BOOST_TEST(contains(refusal("a.txt", "\x04\x22\x4D\x18..."), "is lz4"));
  BOOST_TEST(contains(refusal("a.txt", "PK\x03\x04..."), "is zip"));
  BOOST_TEST(read_all(folder.write("b.txt", "BZh, PK and such")) == "BZh, PK and such");
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_read) {
  BOOST_TEST(contains(error_of<InputError>([&] { open_byte_source((folder / "none").string()); }),
                      "none: No such file or directory"));
  BOOST_TEST(contains(error_of<InputError>([&] { read_all(folder.path().string()); }),
                      "is a directory; name the files in it"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
