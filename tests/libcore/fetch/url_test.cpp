// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/url.h"

#include <boost/test/unit_test.hpp>

#include "formats/errors.h"

namespace gpt2::fetch {

BOOST_AUTO_TEST_SUITE(url)

BOOST_AUTO_TEST_CASE(origin_is_scheme_host_and_port) {
  BOOST_TEST(parse_url("https://Example.org/a/b?c#d").origin == "https://example.org:443");
  BOOST_TEST(parse_url("HTTP://example.org:81").origin == "http://example.org:81");
  BOOST_TEST(parse_url("https://example.org/a?b#fragment").text == "https://example.org/a?b");
  BOOST_TEST(parse_url("https://example.org/a?signature=1").shown() == "https://example.org/a");
  BOOST_TEST(parse_url("https://example.org").secure);
  BOOST_TEST(!parse_url("http://example.org").secure);
}

BOOST_AUTO_TEST_CASE(what_is_no_web_address_is_refused) {
  for (const auto* text : {"", "gpt2-vocab", "file:///etc/passwd", "ftp://example.org/a", "/a/b",
                           "https://user@example.org/", "https://user:word@example.org/",
                           "https://", "https://exa mple.org/", "https://example.org/a\nb"}) {
    BOOST_CHECK_THROW(parse_url(text), formats::UsageError);
  }
}

BOOST_AUTO_TEST_CASE(redirects_lead_to_the_address_they_name) {
  const auto base = parse_url("https://example.org/a/b?c");
  BOOST_TEST(follow_url(base, "/d").text == "https://example.org/d");
  BOOST_TEST(follow_url(base, "d?e").text == "https://example.org/a/d?e");
  BOOST_TEST(follow_url(base, "//other.org/d").origin == "https://other.org:443");
  BOOST_TEST(follow_url(base, "https://other.org:8/d").origin == "https://other.org:8");
  BOOST_TEST(follow_url(parse_url("http://a.org"), "https://b.org").secure);
  BOOST_TEST(!follow_url(parse_url("http://a.org"), "http://b.org").secure);
}

BOOST_AUTO_TEST_CASE(redirects_to_something_less_than_https_are_refused) {
  const auto base = parse_url("https://example.org/a");
  for (const auto* location : {"http://example.org/a", "file:///etc/passwd", "ftp://example.org/",
                               "https://user:word@example.org/", "gopher://x"}) {
    BOOST_CHECK_THROW(follow_url(base, location), formats::InputError);
  }
}

BOOST_AUTO_TEST_CASE(file_name_is_the_last_part_decoded) {
  BOOST_TEST(file_name_of(parse_url("https://a.org/x/input.txt?raw=1")) == "input.txt");
  BOOST_TEST(file_name_of(parse_url("https://a.org/a%2Bb.json")) == "a+b.json");
  // An encoded separator separates.
  BOOST_TEST(file_name_of(parse_url("https://a.org/x%2F..%2Fevil")) == "evil");
}

BOOST_AUTO_TEST_CASE(hostile_file_names_are_refused) {
  for (const auto* path : {"", "/", "/a/", "/..%2F", "/.bashrc", "/%2e%2e", "/a%00b", "/a%0Ab",
                           "/a%1B%5B31m", "/..%5Cevil", "/a%20b", "/%7F"}) {
    BOOST_CHECK_THROW(file_name_of(parse_url(std::string("https://a.org") + path)),
                      formats::UsageError);
  }
  BOOST_TEST(!is_plain_file_name(std::string(201, 'a')));
  BOOST_TEST(is_plain_file_name(std::string(200, 'a')));
}

BOOST_AUTO_TEST_CASE(joined_addresses_have_one_slash_between) {
  BOOST_TEST(join_url("https://a.org", "b") == "https://a.org/b");
  BOOST_TEST(join_url("https://a.org//", "b/c") == "https://a.org/b/c");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
