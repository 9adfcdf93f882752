// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// serve_faults FOLDER [CERTIFICATES]: a web server for the cases of tests/cli. Prints its address,
// then serves the files of FOLDER until its standard input ends. With CERTIFICATES, a folder, it
// speaks TLS and leaves there authority.pem. A path may begin with what is to go wrong: /cut/ half
// of what was asked for, /slow/ a little at a time, /wrong/ one bit changed, /hub/ as the hub does,
// with the hash in a redirect. requests.log in the current folder has a line for each request:
// path, range, token.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "formats/digest.h"
#include "tests/libcore/fetch/fault_server.h"

namespace gpt2::fetch {
namespace {

/// Takes `prefix` off; false: `path` does not begin with it.
bool take_prefix(std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.erase(0, prefix.size() - 1);
  return true;
}

class Folder {
 public:
  explicit Folder(std::string folder) : folder_(std::move(folder)), log_("requests.log") {}

  void answer(const Request& request, Connection& connection) {
    {
      const std::lock_guard lock(mutex_);
      log_ << fmt::format("{} {} {}\n", request.path, request.header("range"),
                          request.header("authorization"))
           << std::flush;
    }
    std::string path = request.path;
    const bool is_cut = take_prefix(path, "/cut/"), is_slow = take_prefix(path, "/slow/"),
               is_wrong = take_prefix(path, "/wrong/"), is_hub = take_prefix(path, "/hub/");
    std::ifstream file(folder_ + path, std::ios::binary);
    if (!file || std::filesystem::is_directory(folder_ + path)) {
      connection.send(response("404 Not Found", "", "none"));
      return;
    }
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (is_hub) {
      const auto hash = formats::Digest().update(bytes).hex();
      connection.send(response(
          "302 Found", fmt::format("X-Linked-Etag: \"{}\"\r\nLocation: {}\r\n", hash, path), ""));
      return;
    }
    if (is_wrong) bytes[bytes.size() / 2] ^= 1;
    const auto whole = right_answer(request, bytes);
    if (is_slow) {
      constexpr std::size_t kPieceBytes = 20'000;
      for (std::size_t at = 0; at < whole.size(); at += kPieceBytes) {
        if (!connection.send(std::string_view(whole).substr(at, kPieceBytes))) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      return;
    }
    connection.send(std::string_view(whole).substr(0, is_cut ? whole.size() / 2 : whole.size()));
  }

 private:
  std::string folder_;
  std::mutex mutex_;
  std::ofstream log_;
};

}  // namespace
}  // namespace gpt2::fetch

int main(int argc, char** argv) {
  using namespace gpt2::fetch;
  if (argc < 2) {
    fmt::print(stderr, "Usage: serve_faults FOLDER [CERTIFICATES]\n");
    return 64;
  }
  std::optional<Certificates> certificates;
  if (argc > 2) certificates.emplace(argv[2], "IP:127.0.0.1");
  Folder folder(argv[1]);
  const FaultServer server(
      [&folder](const Request& request, Connection& connection) {
        folder.answer(request, connection);
      },
      certificates ? &*certificates : nullptr);
  fmt::print("{}\n", server.url(""));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
