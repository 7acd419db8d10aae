// What an event loop does with the connections that it has when it is told to end them.
#include "listener/event_loop.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/unit/listener/fake_handler.h"

namespace tcsync {
namespace {

constexpr char kRequest[] = "GET /one HTTP/1.1\r\nHost: test\r\n\r\n";

// A loop with one connection. Nothing happens on the loop before Run(), so a test decides what the
// loop finds.
class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest()
      : loop_({.idle = kHour, .header = kHour, .body = kHour, .request = kHour}, count_) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
      ADD_FAILURE() << "cannot make sockets";
      return;
    }
    client_ = ends[0];
    // A loop that hangs fails the test.
    const timeval deadline{.tv_sec = 60, .tv_usec = 0};
    setsockopt(client_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    count_.AddServed();
    loop_.Adopt({.socket = StreamSocket(loop_.io_context(),
                                        boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[1]),
                 .peer = PeerAddress::Local()});
  }
  ~EventLoopTest() override {
    loop_.Stop();
    close(client_);
  }

  void Send(absl::string_view bytes) {
    EXPECT_EQ(send(client_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void Run() { loop_.Start(handler_, "test-loop"); }

  // What comes until the loop closes the connection.
  std::string ReadUntilClosed() const {
    std::string received;
    char buffer[4096];
    ssize_t size = 0;
    while ((size = recv(client_, buffer, sizeof buffer, 0)) > 0) {
      received.append(buffer, static_cast<size_t>(size));
    }
    EXPECT_EQ(size, 0) << "the connection was not closed";
    return received;
  }

  static constexpr std::chrono::hours kHour{1};

  FakeHandler handler_;
  ConnectionCount count_{10, 10};
  EventLoop loop_;
  int client_ = -1;
};

// If this fails, a restart drops requests that had already arrived: those people's syncs fail.
TEST_F(EventLoopTest, ARequestThatHasArrivedIsAnsweredBeforeTheEnd) {
  Send(kRequest);
  loop_.EndConnections();
  Run();
  const std::string received = ReadUntilClosed();
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 200 ")) << received;
  EXPECT_TRUE(absl::StrContains(received, "Connection: close\r\n")) << received;
  EXPECT_EQ(handler_.finished, 1);
}

TEST_F(EventLoopTest, ARequestThatHasBegunToArriveIsWaitedFor) {
  const absl::string_view request = kRequest;
  Send(request.substr(0, 10));
  loop_.EndConnections();
  Run();
  Send(request.substr(10));
  const std::string received = ReadUntilClosed();
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 200 ")) << received;
}

// If this fails, a client that keeps sending keeps the server from stopping.
TEST_F(EventLoopTest, OneRequestIsAnsweredAndNoMore) {
  Send(std::string(kRequest) + kRequest + kRequest);
  loop_.EndConnections();
  Run();
  ReadUntilClosed();
  EXPECT_EQ(handler_.finished, 1);
}

// If these fail, a restart waits for connections on which nothing happens.
TEST_F(EventLoopTest, ASilentConnectionIsClosedAtOnce) {
  loop_.EndConnections();
  Run();
  EXPECT_EQ(ReadUntilClosed(), "");
}

TEST_F(EventLoopTest, EmptyLinesAreNoRequest) {
  Send("\r\n\r\n");
  loop_.EndConnections();
  Run();
  EXPECT_EQ(ReadUntilClosed(), "");
}

}  // namespace
}  // namespace tcsync
