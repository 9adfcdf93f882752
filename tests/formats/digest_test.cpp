// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/digest.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::formats {

BOOST_AUTO_TEST_SUITE(digest)

// Values of FIPS 180-4's examples.
BOOST_AUTO_TEST_CASE(hashes_are_those_of_the_standard) {
  BOOST_TEST(Digest().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_TEST(Digest().update("abc").hex() ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(Digest(Digest::Kind::kSha1).update("abc").hex() ==
             "a9993e364706816aba3e25717850c26c9cd0d89d");
  BOOST_TEST(Digest().bytes().size() == 32U);
  BOOST_TEST(Digest(Digest::Kind::kSha1).bytes().size() == 20U);
}

BOOST_AUTO_TEST_CASE(pieces_give_the_hash_of_the_whole_and_it_can_be_asked_between) {
  Digest digest;
  digest.update("a").update("");
  BOOST_TEST(digest.hex() == Digest().update("a").hex());
  digest.update("bc");
  BOOST_TEST(digest.hex() == Digest().update("abc").hex());
}

BOOST_AUTO_TEST_CASE(beginning_of_a_file_is_hashed_and_a_file_too_short_is_refused) {
  const support::TemporaryFolder folder;
  const std::string text(3'000'000, 'x');
  const InputFile file(folder.write("file", text));
  Digest whole, part;
  digest_file(file, file.bytes(), whole);
  BOOST_TEST(whole.hex() == Digest().update(text).hex());
  digest_file(file, 1'500'000, part);
  BOOST_TEST(part.hex() == Digest().update(std::string_view(text).substr(0, 1'500'000)).hex());
  BOOST_CHECK_THROW(digest_file(file, file.bytes() + 1, part), FormatError);
}

BOOST_AUTO_TEST_CASE(hexadecimal_digits_are_told_from_other_text) {
  BOOST_TEST(is_hex("0123456789abcdefABCDEF", 22));
  BOOST_TEST(!is_hex("0123", 5));
  BOOST_TEST(!is_hex("012g", 4));
  BOOST_TEST(!is_hex(" 123", 4));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::formats
