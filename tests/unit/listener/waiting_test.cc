// Connections whose request waits for its client's next version. If these fail, waiting clients
// take the places of others, keep the server from stopping, or stay in memory after they are gone.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/pending_request.h"
#include "listener/event_loop.h"
#include "tcsync/handler.h"
#include "tests/unit/listener/local_connection.h"

namespace tcsync::listener {
namespace {

constexpr std::chrono::hours kHour{1};
constexpr char kWait[] = "GET /wait HTTP/1.1\r\nHost: test\r\n\r\n";
constexpr char kGet[] = "GET /now HTTP/1.1\r\nHost: test\r\n\r\n";

// Lets requests for /wait wait until their caller or the test ends them, and answers others.
class WaitingHandler final : public http::Handler {
 public:
  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    EXPECT_TRUE(head.may_wait);
    if (head.target != "/wait") return http::EmptyResponse(200);
    return http::PendingRequest(std::make_unique<Request>(*this));
  }

  int waiting() const { return waiting_; }
  int ended_by_caller() const { return ended_by_caller_; }

  void AnswerAll(int status = 200) {
    std::vector<std::shared_ptr<Wait>> waits;
    {
      const std::lock_guard lock(mutex_);
      waits.swap(waits_);
    }
    for (const auto& wait : waits) wait->Answer(status);
  }

 private:
  struct Wait {
    explicit Wait(WaitingHandler& handler, http::ResponseCallback callback)
        : owner(handler), done(std::move(callback)) {
      ++owner.waiting_;
    }
    bool Answer(int status) {
      if (has_ended.exchange(true)) return false;
      --owner.waiting_;
      done(http::EmptyResponse(status));
      return true;
    }

    WaitingHandler& owner;
    http::ResponseCallback done;
    std::atomic<bool> has_ended{false};
  };

  class Request final : public http::PendingRequest::Implementation {
   public:
    explicit Request(WaitingHandler& handler) : handler_(handler) {}
    std::optional<http::Response> Append(absl::string_view) override { return std::nullopt; }
    std::optional<http::Response> Finish(http::ResponseCallback done) override {
      wait_ = std::make_shared<Wait>(handler_, std::move(done));
      const std::lock_guard lock(handler_.mutex_);
      handler_.waits_.push_back(wait_);
      return std::nullopt;
    }
    bool IsWaiting() const override { return wait_ != nullptr && !wait_->has_ended; }
    void EndWait() override {
      if (wait_ != nullptr && wait_->Answer(404)) ++handler_.ended_by_caller_;
    }

   private:
    WaitingHandler& handler_;
    std::shared_ptr<Wait> wait_;
  };

  std::atomic<int> waiting_{0};
  std::atomic<int> ended_by_caller_{0};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Wait>> waits_;
};

class WaitingTest : public testing::Test {
 protected:
  WaitingTest() { MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour}); }
  ~WaitingTest() override {
    handler_.AnswerAll();
    loop_->Stop();
    for (const int client : clients_) close(client);
  }

  void MakeLoop(const ConnectionTimeouts& timeouts) {
    loop_ = std::make_unique<EventLoop>(timeouts, count_);
  }
  void Run() { loop_->Start(handler_, "test-loop"); }

  int Connect(Admission admission = Admission::kServe) {
    const LocalConnection connection = ConnectLocally();
    clients_.push_back(connection.client);
    count_.AddServed();
    loop_->Adopt({.socket = ServerSocket(*loop_, connection),
                  .peer = PeerAddress::Local(),
                  .admission = admission});
    return connection.client;
  }
  int ConnectAndWait() {
    const int waiting = handler_.waiting();
    const int client = Connect();
    SendAll(client, kWait);
    EXPECT_TRUE(Eventually([&] { return handler_.waiting() == waiting + 1; }));
    return client;
  }

  static bool IsAnswered(int client, int status) {
    const std::string head = ReceiveHead(client);
    return absl::StartsWith(head, absl::StrCat("HTTP/1.1 ", status, " "));
  }

  WaitingHandler handler_;
  ConnectionCount count_{100, 100};
  std::unique_ptr<EventLoop> loop_;
  std::vector<int> clients_;
};

TEST_F(WaitingTest, TheAnswerComesAndTheConnectionGoesOn) {
  Run();
  const int client = ConnectAndWait();
  for (int round = 0; round < 3; ++round) {
    handler_.AnswerAll(200);
    EXPECT_TRUE(IsAnswered(client, 200));
    SendAll(client, kGet);
    EXPECT_TRUE(IsAnswered(client, 200));
    SendAll(client, kWait);
    ASSERT_TRUE(Eventually([&] { return handler_.waiting() == 1; }));
  }
}

