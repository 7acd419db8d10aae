// An event loop's remaining connections, once it is asked to end them.
#include "listener/event_loop.h"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/unit/listener/fake_handler.h"
#include "tests/unit/listener/local_connection.h"

namespace tcsync::listener {
namespace {

constexpr char kRequest[] = "GET /one HTTP/1.1\r\nHost: test\r\n\r\n";

// A loop with one connection. Nothing happens on the loop before Run(), so a test sets up the
// loop's input.
class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest()
      : loop_({.idle = kHour, .header = kHour, .body = kHour, .request = kHour}, count_) {
    const LocalConnection connection = ConnectLocally();
    client_ = connection.client;
    count_.AddServed();
    loop_.Adopt({.socket = ServerSocket(loop_, connection), .peer = PeerAddress::Local()});
  }
  ~EventLoopTest() override {
    loop_.Stop();
    close(client_);
  }

  void Send(absl::string_view bytes) const { SendAll(client_, bytes); }
  void Run() { loop_.Start(handler_, "test-loop"); }

  std::string ReadUntilClosed() const { return ReceiveUntilClosed(client_); }

  static constexpr std::chrono::hours kHour{1};

  FakeHandler handler_;
  ConnectionCount count_{10, 10};
  EventLoop loop_;
  int client_ = -1;
};

// If this fails, a restart drops requests that had already arrived: those people's syncs fail.
TEST_F(EventLoopTest, AnArrivedRequestIsAnsweredBeforeTheEnd) {
  Send(kRequest);
  loop_.EndConnections();
  Run();
  const std::string received = ReadUntilClosed();
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 200 ")) << received;
  EXPECT_TRUE(absl::StrContains(received, "Connection: close\r\n")) << received;
  EXPECT_EQ(handler_.finished, 1);
}

// If this fails, a restart cuts off a replica on a slow line in the middle of its request.
TEST_F(EventLoopTest, APartialRequestIsWaitedFor) {
  const absl::string_view request = kRequest;
  Send(request.substr(0, 10));
  loop_.EndConnections();
  Run();
  Send(request.substr(10));
  const std::string received = ReadUntilClosed();
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 200 ")) << received;
}

// If this fails, a client that keeps sending keeps the server from stopping.
TEST_F(EventLoopTest, OnlyOneRequestIsAnsweredDuringAStop) {
  Send(std::string(kRequest) + kRequest + kRequest);
  loop_.EndConnections();
  Run();
  ReadUntilClosed();
  EXPECT_EQ(handler_.finished, 1);
}

// If this fails, a restart waits for connections on which nothing happens.
TEST_F(EventLoopTest, ASilentConnectionIsClosedAtOnce) {
  loop_.EndConnections();
  Run();
  EXPECT_EQ(ReadUntilClosed(), "");
}

// If this fails, a restart waits for a connection that has sent line ends only.
TEST_F(EventLoopTest, AStopDoesNotWaitForEmptyLines) {
  Send("\r\n\r\n");
  loop_.EndConnections();
  Run();
  EXPECT_EQ(ReadUntilClosed(), "");
}

}  // namespace
}  // namespace tcsync::listener
