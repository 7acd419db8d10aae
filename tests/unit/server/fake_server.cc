#include "tests/unit/server/fake_server.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace tcsync::server {
namespace {

constexpr char kPrefix[] = "/v1/admin/";
constexpr char kLength[] = "Content-Length: ";

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) std::abort();
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

}  // namespace

FakeServer::FakeServer(const std::string& data_dir, std::function<Reply(const Request&)> answer)
    : path_(data_dir + "/admin.sock"), answer_(std::move(answer)) {
  signal(SIGPIPE, SIG_IGN);
  const sockaddr_un address = AddressOf(path_);
  listening_ = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listening_, 16) != 0) {
    std::perror("cannot listen");
    std::abort();
  }
  thread_ = std::thread([this] { Run(); });
}

FakeServer::~FakeServer() {
  stops_ = true;
  const sockaddr_un address = AddressOf(path_);
  const int last = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(last, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    std::abort();
  }
  close(last);
  thread_.join();
  close(listening_);
  unlink(path_.c_str());
}

std::vector<FakeServer::Request> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeServer::Run() {
  while (!stops_) {
    const int connection = accept(listening_, nullptr, nullptr);
    if (connection < 0) continue;
    Serve(connection);
    close(connection);
  }
}

void FakeServer::Serve(int connection) {
  std::string received;
  for (;;) {
    const size_t head_end = received.find("\r\n\r\n");
    const size_t length_begin = received.find(kLength);
    const size_t length = length_begin < head_end
                              ? std::stoul(received.substr(length_begin + sizeof(kLength) - 1))
                              : 0;
    if (head_end == std::string::npos || received.size() < head_end + 4 + length) {
      char buffer[64 * 1024];
      const ssize_t count = read(connection, buffer, sizeof(buffer));
      if (count <= 0) return;
      received.append(buffer, static_cast<size_t>(count));
      continue;
    }
    Request request;
    std::istringstream(received) >> request.method >> request.target;
    request.target.erase(0, sizeof(kPrefix) - 1);
    request.body = received.substr(head_end + 4, length);
    received.erase(0, head_end + 4 + length);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const Reply reply = answer_(request);
    for (size_t sent = 0; sent < reply.bytes.size();) {
      const ssize_t count = write(connection, reply.bytes.data() + sent, reply.bytes.size() - sent);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
    }
    if (reply.then_closes) return;
  }
}

FakeServer::Reply HttpReply(int status, const std::string& body, const std::string& headers) {
  return {"HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Type: application/json\r\n" +
              headers + kLength + std::to_string(body.size()) + "\r\n\r\n" + body,
          false};
}

}  // namespace tcsync::server