// If this fails, each computer that goes to sleep leaves a request behind.
TEST_F(WaitingTest, AClientThatHangsUpEndsItsWait) {
  Run();
  const int client = ConnectAndWait();
  shutdown(client, SHUT_RDWR);
  EXPECT_TRUE(Eventually([&] { return handler_.waiting() == 0; }));
  EXPECT_EQ(handler_.ended_by_caller(), 1);
  EXPECT_TRUE(Eventually([&] { return count_.figures().served == 0; }));
}

// The same if the client has sent something more, which is not looked at while its request waits.
TEST_F(WaitingTest, TheEndBehindAnEarlyNextRequestIsNoticed) {
  Run();
  const int client = ConnectAndWait();
  SendAll(client, std::string(kGet).substr(0, 10));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that it is read by itself
  shutdown(client, SHUT_RDWR);
  EXPECT_TRUE(Eventually([&] { return handler_.waiting() == 0; }));
}

// If this fails, a client that sends its next request early loses it, or makes the loop spin.
TEST_F(WaitingTest, AnEarlyNextRequestComesAfterTheAnswer) {
  Run();
  const int client = ConnectAndWait();
  const auto cpu = loop_->CpuSeconds();
  SendAll(client, absl::StrCat(kGet, kWait));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // what must not happen meanwhile
  EXPECT_EQ(handler_.waiting(), 1);
  EXPECT_LT(loop_->CpuSeconds().value_or(0) - cpu.value_or(0), 0.03);
  handler_.AnswerAll(410);
  EXPECT_TRUE(IsAnswered(client, 410));
  EXPECT_TRUE(IsAnswered(client, 200));
  EXPECT_TRUE(Eventually([&] { return handler_.waiting() == 1; }));
}

// If this fails, every wait is cut off as a stalled request.
TEST_F(WaitingTest, NoTimeoutOfConnectionsEndsAWait) {
  constexpr std::chrono::milliseconds kShort{20};
  MakeLoop({.idle = kShort, .header = kShort, .body = kShort, .request = kShort});
  Run();
  const int client = ConnectAndWait();
  std::this_thread::sleep_for(20 * kShort);
  ASSERT_EQ(handler_.waiting(), 1);
  handler_.AnswerAll(404);
  EXPECT_TRUE(IsAnswered(client, 404));
}

// If this fails, a restart of the server waits for minutes, or drops those who wait.
TEST_F(WaitingTest, AStopAnswersThoseThatWait) {
  Run();
  const int client = ConnectAndWait();
  loop_->EndConnections();
  const std::string received = ReceiveUntilClosed(client);
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 404 ")) << received;
  EXPECT_TRUE(absl::StrContains(received, "Connection: close\r\n")) << received;
}

// The same for a request that had arrived just before.
TEST_F(WaitingTest, AWaitThatBeginsDuringAStopEndsAtOnce) {
  const int client = Connect();
  SendAll(client, kWait);
  loop_->EndConnections();
  Run();
  const std::string received = ReceiveUntilClosed(client);
  EXPECT_TRUE(absl::StartsWith(received, "HTTP/1.1 404 ")) << received;
}

// If this fails, spare connections of a proxy, which are worth nothing, outlive those that wait.
TEST_F(WaitingTest, IdleConnectionsMakeRoomBeforeWaitingOnes) {
  Run();
  const int waiting = ConnectAndWait();
  const int idle = Connect();
  SendAll(idle, kGet);
  EXPECT_TRUE(IsAnswered(idle, 200));
  EXPECT_TRUE(Eventually([&] { return loop_->idle_count() == 2; }));
  const int newcomer = Connect(Admission::kReplace);
  SendAll(newcomer, kGet);
  EXPECT_TRUE(IsAnswered(newcomer, 200));
  EXPECT_EQ(Receive(idle, 1), "");
  handler_.AnswerAll(200);
  EXPECT_TRUE(IsAnswered(waiting, 200));
}

// If this fails, those who wait keep newcomers out, also by a byte of a next request.
TEST_F(WaitingTest, AWaitingConnectionMakesRoom) {
  Run();
  const int oldest = ConnectAndWait();
  const int next = ConnectAndWait();
  SendAll(oldest, "G");
  EXPECT_TRUE(Eventually([&] { return loop_->idle_count() == 2; }));
  const int newcomer = Connect(Admission::kReplace);
  SendAll(newcomer, kGet);
  EXPECT_TRUE(IsAnswered(newcomer, 200));
  EXPECT_EQ(Receive(oldest, 1), "");
  EXPECT_EQ(handler_.ended_by_caller(), 1);
  handler_.AnswerAll(200);
  EXPECT_TRUE(IsAnswered(next, 200));
}

}  // namespace
}  // namespace tcsync::listener
