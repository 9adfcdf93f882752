// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/gpt2-plot/live_page.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "formats/errors.h"
#include "formats/file_descriptor.h"
#include "tools/cli/tool.h"

namespace gpt2::tools {
namespace {

using formats::FileDescriptor;

constexpr int kReloadSeconds = 5;

FileDescriptor listen_on(std::uint32_t port) {
  FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);  // nobody else's browser
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (listener.number() < 0 || bind(listener.number(), generic, sizeof address) != 0 ||
      listen(listener.number(), 8) != 0) {
    throw formats::UnavailableError(
        fmt::format("port {}: {}; name another with --port", port, std::strerror(errno)));
  }
  return listener;
}

std::uint32_t port_of(const FileDescriptor& listener) {
  sockaddr_in address{};
  socklen_t bytes = sizeof address;
  getsockname(listener.number(), reinterpret_cast<sockaddr*>(&address), &bytes);
  return ntohs(address.sin_port);
}

/// The first line of a request, without its end; empty if none came in time.
std::string request_line(int connection) {
  constexpr std::size_t kMostBytes = 8192;
  std::string request;
  std::array<char, 1024> piece{};
  while (request.find("\r\n\r\n") == std::string::npos) {
    const auto count = recv(connection, piece.data(), piece.size(), 0);
    if (count <= 0 || request.size() > kMostBytes) return {};
    request.append(piece.data(), static_cast<std::size_t>(count));
  }
  return request.substr(0, request.find("\r\n"));
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the reader has left
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string response(std::string_view status, std::string_view type, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}; charset=utf-8\r\nContent-Length: {}\r\n"
      "Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
      status, type, body.size(), body);
}

std::string answer(const std::string& request, const MakePage& make_page) {
  if (!request.starts_with("GET / "))
    return response("404 Not Found", "text/plain", "only / is here\n");
  try {
    return response("200 OK", "text/html", make_page(kReloadSeconds));
  } catch (const formats::Error& error) {  // the run may not have begun
    return response("503 Service Unavailable\r\nRefresh: 5", "text/plain",
                    fmt::format("{}\n", error.what()));
  }
}

}  // namespace

void serve_page(std::uint32_t port, const MakePage& make_page) {
  const auto listener = listen_on(port);
  cli::notice(fmt::format("http://localhost:{} shows the runs as they go on; Ctrl-C ends it",
                          port_of(listener)));
  for (;;) {
    const FileDescriptor connection(accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.number() < 0) continue;
    const timeval patience{.tv_sec = 2, .tv_usec = 0};  // for one that says nothing
    setsockopt(connection.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto request = request_line(connection.number());
    if (!request.empty()) send_all(connection.number(), answer(request, make_page));
  }
}

}  // namespace gpt2::tools
