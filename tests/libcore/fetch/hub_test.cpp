// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/hub.h"

#include <boost/test/unit_test.hpp>

#include "tests/libcore/fetch/fault_server.h"

namespace gpt2::fetch {
namespace {

const HubFolder kFolder{
    .repository = "datasets/owner/texts", .revision = "0123456789", .path = "sample/1B"};
const std::string kSha256(64, 'a'), kGit(40, 'b');

std::string entry(const std::string& path, const std::string& rest) {
  return R"({"type": "file", "path": ")" + path + R"(", "size": 5, "oid": ")" + kGit + "\"" + rest +
         "}";
}

struct Hub {
  std::vector<std::string> pages;
  FaultServer server{[this](const Request& request, Connection& connection) {
    const auto mark = request.path.find("?page=");
    const auto page = mark == std::string::npos ? 0 : std::stoul(request.path.substr(mark + 6));
    std::string link;
    if (page + 1 < pages.size()) {
      link = "Link: <" + server.url(request.path.substr(0, mark)) +
             "?page=" + std::to_string(page + 1) + ">; rel=\"next\"\r\n";
    }
    connection.send(response("200 OK", link, pages[page]));
  }};
  std::vector<KnownFile> list() {
    DownloadSettings settings;
    settings.retry.sleep = [](std::chrono::milliseconds) {};
    const auto silent = [](const std::string&) {};
    return list_hub_folder(server.url(""), kFolder, settings,
                           {.progress = {}, .notice = silent, .detail = silent});
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hub, Hub)

BOOST_AUTO_TEST_CASE(files_come_from_all_pages_with_size_and_hash) {
  pages = {"[" + entry("sample/1B/b.parquet", R"(, "lfs": {"oid": ")" + kSha256 + R"("})") +
               R"(, {"type": "directory", "path": "sample/1B/c", "oid": "x"}])",
           "[" + entry("sample/1B/a.txt", "") + "]", "[]"};
  const auto files = list();
  BOOST_TEST(server.requests().size() == 3U);
  BOOST_TEST(server.requests().front().path ==
             "/api/datasets/owner/texts/tree/0123456789/sample/1B");
  BOOST_REQUIRE(files.size() == 2U);
  BOOST_TEST(files[0].name == "a.txt");
  BOOST_TEST((files[0].hash == content_hash_from_hex(kGit)));
  BOOST_TEST(files[1].name == "b.parquet");
  BOOST_TEST((files[1].hash == content_hash_from_hex(kSha256)));
  BOOST_TEST(files[1].bytes == 5U);
  BOOST_TEST(files[1].url ==
             "https://huggingface.co/datasets/owner/texts/resolve/0123456789/sample/1B/b.parquet");
}

BOOST_AUTO_TEST_CASE(what_is_no_listing_is_refused) {
  for (const auto* text : {"", "<html>", "{\"error\": \"no\"}", "[1]", "[{}]",
                           "[{\"type\": \"file\", \"path\": \"sample/1B/a\"}]"}) {
    pages = {text};
    BOOST_CHECK_THROW(list(), formats::InputError);
  }
}

BOOST_AUTO_TEST_CASE(names_that_leave_the_folder_are_refused) {
  for (const auto* path : {"sample/1B/../../x", "/etc/passwd", "sample/1B/.bashrc", "sample/1B/",
                           "sample/1B/deeper/a", "other/a", "sample/1B/a\\\\b"}) {
    pages = {"[" + entry(path, "") + "]"};
    BOOST_CHECK_THROW(list(), formats::InputError);
  }
}

BOOST_AUTO_TEST_CASE(next_page_is_read_from_the_link_header) {
  HttpResponse response;
  BOOST_TEST(next_page(response) == "");
  response.headers.emplace_back("link", "<https://a/1>; rel=\"prev\", <https://a/3>; rel=\"next\"");
  BOOST_TEST(next_page(response) == "https://a/3");
  response.headers.back().second = "<https://a/1>; rel=\"prev\"";
  BOOST_TEST(next_page(response) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
