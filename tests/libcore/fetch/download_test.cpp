// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What servers and networks do wrong, as a table. Whatever happens, no wrong file appears under the
// final name, each failure has its exit code, and once the server is well again the same call
// completes the file. The test prints the table (ctest -V -R fetch.faults).
#include "libcore/fetch/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <random>
#include <thread>

#include "formats/digest.h"
#include "formats/durable_file.h"
#include "tests/libcore/fetch/fault_server.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::fetch {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const DownloadObserver kSilent{.progress = [](std::uint64_t, std::uint64_t) {},
                               .notice = [](const std::string&) {},
                               .detail = [](const std::string&) {}};

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

ContentHash hash_of(std::string_view bytes) {
  return content_hash_from_hex(formats::Digest().update(bytes).hex());
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Header and the first `bytes` of the body of an answer.
std::string cut(const std::string& answer, std::size_t bytes) {
  return answer.substr(0, std::min(answer.find("\r\n\r\n") + 4 + bytes, answer.size()));
}

std::string in_pieces(std::string_view headers, std::string_view body, std::string_view end) {
  return fmt::format("HTTP/1.1 200 OK\r\n{}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}{}", headers,
                     body.size(), body, end);
}

enum class End { kCompletes, kRefused, kUnavailable, kDiskFull };
std::string_view name_of(End end) {
  constexpr std::string_view kNames[] = {"completes", "refused, 65", "unavailable, 69",
                                         "disk full, 74"};
  return kNames[static_cast<std::size_t>(end)];
}

/// One file on one server, for one fault and one seed.
struct World {
  explicit World(unsigned seed) : random(seed) {
    file = random_bytes(random, 20'000 + random() % 30'000);
    settings.retry.sleep = [this](std::chrono::milliseconds time) { slept += time; };
    settings.retry.now = [] { return std::chrono::system_clock::from_time_t(1767225600); };
    settings.http.slow_time = 5s;
    settings.most_bytes = 1'000'000;
    request.path = folder / "file.bin";
    request.hash = hash_of(file);
  }
  std::size_t some_bytes() { return 1 + random() % (file.size() - 1); }
  std::string other_file() {
    auto other = file;
    other[random() % other.size()] ^= 1;
    return other;
  }
  /// What download() came to.
  End fetch() {
    try {
      download(request, settings, kSilent);
      return End::kCompletes;
    } catch (const formats::UnavailableError& error) {
      words = error.what();
      return End::kUnavailable;
    } catch (const formats::InputError& error) {
      words = error.what();
      return End::kRefused;
    } catch (const formats::IoError& error) {
      words = error.what();
      return End::kDiskFull;
    }
  }

  std::mt19937 random;
  support::TemporaryFolder folder;
  std::string file;
  DownloadSettings settings;
  FileRequest request;
  std::chrono::milliseconds slept{0};
  std::string words;
};

/// Answers the `number`-th request, from 0.
using Misbehave = std::function<void(World&, const Request&, Connection&, int number)>;
struct Fault {
  std::string name;
  End end;
  Misbehave answer;
  std::function<void(World&)> prepare = [](World&) {};
  bool is_slow = false;  // run once, not with every seed
  bool uses_tls = false;
  std::string host = "127.0.0.1";
};

/// The first answer is `first`, those after it are right.
Misbehave at_first(std::function<std::string(World&, const Request&)> first) {
  return [first](World& world, const Request& request, Connection& connection, int number) {
    connection.send(number == 0 ? first(world, request) : right_answer(request, world.file));
  };
}
Misbehave always(std::function<std::string(World&, const Request&)> answer) {
  return [answer](World& world, const Request& request, Connection& connection, int) {
    connection.send(answer(world, request));
  };
}
Misbehave always(const std::string& answer) {
  return always([answer](World&, const Request&) { return answer; });
}

void without_hash(World& world) { world.request.hash = {}; }
void with_size(World& world) { world.request.bytes = world.file.size(); }

std::string redirect(const std::string& location) {
  return response("302 Found", "Location: " + location + "\r\n", "");
}

const std::string kOctets = "Content-Type: application/octet-stream\r\n";
const std::string kLoginPage = "<!DOCTYPE html><html>Log in</html>";

const std::vector<Fault>& faults() {
  static const std::vector<Fault> kFaults{
      {"nothing wrong", End::kCompletes,
       always([](World& w, const Request& r) { return right_answer(r, w.file); })},
      {"body cut three times", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer(r, w.file);
         c.send(number < 3 ? cut(answer, w.some_bytes() / 3) : answer);
       }},
      {"body cut three times, no hash", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer(r, w.file);
         c.send(number < 3 ? cut(answer, w.some_bytes() / 3) : answer);
       },
       without_hash},
      {"body cut at its first byte, always", End::kUnavailable,
       always([](World& w, const Request&) { return cut(right_answer({}, w.file), 0); })},
      {"reset in the body", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer(r, w.file);
         c.send(number < 2 ? cut(answer, w.some_bytes() / 2) : answer);
         if (number < 2) c.reset();
       }},
      {"reset before an answer", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (number == 0) return c.reset();
         c.send(right_answer(r, w.file));
       }},
      {"closed without an answer", End::kCompletes,
       at_first([](World&, const Request&) { return std::string(); })},
      {"pieces cut", End::kCompletes, at_first([](World& w, const Request&) {
         const auto whole = in_pieces("", w.file, "\r\n0\r\n\r\n");
         return whole.substr(0, whole.size() - w.some_bytes());
       })},
      {"pieces cut before the last, no hash", End::kCompletes,
       at_first([](World& w, const Request&) { return in_pieces("", w.file, "\r\n"); }),
       without_hash},
      {"piece of a bad size", End::kCompletes,
       at_first([](World& w, const Request&) { return in_pieces("", w.file, "\r\nzz\r\n"); })},
      {"no length, whole", End::kCompletes,
       always([](World& w, const Request&) { return "HTTP/1.0 200 OK\r\n\r\n" + w.file; })},
      {"no length, cut", End::kCompletes, at_first([](World& w, const Request&) {
         return "HTTP/1.0 200 OK\r\n\r\n" + w.file.substr(0, w.some_bytes());
       })},
      {"no length, cut, size known", End::kCompletes, at_first([](World& w, const Request&) {
         return "HTTP/1.0 200 OK\r\n\r\n" + w.file.substr(0, w.some_bytes());
       }),
       with_size},
      {"no length, wrong file", End::kRefused, always([](World& w, const Request&) {
         return "HTTP/1.0 200 OK\r\n\r\n" + w.file + "more";
       })},
      {"no length, no hash", End::kRefused,
       always([](World& w, const Request&) { return "HTTP/1.0 200 OK\r\n\r\n" + w.file; }),
       without_hash},
      {"no length, no end", End::kRefused,
       [](World&, const Request&, Connection& c, int) {
         c.send("HTTP/1.0 200 OK\r\n\r\n");
         while (c.send(std::string(10'000, 'x'))) {
         }
       }},
      {"too short by its own length", End::kRefused, always([](World& w, const Request&) {
         return response("200 OK", "", std::string_view(w.file).substr(0, w.some_bytes()));
       })},
      {"other size than is known", End::kRefused,
       always([](World& w, const Request&) { return response("200 OK", "", w.file + "x"); }),
       with_size},
      {"promises more than it has", End::kUnavailable, always([](World& w, const Request&) {
         return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", w.file.size() + 9,
                            w.file);
       })},
      {"sends more than it promises", End::kCompletes, always([](World& w, const Request&) {
         return response("200 OK", "", w.file) + "HTTP/1.1 200 OK\r\n\r\nmore";
       })},
      {"pieces beyond the known size", End::kRefused, always([](World& w, const Request&) {
         return in_pieces("", w.file + std::string(9, 'x'), "\r\n0\r\n\r\n");
       }),
       with_size},
      {"length of an exabyte", End::kRefused,
       always("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\nx")},
      {"length beyond 64 bits", End::kRefused,
       always("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx")},
      {"length below zero", End::kUnavailable,
       always("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx")},
      {"more than the disk has free", End::kDiskFull,
       always("HTTP/1.1 200 OK\r\nContent-Length: 900000000000000000\r\n\r\nx"),
       [](World& w) { w.settings.most_bytes = ~std::uint64_t{0}; }},
      {"429, Retry-After in seconds", End::kCompletes, at_first([](World&, const Request&) {
         return response("429 Too Many Requests", "Retry-After: 77\r\n", "slower");
       })},
      {"503, Retry-After as a date", End::kCompletes, at_first([](World&, const Request&) {
         return response("503 Busy", "Retry-After: Thu, 01 Jan 2026 00:01:17 GMT\r\n", "later");
       })},
      {"429, RateLimit", End::kCompletes, at_first([](World&, const Request&) {
         return response("429 Slow", "RateLimit: \"resolvers\";r=0;t=77\r\n", "");
       })},
      {"429, Retry-After of a week", End::kUnavailable,
       always(response("429 Slow", "Retry-After: 604800\r\n", ""))},
      {"500 twice", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         c.send(number < 2 ? response("500 Oh", "", "sorry") : right_answer(r, w.file));
       }},
      {"502 always", End::kUnavailable, always(response("502 Bad Gateway", "", kLoginPage))},
      {"404", End::kRefused, always(response("404 Not Found", "", "none"))},
      {"403", End::kRefused, always(response("403 Forbidden", "", "no"))},
      {"401", End::kRefused, always(response("401 Unauthorized", "", "who"))},
      {"204 without a body", End::kRefused, always("HTTP/1.1 204 No Content\r\n\r\n")},
      {"304 though unasked", End::kRefused, always("HTTP/1.1 304 Not Modified\r\n\r\n")},
      {"signed address has expired", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (r.path == "/file") return void(c.send(redirect("//localhost:" + w.words + "/signed")));
         c.send(number < 2 ? response("403 Forbidden", "", "expired") : right_answer(r, w.file));
       }},
      {"redirects in a circle", End::kUnavailable, always(redirect("/file"))},
      {"redirects to nowhere", End::kRefused, always(response("302 Found", "", ""))},
      {"redirects to file:", End::kRefused, always(redirect("file:///etc/passwd"))},
      {"redirects to ftp:", End::kRefused, always(redirect("ftp://127.0.0.1/file"))},
      {"redirects to a name and password", End::kRefused, always(redirect("//me:word@127.0.0.1/"))},
      {"redirects from https to http", End::kRefused, always(redirect("http://127.0.0.1:1/file")),
       [](World&) {}, false, true},
      {"file has changed since the cut, tag known", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (number == 0) {
           c.send(cut(right_answer(r, w.other_file(), "\"old\""), w.some_bytes()));
         } else {
           c.send(right_answer(r, w.file, "\"new\""));
         }
       },
       without_hash},
      {"file has changed, If-Range ignored, tag tells", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         auto request = r;
         std::erase_if(request.headers, [](auto& h) { return h.starts_with("if-range"); });
         if (number == 0) {
           c.send(cut(right_answer(r, w.other_file(), "\"old\""), w.some_bytes()));
         } else {
           c.send(right_answer(request, w.file, "\"new\""));
         }
       },
       without_hash},
      {"file has changed, nothing tells but the hash", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto other = std::string(w.file.size(), 'o');
         c.send(number == 0 ? cut(right_answer(r, other, "W/\"x\""), w.some_bytes())
                            : right_answer(r, w.file, "W/\"x\""));
       }},
      {"Range ignored", End::kCompletes,
       [](World& w, const Request&, Connection& c, int number) {
         const auto answer = response("200 OK", "ETag: \"v1\"\r\n", w.file);
         c.send(number < 2 ? cut(answer, w.some_bytes()) : answer);
       }},
      {"other range than asked for", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (!r.range_begin()) {
           const auto answer = right_answer(r, w.file);
           return void(c.send(number == 0 ? cut(answer, w.file.size() / 2) : answer));
         }
         c.send(response(
             "206 Partial Content",
             fmt::format("Content-Range: bytes 0-{}/{}\r\n", w.file.size() - 1, w.file.size()),
             w.file));
       }},
      {"other range than asked for, no hash", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer({}, w.file);
         if (number == 0) return void(c.send(cut(answer, w.file.size() / 2)));
         if (!r.range_begin()) return void(c.send(answer));
         const auto begin = *r.range_begin() - 1;  // one byte too early, and ends as much too early
         c.send(response("206 Partial Content",
                         fmt::format("ETag: \"v1\"\r\nContent-Range: bytes {}-{}/{}\r\n", begin,
                                     w.file.size() - 2, w.file.size()),
                         w.file.substr(begin, w.file.size() - 1 - begin)));
       },
       without_hash},
      {"206 that does not say its range", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer({}, w.file);
         if (number == 0) return void(c.send(cut(answer, w.file.size() / 2)));
         c.send(r.range_begin() ? response("206 Partial Content", "", "abc") : answer);
       }},
      {"206 in several parts", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (number == 0) return void(c.send(cut(right_answer(r, w.file), w.file.size() / 2)));
         c.send(number == 1 ? response("206 Partial Content",
                                       "Content-Type: multipart/byteranges; boundary=x\r\n", "--x")
                            : right_answer(r, w.file));
       }},
      {"206 though the whole was asked for", End::kUnavailable,
       always([](World& w, const Request&) {
         return response("206 Partial Content", "Content-Range: bytes 0-8/9\r\n",
                         w.file.substr(0, 9));
       })},
      {"416 for the rest", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer({}, w.file);
         if (number == 0) return void(c.send(cut(answer, w.some_bytes())));
         c.send(r.range_begin() ? response("416 No", "", "") : answer);
       }},
      {"416 always", End::kUnavailable, always(response("416 No", "", ""))},
      {"one bit is wrong", End::kRefused,
       always([](World& w, const Request& r) { return right_answer(r, w.other_file()); })},
      {"one bit is wrong before a cut", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto at = w.file.size() / 2;
         auto other = w.file;
         other[at / 2] ^= 4;
         c.send(number == 0 ? cut(right_answer(r, other), at) : right_answer(r, w.file));
       }},
      {"packed by gzip, unasked", End::kRefused, always([](World& w, const Request&) {
         return response("200 OK", "Content-Encoding: gzip\r\n", w.file);
       })},
      {"a page to log in", End::kRefused,
       always(response("200 OK", "Content-Type: text/html; charset=utf-8\r\n", kLoginPage))},
      {"a page to log in, no hash", End::kRefused,
       always(response("200 OK", "Content-Type: text/html\r\n", kLoginPage)), without_hash},
      {"a page to log in, disguised", End::kRefused,
       always(response("200 OK", kOctets, kLoginPage))},
      {"hub has another file than is pinned", End::kRefused, always([](World& w, const Request& r) {
         return r.path == "/file"
                    ? response("302 Found",
                               fmt::format("Location: /cdn\r\nX-Linked-Etag: \"{}\"\r\n",
                                           hash_of("other").hex),
                               "")
                    : right_answer(r, w.file);
       }),
       [](World& w) { w.settings.hub_origin = "of the server"; }},
      {"hub's hash is not that of the body", End::kRefused, always([](World& w, const Request& r) {
         return r.path == "/file"
                    ? response("302 Found",
                               fmt::format("Location: /cdn\r\nX-Linked-Etag: \"{}\"\r\n",
                                           hash_of(w.file).hex),
                               "")
                    : right_answer(r, w.other_file());
       }),
       [](World& w) {
         without_hash(w);
         w.settings.hub_origin = "of the server";
       }},
      {"not HTTP at all", End::kUnavailable, always("220 mail.example.org ESMTP\r\n")},
      {"HTTP/0.9", End::kUnavailable, always([](World& w, const Request&) { return w.file; })},
      {"headers without end", End::kRefused,
       [](World&, const Request&, Connection& c, int) {
         c.send("HTTP/1.1 200 OK\r\n");
         while (c.send("X: " + std::string(1000, 'x') + "\r\n")) {
         }
       }},
      {"TLS cut without its farewell", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         const auto answer = right_answer(r, w.file);
         c.send(number < 2 ? cut(answer, w.some_bytes() / 2) : answer);
         if (number < 2) c.reset();
       },
       [](World&) {}, false, true},
      {"TLS without length, cut", End::kCompletes,
       [](World& w, const Request& r, Connection& c, int number) {
         if (number > 0) return void(c.send(right_answer(r, w.file)));
         c.send("HTTP/1.0 200 OK\r\n\r\n" + w.file.substr(0, w.some_bytes()));
         c.reset();
       },
       [](World&) {}, false, true},
      {"a byte now and then", End::kUnavailable,
       [](World& w, const Request&, Connection& c, int) {
         const auto answer = right_answer({}, w.file);
         for (std::size_t i = 0; i < answer.size() && c.send(answer.substr(i, 1)); ++i) {
           std::this_thread::sleep_for(20ms);
         }
       },
       [](World& w) {
         w.settings.http.slow_time = 1s;
         w.settings.retry.tries = 1;
       },
       true},
      {"an answer that never comes", End::kUnavailable,
       [](World&, const Request&, Connection& c, int) {
         while (c.is_open()) std::this_thread::sleep_for(10ms);
       },
       [](World& w) {
         w.settings.http.slow_time = 1s;
         w.settings.retry.tries = 1;
       },
       true},
  };
  return kFaults;
}

