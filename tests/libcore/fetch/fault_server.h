// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A web server on the loopback interface that answers exactly as a test says, right or wrong, with
// or without TLS.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace gpt2::fetch {

struct Request {
  std::string path;                  // "/file?query"
  std::vector<std::string> headers;  // "name: value", names in lower case
  /// The value; empty if there is none.
  std::string header(std::string_view name) const;
  /// First byte of a Range "bytes=N-"; nothing without one.
  std::optional<std::uint64_t> range_begin() const;
};

/// One connection, after its request has been read. Closed in good order when the handler returns.
class Connection {
 public:
  Connection(int descriptor, ssl_st* tls) : descriptor_(descriptor), tls_(tls) {}
  /// False: the client has gone.
  bool send(std::string_view bytes);
  /// Cuts the connection so that the client sees a reset.
  void reset();
  bool is_cut() const { return is_cut_; }
  /// False: the client has closed its end.
  bool is_open() const;

 private:
  int descriptor_;
  ssl_st* tls_;
  bool is_cut_ = false;
};

/// A private authority and a certificate of its own making, in memory and in files.
class Certificates {
 public:
  /// `names`: what the server's certificate is for, "DNS:localhost,IP:127.0.0.1".
  Certificates(const std::string& folder, const std::string& names);
  const std::string& authority_file() const { return authority_file_; }  // for --ca-file
  ssl_ctx_st* context() const { return context_.get(); }

 private:
  std::string authority_file_;
  std::shared_ptr<ssl_ctx_st> context_;
};

class FaultServer {
 public:
  using Handler = std::function<void(const Request&, Connection&)>;
  /// Listens from here on, on a port of its own; `certificates`: speaks TLS.
  explicit FaultServer(Handler handler, const Certificates* certificates = nullptr);
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;
  ~FaultServer();

  /// "http://127.0.0.1:PORT" and `path`; `host` may be another name of the same machine.
  std::string url(std::string_view path, std::string_view host = "127.0.0.1") const;
  /// What was asked for, in order.
  std::vector<Request> requests() const;

 private:
  struct Session {
    int descriptor;  // -1: closed
    std::thread thread;
  };
  void accept_all();
  void answer(int descriptor);
  Handler handler_;
  ssl_ctx_st* tls_;
  int listener_, port_ = 0;
  mutable std::mutex mutex_;  // of what follows
  std::vector<Request> requests_;
  std::list<Session> sessions_;
  std::thread thread_;
};

/// A response with these header lines, and Content-Length if the body has its right one.
std::string response(std::string_view status, std::string_view headers, std::string_view body);
/// The answer of a server that does everything right: Range, If-Range, ETag.
std::string right_answer(const Request& request, std::string_view file,
                         const std::string& tag = "\"v1\"");

}  // namespace gpt2::fetch
