// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/http_get.h"

#include <boost/test/unit_test.hpp>

#include "tests/libcore/fetch/fault_server.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::fetch {
namespace {

using namespace std::chrono_literals;

/// What get() brought.
struct Got {
  HttpResponse response;
  std::string body;
};
Got get(const std::string& url, HttpSettings settings = {}) {
  settings.slow_time = 2s;
  Got got;
  const HttpReceiver receiver{.begin = [](const HttpResponse&) { return true; },
                              .body = [&](std::string_view bytes) { got.body += bytes; }};
  got.response = http_get(settings, parse_url(url), {"X-Asked: yes"}, receiver);
  return got;
}

/// A server that redirects /N to /N-1 and answers /0.
void count_down(const Request& request, Connection& connection) {
  const int number = std::stoi(request.path.substr(1));
  connection.send(number == 0 ? response("200 OK", "ETag: \"x\"\r\n", "body")
                              : response("302 Found",
                                         "Location: " + std::to_string(number - 1) + "\r\n", "no"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http_getting)

BOOST_AUTO_TEST_CASE(brings_status_headers_and_body) {
  const FaultServer server([](const Request&, Connection& connection) {
    connection.send("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" +
                    response("404 Not Found", "X-Name:  a \r\nX-Name: b\r\n", "words"));
  });
  const auto got = get(server.url("/a?b"));
  BOOST_TEST(got.response.status == 404);
  BOOST_TEST(got.response.header("x-name").value() == "b");
  BOOST_TEST(!got.response.header("x-early"));
  BOOST_TEST(got.body == "words");
  const auto request = server.requests().front();
  BOOST_TEST(request.path == "/a?b");
  BOOST_TEST(request.header("accept-encoding") == "identity");
  BOOST_TEST(request.header("x-asked") == "yes");
}

BOOST_AUTO_TEST_CASE(headers_after_a_body_in_pieces_change_nothing) {
  const FaultServer server([](const Request&, Connection& connection) {
    connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"a\"\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\nETag: \"b\"\r\n\r\n");
  });
  const auto got = get(server.url("/"));
  BOOST_TEST(got.body == "abcde");
  BOOST_TEST(got.response.header("etag").value() == "\"a\"");
}

BOOST_AUTO_TEST_CASE(redirects_are_followed_within_a_bound_and_remembered) {
  const FaultServer server(count_down);
  const auto got = get(server.url("/8"));
  BOOST_TEST(got.body == "body");
  BOOST_TEST(got.response.redirects.size() == 8U);
  BOOST_TEST(got.response.redirects.front().header("location").value() == "7");
  BOOST_CHECK_EXCEPTION(get(server.url("/9")), NetworkError,
                        [](const auto& error) { return !error.may_retry(); });
}

BOOST_AUTO_TEST_CASE(body_that_is_not_wanted_is_not_fetched) {
  const FaultServer server([](const Request&, Connection& connection) {
    connection.send("HTTP/1.1 500 Sorry\r\nContent-Length: 1000000000000\r\n\r\n");
    while (connection.send(std::string(100'000, 'x'))) {
    }
  });
  const HttpReceiver receiver{.begin = [](const HttpResponse&) { return false; },
                              .body = [](std::string_view) { BOOST_ERROR("a body came"); }};
  BOOST_TEST(http_get({}, parse_url(server.url("/")), {}, receiver).status == 500);
}

BOOST_AUTO_TEST_CASE(what_the_receiver_throws_comes_out) {
  const FaultServer server([](const Request&, Connection& connection) {
    connection.send(response("200 OK", "", "body"));
  });
  const auto fail = [](auto&&) -> bool { throw formats::IoError("disk full"); };
  BOOST_CHECK_THROW(http_get({}, parse_url(server.url("/")), {}, {.begin = fail, .body = {}}),
                    formats::IoError);
  const HttpReceiver later{.begin = [](const HttpResponse&) { return true; },
                           .body = [&](std::string_view) { fail(0); }};
  BOOST_CHECK_THROW(http_get({}, parse_url(server.url("/")), {}, later), formats::IoError);
}

BOOST_AUTO_TEST_CASE(too_many_headers_are_refused) {
  const FaultServer server([](const Request&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send("X: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  BOOST_CHECK_THROW(get(server.url("/")), formats::Error);
}

BOOST_AUTO_TEST_CASE(token_goes_to_its_own_origin_over_https_alone) {
  const support::TemporaryFolder folder;
  const Certificates certificates(folder.path(), "DNS:localhost,IP:127.0.0.1");
  std::string target;
  const auto redirect = [&](const Request& request, Connection& connection) {
    connection.send(request.path == "/file"
                        ? response("302 Found", "Location: " + target + "\r\n", "")
                        : response("200 OK", "", "body"));
  };
  const FaultServer hub(redirect, &certificates), other(redirect, &certificates);
  const FaultServer insecure(redirect);
  HttpSettings settings{.ca_file = certificates.authority_file(), .token = "hf_secret"};
  settings.token_origin = parse_url(hub.url("/")).origin;
  const auto sent = [](const FaultServer& server) {
    return server.requests().back().header("authorization");
  };

  target = "/same";
  BOOST_TEST(get(hub.url("/file"), settings).body == "body");
  BOOST_TEST(sent(hub) == "Bearer hf_secret");  // to /same as well
  target = other.url("/x");                     // another port
  BOOST_TEST(get(hub.url("/file"), settings).body == "body");
  BOOST_TEST(sent(other) == "");
  target = hub.url("/x", "localhost");  // another name of the same server
  BOOST_TEST(get(hub.url("/file"), settings).body == "body");
  BOOST_TEST(sent(hub) == "");
  BOOST_TEST(get(other.url("/x"), settings).body == "body");
  BOOST_TEST(sent(other) == "");
  settings.token_origin = parse_url(insecure.url("/")).origin;
  BOOST_TEST(get(insecure.url("/x"), settings).body == "body");
  BOOST_TEST(sent(insecure) == "");
}

BOOST_AUTO_TEST_CASE(server_that_cannot_prove_its_name_is_refused_for_good) {
  const support::TemporaryFolder folder, other_folder;
  const Certificates ours(folder.path(), "DNS:localhost"), theirs(other_folder.path(), "DNS:a");
  const FaultServer server(
      [](const Request&, Connection& connection) {
        connection.send(response("200 OK", "", "body"));
      },
      &ours);
  const auto is_final = [](const NetworkError& error) {
    return !error.may_retry() && std::string(error.what()).find("--ca-file") != std::string::npos;
  };
  const HttpSettings trusting{.ca_file = ours.authority_file()};
  BOOST_TEST(get(server.url("/", "localhost"), trusting).body == "body");
  BOOST_CHECK_EXCEPTION(get(server.url("/"), trusting), NetworkError, is_final);  // 127.0.0.1
  BOOST_CHECK_EXCEPTION(get(server.url("/", "localhost"), {.ca_file = theirs.authority_file()}),
                        NetworkError, is_final);
  BOOST_CHECK_EXCEPTION(get(server.url("/", "localhost")), NetworkError, is_final);
  BOOST_CHECK_THROW(get(server.url("/"), {.ca_file = folder.write("none.pem", "words")}),
                    formats::UsageError);
  BOOST_TEST(server.requests().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
