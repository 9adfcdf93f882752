// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/libcore/fetch/fault_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace gpt2::fetch {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}
template <typename Type>
Type* checked(Type* pointer) {
  if (pointer == nullptr) throw std::runtime_error("OpenSSL refused to make a certificate");
  return pointer;
}

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

Key make_key() { return {checked(EVP_EC_gen("P-256")), EVP_PKEY_free}; }

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = checked(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer_key`; `issuer` empty: by itself, an authority.
Certificate make_certificate(const std::string& common_name, const Key& key, const Key& issuer_key,
                             X509* issuer, const std::string& names) {
  static std::atomic<long> serial = 1;
  Certificate certificate(checked(X509_new()), X509_free);
  X509* x509 = certificate.get();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(x509, X509_get_subject_name(issuer != nullptr ? issuer : x509));
  X509_set_pubkey(x509, key.get());
  if (issuer == nullptr) {
    add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x509, x509, NID_key_usage, "critical,keyCertSign");
  } else {
    add_extension(x509, issuer, NID_subject_alt_name, names);
  }
  if (X509_sign(x509, issuer_key.get(), EVP_sha256()) == 0) checked<X509>(nullptr);
  return certificate;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

/// Up to the blank line, after which nothing comes; empty when the client has gone.
std::string read_head(int descriptor, ssl_st* tls) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char bytes[4096];
    const auto got = tls != nullptr ? SSL_read(tls, bytes, sizeof bytes)
                                    : ::recv(descriptor, bytes, sizeof bytes, 0);
    if (got <= 0) return {};
    head.append(bytes, static_cast<std::size_t>(got));
  }
  return head;
}

Request parse_request(const std::string& head) {
  Request request;
  const auto path_begin = head.find(' ') + 1;
  request.path = head.substr(path_begin, head.find(' ', path_begin) - path_begin);
  for (auto begin = head.find("\r\n") + 2; begin + 2 < head.size();) {
    const auto end = head.find("\r\n", begin);
    const auto line = head.substr(begin, end - begin);
    const auto colon = line.find(':');
    request.headers.push_back(lower(line.substr(0, colon)) + line.substr(colon));
    begin = end + 2;
  }
  return request;
}

}  // namespace

std::string Request::header(std::string_view name) const {
  const auto start = std::string(name) + ": ";
  for (const auto& line : headers) {
    if (line.starts_with(start)) return line.substr(start.size());
  }
  return {};
}

std::optional<std::uint64_t> Request::range_begin() const {
  const auto range = header("range");
  if (!range.starts_with("bytes=")) return {};
  return std::stoull(range.substr(6));
}

bool Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = tls_ != nullptr
                          ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                          : ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void Connection::reset() {
  is_cut_ = true;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool Connection::is_open() const {
  char byte = 0;
  return ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

Certificates::Certificates(const std::string& folder, const std::string& names)
    : authority_file_(folder + "/authority.pem") {
  const Key authority_key = make_key(), key = make_key();
  const auto authority =
      make_certificate("gpt2-tools test authority", authority_key, authority_key, nullptr, "");
  const auto certificate =
      make_certificate("gpt2-tools test server", key, authority_key, authority.get(), names);
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(
      checked(BIO_new_file(authority_file_.c_str(), "w")), BIO_free);
  PEM_write_bio_X509(file.get(), authority.get());
  context_ = {checked(SSL_CTX_new(TLS_server_method())), SSL_CTX_free};
  SSL_CTX_use_certificate(context_.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context_.get(), key.get());
}

FaultServer::FaultServer(Handler handler, const Certificates* certificates)
    : handler_(std::move(handler)),
      tls_(certificates != nullptr ? certificates->context() : nullptr),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to clients that have gone
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const general = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, general, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, general, &size) != 0) {
    throw_errno("listening on the loopback interface");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { accept_all(); });
}

FaultServer::~FaultServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& session : sessions_) {  // a handler that still sends stops
      if (session.descriptor >= 0) ::shutdown(session.descriptor, SHUT_RDWR);
    }
  }
  for (auto& session : sessions_) session.thread.join();
}

void FaultServer::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    const std::lock_guard lock(mutex_);
    auto& session = sessions_.emplace_back();
    session.descriptor = descriptor;
    session.thread = std::thread([this, &session, descriptor] {
      answer(descriptor);
      const std::lock_guard closing(mutex_);
      ::close(std::exchange(session.descriptor, -1));
    });
  }
}

void FaultServer::answer(int descriptor) {
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(tls_ != nullptr ? SSL_new(tls_) : nullptr,
                                                      SSL_free);
  if (tls != nullptr) {
    SSL_set_fd(tls.get(), descriptor);
    if (SSL_accept(tls.get()) != 1) return;
  }
  const auto head = read_head(descriptor, tls.get());
  if (head.empty()) return;
  const auto request = parse_request(head);
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  Connection connection(descriptor, tls.get());
  handler_(request, connection);
  if (tls != nullptr && !connection.is_cut()) SSL_shutdown(tls.get());
}

std::string FaultServer::url(std::string_view path, std::string_view host) const {
  return fmt::format("{}://{}:{}{}", tls_ != nullptr ? "https" : "http", host, port_, path);
}

std::vector<Request> FaultServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string response(std::string_view status, std::string_view headers, std::string_view body) {
  return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                     headers, body.size(), body);
}

std::string right_answer(const Request& request, std::string_view file, const std::string& tag) {
  const auto begin = request.range_begin();
  const auto condition = request.header("if-range");
  if (!begin || (!condition.empty() && condition != tag)) {
    return response("200 OK", "ETag: " + tag + "\r\n", file);
  }
  if (*begin >= file.size()) {
    return response("416 Range Not Satisfiable",
                    fmt::format("Content-Range: bytes */{}\r\n", file.size()), "");
  }
  return response("206 Partial Content",
                  fmt::format("ETag: {}\r\nContent-Range: bytes {}-{}/{}\r\n", tag, *begin,
                              file.size() - 1, file.size()),
                  file.substr(*begin));
}

}  // namespace gpt2::fetch