/// One row of the table: what happened with one fault and one seed.
struct Outcome {
  std::vector<std::string> problems;
  End end = End::kCompletes;
  std::size_t requests = 0;
  std::chrono::milliseconds slept{0};
  std::string words;
};

Outcome run(const Fault& fault, unsigned seed) {
  Outcome outcome;
  World world(seed);
  fault.prepare(world);
  std::optional<Certificates> certificates;
  if (fault.uses_tls) certificates.emplace(world.folder.path(), "DNS:localhost,IP:127.0.0.1");
  std::atomic<bool> is_broken = true;
  std::atomic<int> number = 0;
  const FaultServer server(
      [&](const Request& request, Connection& connection) {
        if (is_broken) return fault.answer(world, request, connection, number++);
        connection.send(right_answer(request, world.file));
      },
      certificates ? &*certificates : nullptr);
  if (certificates) world.settings.http.ca_file = certificates->authority_file();
  world.request.url = parse_url(server.url("/file"));
  if (!world.settings.hub_origin.empty()) world.settings.hub_origin = world.request.url.origin;
  world.words = server.url("").substr(server.url("").rfind(':') + 1);

  outcome.end = world.fetch();
  outcome.requests = server.requests().size();
  outcome.slept = world.slept;
  outcome.words = world.words;
  const auto check = [&](bool holds, const std::string& sentence) {
    if (!holds) outcome.problems.push_back(sentence);
  };
  check(outcome.end == fault.end, fmt::format("{}: {}", name_of(outcome.end), world.words));
  check(fs::exists(world.request.path) == (outcome.end == End::kCompletes),
        "a file is there after a failure, or none after success");
  if (outcome.end == End::kCompletes) {
    check(read_file(world.request.path) == world.file, "a wrong file was accepted");
    check(!fs::exists(world.folder / "file.bin.part"), "the partial file is left");
  } else {
    is_broken = false;
    world.settings.most_bytes = 1'000'000;
    check(world.fetch() == End::kCompletes, "it was not completed later: " + world.words);
    check(read_file(world.request.path) == world.file, "a wrong file was accepted later");
  }
  return outcome;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(download_faults)

BOOST_AUTO_TEST_CASE(no_wrong_file_is_accepted_and_every_one_is_completed) {
  constexpr unsigned kSeeds = 6;
  struct Task {
    const Fault* fault;
    unsigned seed;
    Outcome outcome;
  };
  std::vector<Task> tasks;
  for (const auto& fault : faults()) {
    for (unsigned seed = 0; seed < (fault.is_slow ? 1 : kSeeds); ++seed) {
      tasks.push_back({.fault = &fault, .seed = seed, .outcome = {}});
    }
  }
  std::stable_partition(tasks.begin(), tasks.end(),
                        [](const Task& task) { return task.fault->is_slow; });
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (std::size_t task; (task = next++) < tasks.size();) {
        tasks[task].outcome = run(*tasks[task].fault, tasks[task].seed);
      }
    });
  }
  for (auto& thread : threads) thread.join();

  std::size_t wrong_count = 0;
  for (const auto& [fault, seed, outcome] : tasks) {
    for (const auto& problem : outcome.problems) {
      BOOST_ERROR(fault->name << ", seed " << seed << ": " << problem);
      ++wrong_count;
    }
    if (seed > 0) continue;
    fmt::print("{:<45} {:<16} {:>2} requests {:>6.1f} s waited\n", fault->name,
               name_of(outcome.end), outcome.requests,
               std::chrono::duration<double>(outcome.slept).count());
  }
  fmt::print("{} faults, {} downloads, {} wrong\n", faults().size(), tasks.size(), wrong_count);
  BOOST_TEST(wrong_count == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// A server that does everything right, and what is asked of it.
struct RightServer : World {
  RightServer() : World(1) { request.url = parse_url(server.url("/file.bin")); }
  std::string part() const { return read_file(folder / "file.bin.part"); }
  void leave_part(std::string_view bytes) const {
    folder.write("file.bin.part", std::string(bytes));
  }
  FileResult get() { return download(request, settings, kSilent); }
  std::optional<std::uint64_t> range_asked_for() const {
    return server.requests().back().range_begin();
  }

  std::string headers;  // of the response before the last
  FaultServer server{[this](const Request& asked, Connection& connection) {
    if (!headers.empty() && asked.path != "/cdn") {
      connection.send(response("302 Found", headers + "Location: /cdn\r\n", ""));
    } else {
      connection.send(right_answer(asked, file));
    }
  }};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(download_state, RightServer)

BOOST_AUTO_TEST_CASE(file_that_is_there_and_right_is_not_fetched_again) {
  BOOST_TEST(!get().was_there);
  BOOST_TEST(server.requests().size() == 1U);
  const auto again = get();
  BOOST_TEST(again.was_there);
  BOOST_TEST(again.bytes == file.size());
  BOOST_TEST(server.requests().size() == 1U);
}

BOOST_AUTO_TEST_CASE(file_that_is_there_and_differs_is_kept_unless_it_is_to_be_replaced) {
  folder.write("file.bin", "mine");
  BOOST_CHECK_THROW(get(), formats::ExistsError);
  BOOST_TEST(read_file(request.path) == "mine");
  request.hash = {};
  BOOST_CHECK_THROW(get(), formats::ExistsError);
  BOOST_TEST(server.requests().empty());
  request.replace = true;
  BOOST_TEST(!get().was_there);
  BOOST_TEST((read_file(request.path) == file));
}

BOOST_AUTO_TEST_CASE(file_without_a_hash_is_known_by_the_recorded_one_the_next_time) {
  request.hash = {};
  const auto result = get();
  BOOST_TEST(!result.checked.is_known());
  BOOST_TEST(result.sha256 == hash_of(file).hex);
  BOOST_TEST((load_recorded_hash(request.path) == hash_of(file)));
  BOOST_TEST(get().was_there);
  BOOST_TEST(server.requests().size() == 1U);
  folder.write("file.bin", "damaged");
  BOOST_CHECK_THROW(get(), formats::ExistsError);
}

BOOST_AUTO_TEST_CASE(hash_of_the_hub_is_taken_where_none_is_known_and_from_the_hub_alone) {
  request.hash = {};
  headers = "X-Linked-Etag: \"" + hash_of(file).hex + "\"\r\n";
  BOOST_TEST(!get().checked.is_known());  // the server is not the hub
  fs::remove(request.path);
  settings.hub_origin = request.url.origin;
  BOOST_TEST((get().checked == hash_of(file)));
  BOOST_TEST((load_recorded_hash(request.path) == hash_of(file)));
}

BOOST_AUTO_TEST_CASE(small_files_of_the_hub_are_known_by_their_name_in_git) {
  request.hash = {};
  settings.hub_origin = request.url.origin;
  const auto blob = fmt::format("blob {}", file.size()) + '\0' + file;
  const auto name = formats::Digest(formats::Digest::Kind::kSha1).update(blob).hex();
  headers = "ETag: W/\"" + name + "\"\r\n";
  BOOST_TEST((get().checked == content_hash_from_hex(name)));
  fs::remove(request.path);
  file.back() ^= 1;
  BOOST_CHECK_THROW(get(), formats::InputError);
}

BOOST_AUTO_TEST_CASE(partial_file_of_a_former_run_is_gone_on_from) {
  leave_part(file.substr(0, 1000));
  BOOST_TEST(!get().was_there);
  BOOST_TEST(range_asked_for().value() == 1000U);
  BOOST_TEST((read_file(request.path) == file));
}

BOOST_AUTO_TEST_CASE(partial_file_that_is_whole_needs_no_request) {
  request.bytes = file.size();
  leave_part(file);
  get();
  BOOST_TEST(server.requests().empty());
  BOOST_TEST((read_file(request.path) == file));
}

BOOST_AUTO_TEST_CASE(partial_file_with_other_bytes_is_found_out_and_fetched_again) {
  for (const auto& rubbish :
       {std::string(1000, 'x'), std::string(file.size(), 'x'), std::string(2 * file.size(), 'x')}) {
    leave_part(rubbish);
    BOOST_TEST(!get().was_there);
    BOOST_TEST((read_file(request.path) == file));
    fs::remove(request.path);
  }
}

BOOST_AUTO_TEST_CASE(partial_file_is_not_trusted_without_a_hash) {
  request.hash = {};
  leave_part(std::string(1000, 'x'));
  get();
  BOOST_TEST((read_file(request.path) == file));
  fs::remove(request.path);
  // Where the hub gives a hash, it is.
  settings.hub_origin = request.url.origin;
  headers = "X-Linked-Etag: " + hash_of(file).hex + "\r\n";
  leave_part(file.substr(0, 1000));
  get();
  BOOST_TEST(range_asked_for().value() == 1000U);
  BOOST_TEST((read_file(request.path) == file));
}

BOOST_AUTO_TEST_CASE(rest_is_asked_for_only_if_the_file_has_not_changed) {
  const FaultServer cutting([this](const Request& asked, Connection& connection) {
    const auto answer = right_answer(asked, file);
    connection.send(asked.range_begin() ? answer : cut(answer, 1000));
  });
  request.url = parse_url(cutting.url("/file.bin"));
  get();
  BOOST_TEST(cutting.requests().size() == 2U);
  BOOST_TEST(cutting.requests().back().header("range") == "bytes=1000-");
  BOOST_TEST(cutting.requests().back().header("if-range") == "\"v1\"");
}

BOOST_AUTO_TEST_CASE(full_disk_keeps_what_was_written_and_says_so) {
  formats::set_fault_hook([&](std::string_view call, const fs::path& path) {
    const bool is_full = call == "write" && fs::exists(path) && fs::file_size(path) > 0;
    return is_full ? ENOSPC : 0;
  });
  leave_part(file.substr(0, 1000));
  BOOST_TEST((fetch() == End::kDiskFull));
  formats::set_fault_hook({});
  BOOST_TEST(words.find("No space left on device") != std::string::npos, words);
  BOOST_TEST(words.find("file.bin.part keeps 1000 bytes") != std::string::npos, words);
  BOOST_TEST(part() == file.substr(0, 1000));
  BOOST_TEST((fetch() == End::kCompletes));
  BOOST_TEST((read_file(request.path) == file));
}

BOOST_AUTO_TEST_CASE(connection_that_is_refused_is_tried_again_and_the_partial_file_kept) {
  leave_part(file.substr(0, 1000));
  {
    const FaultServer gone([](const Request&, Connection&) {});
    request.url = parse_url(gone.url("/file.bin"));
  }
  settings.retry.tries = 4;
  BOOST_TEST((fetch() == End::kUnavailable));
  BOOST_TEST(words.find("4 tries in a row failed") != std::string::npos, words);
  BOOST_TEST(words.find("keeps 1000 bytes") != std::string::npos, words);
  BOOST_TEST((slept >= 3500ms && slept <= 7000ms));
}

BOOST_AUTO_TEST_CASE(progress_of_a_mebibyte_makes_earlier_failures_forgotten) {
  file = random_bytes(random, 6 << 20);
  request.hash = hash_of(file);
  const FaultServer cutting([this](const Request& asked, Connection& connection) {
    connection.send(cut(right_answer(asked, file), (1 << 20) + 1));
  });
  request.url = parse_url(cutting.url("/file.bin"));
  settings.retry.tries = 2;
  settings.most_bytes = 10 << 20;
  BOOST_TEST((fetch() == End::kCompletes), words);
}

BOOST_AUTO_TEST_CASE(second_fetch_of_the_same_file_is_refused_while_the_first_one_runs) {
  const formats::PartialFile first(request.path);
  BOOST_CHECK_THROW(get(), formats::ExistsError);
}

BOOST_AUTO_TEST_CASE(error_that_leaves_nothing_says_nothing_of_a_partial_file) {
  request.url = parse_url(server.url("/file.bin"));
  request.hash = hash_of("other");
  BOOST_TEST((fetch() == End::kRefused));
  BOOST_TEST(words.find(".part") == std::string::npos, words);
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::fetch
