#include "scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/thread.h"

namespace tcsync {
namespace {

constexpr int kTimeoutMs = 30'000;

void Require(bool holds, const char* action) {
  if (holds) return;
  std::cerr << "the test's server cannot " << action << "\n";
  std::abort();
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Bound to a free port; returns it.
uint16_t Bind(int socket) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  Require(bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  Require(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "learn its port");
  return ntohs(address.sin_port);
}

bool WaitReadable(int socket) {
  pollfd entry{socket, POLLIN, 0};
  return poll(&entry, 1, kTimeoutMs) == 1;
}

bool SendAll(int socket, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket, bytes.data(), bytes.size(), 0);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

Peer::Peer(int socket, SSL_CTX* tls) : socket_(socket) {
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls));
  SSL_set_fd(ssl_.get(), socket_);
  is_connected_ = SSL_accept(ssl_.get()) == 1;
}

Peer::~Peer() {
  if (ssl_ != nullptr && is_connected_) SSL_shutdown(ssl_.get());
}

int Peer::Read(char* bytes, int size) {
  if (ssl_ != nullptr) {
    if (SSL_pending(ssl_.get()) == 0 && !WaitReadable(socket_)) return 0;
    return SSL_read(ssl_.get(), bytes, size);
  }
  if (!WaitReadable(socket_)) return 0;
  return static_cast<int>(recv(socket_, bytes, static_cast<size_t>(size), 0));
}

std::string Peer::ReadRequest() {
  size_t needed = std::string::npos;  // the request's size, once its head is known
  while (buffered_.size() < needed) {
    if (needed == std::string::npos) {
      const size_t head_end = buffered_.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        needed = head_end + 4;
        for (const absl::string_view line :
             absl::StrSplit(absl::string_view(buffered_).substr(0, head_end), "\r\n")) {
          const std::pair<absl::string_view, absl::string_view> field =
              absl::StrSplit(line, absl::MaxSplits(": ", 1));
          size_t length = 0;
          if (absl::AsciiStrToLower(field.first) == "content-length" &&
              absl::SimpleAtoi(field.second, &length)) {
            needed += length;
          }
        }
        continue;
      }
    }
    char bytes[16384];
    const int count = Read(bytes, sizeof(bytes));
    if (count <= 0) return "";
    buffered_.append(bytes, static_cast<size_t>(count));
  }
  std::string request = buffered_.substr(0, needed);
  buffered_.erase(0, needed);
  return request;
}

bool Peer::Write(absl::string_view bytes) {
  if (ssl_ == nullptr) return SendAll(socket_, bytes);
  return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
         static_cast<int>(bytes.size());
}

void Peer::WaitForClient() { WaitReadable(socket_); }

void Peer::Drip(absl::string_view bytes, int pause_ms) {
  for (const char byte : bytes) {
    pollfd entry{socket_, POLLIN, 0};
    if (!Write(absl::string_view(&byte, 1)) || poll(&entry, 1, pause_ms) != 0) return;
  }
}

void Peer::RelayTo(uint16_t port) {
  const int other = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(port);
  if (connect(other, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    bool is_open = true;
    while (is_open) {
      pollfd entries[] = {{socket_, POLLIN, 0}, {other, POLLIN, 0}};
      is_open = poll(entries, 2, kTimeoutMs) > 0;
      for (const int from : {0, 1}) {
        if (!is_open || entries[from].revents == 0) continue;
        char bytes[16384];
        const ssize_t count = recv(entries[from].fd, bytes, sizeof(bytes), 0);
        is_open = count > 0 && SendAll(entries[1 - from].fd,
                                       absl::string_view(bytes, static_cast<size_t>(count)));
      }
    }
  }
  close(other);
}

ScriptedServer::ScriptedServer(Script script, const TestCertificate* certificate)
    : script_(std::move(script)) {
  if (certificate != nullptr) tls_ = MakeServerContext(*certificate);
  listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
  port_ = Bind(listening_);
  Require(listen(listening_, 16) == 0, "listen");
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
    for (const int socket : open_sockets_) shutdown(socket, SHUT_RDWR);
  }
  // Wakes the acceptor everywhere, which shutting a listening socket down does not.
  const int wake_socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(port_);
  connect(wake_socket, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  acceptor_.join();
  close(wake_socket);
  close(listening_);
  for (std::thread& thread : threads_) thread.join();
}

void ScriptedServer::Accept() {
  while (true) {
    const int socket = accept(listening_, nullptr, nullptr);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (is_stopping_ || socket < 0) {
      if (socket >= 0) close(socket);
      return;
    }
    ++connections_;
    open_sockets_.insert(socket);
    // A thread that blocks SIGPIPE: the process must not ignore it, because the library must not
    // raise it.
    threads_.push_back(base::StartThread("scripted-peer", [this, socket] {
      {
        Peer peer(socket, tls_.get());
        if (peer.is_connected()) script_(peer);
      }
      const std::lock_guard<std::mutex> closing_lock(mutex_);
      open_sockets_.erase(socket);
      close(socket);
    }));
  }
}

std::string ScriptedServer::url() const {
  return absl::StrCat(tls_ == nullptr ? "http" : "https", "://127.0.0.1:", port_);
}

int ScriptedServer::connections() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return connections_;
}

ScriptedServer::Script Answering(std::function<std::string(const std::string& request)> answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (true) {
      const std::string request = peer.ReadRequest();
      if (request.empty() || !peer.Write(answer(request))) return;
    }
  };
}

std::string HttpAnswer(absl::string_view head, absl::string_view body) {
  return absl::StrCat("HTTP/1.1 ", head, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

uint16_t RefusingPort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const uint16_t port = Bind(socket);
  close(socket);
  return port;
}

}  // namespace tcsync
