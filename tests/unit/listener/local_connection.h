// A connection between a test and an event loop, both ends in one process.
#ifndef TCSYNC_TESTS_UNIT_LISTENER_LOCAL_CONNECTION_H_
#define TCSYNC_TESTS_UNIT_LISTENER_LOCAL_CONNECTION_H_

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "listener/event_loop.h"

namespace tcsync {

struct LocalConnection {
  int client = -1;  // the test's, which closes it; a loop that hangs fails the reader there
  int server = -1;
};

// `server_buffer_bytes`: the size of the server's send buffer; 0: as usual.
inline LocalConnection ConnectLocally(int server_buffer_bytes = 0) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0) << "cannot make sockets";
  const timeval deadline{.tv_sec = 60, .tv_usec = 0};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  if (server_buffer_bytes > 0) {
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &server_buffer_bytes, sizeof server_buffer_bytes);
  }
  return {.client = ends[0], .server = ends[1]};
}

inline listener::StreamSocket ServerSocket(listener::EventLoop& loop,
                                           const LocalConnection& connection) {
  return listener::StreamSocket(
      loop.io_context(), boost::asio::generic::stream_protocol(AF_UNIX, 0), connection.server);
}

inline void SendAll(int client, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << "the loop takes no more";
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// The next `bytes`, or those that came until the loop closed the connection.
inline std::string Receive(int client, size_t bytes) {
  std::string received;
  char buffer[4096];
  while (received.size() < bytes) {
    const ssize_t size = recv(client, buffer, std::min(sizeof buffer, bytes - received.size()), 0);
    if (size <= 0) break;
    received.append(buffer, static_cast<size_t>(size));
  }
  return received;
}

inline std::string ReceiveHead(int client) {
  std::string head;
  while (!absl::EndsWith(head, "\r\n\r\n")) {
    const std::string byte = Receive(client, 1);
    if (byte.empty()) break;
    head += byte;
  }
  return head;
}

// The bytes until the loop closes the connection; it must.
inline std::string ReceiveUntilClosed(int client) {
  std::string received;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = recv(client, buffer, sizeof buffer, 0)) > 0) {
    received.append(buffer, static_cast<size_t>(size));
  }
  EXPECT_EQ(size, 0) << "the connection was not closed";
  return received;
}

template <typename Condition>
bool Eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_LISTENER_LOCAL_CONNECTION_H_
