// One address and the others on one event loop: turns, evictions and counts.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http/pending_request.h"
#include "listener/connection_count.h"
#include "listener/event_loop.h"
#include "tcsync/handler.h"
#include "tests/unit/listener/local_connection.h"

namespace tcsync::listener {
namespace {

using access::Network;

constexpr Network kBusyNetwork = {1};
constexpr Network kOtherNetwork = {2};
constexpr std::chrono::hours kHour{1};

// Answers each GET with 200, or 429 for /busy, after the time of a turn for /slow, and remembers
// the targets; takes bodies.
class TargetHandler final : public http::Handler {
 public:
  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    targets.emplace_back(head.target);
    if (head.target == "/slow") {
      const auto begin = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - begin < base::kTurnTime) {
      }
    }
    if (head.method == "POST") return http::PendingRequest(std::make_unique<Request>());
    http::Response response = http::EmptyResponse(head.target == "/busy" ? 429 : 200);
    response.body = std::string(head.target == "/large" ? 1000 : 0, 'x');
    return response;
  }

  std::vector<std::string> targets;  // only once the loop has stopped

 private:
  class Request final : public http::PendingRequest::Implementation {
   public:
    std::optional<http::Response> Append(absl::string_view) override { return std::nullopt; }
    std::optional<http::Response> Finish(http::ResponseCallback) override {
      return http::EmptyResponse(200);
    }
  };
};

class FairnessTest : public testing::Test {
 protected:
  explicit FairnessTest(int64_t bytes_max = int64_t{1} << 40) : count_(100, 100, bytes_max) {}
  ~FairnessTest() override {
    if (loop_ != nullptr) loop_->Stop();
    for (const int client : clients_) close(client);
  }

  void MakeLoop(const ConnectionTimeouts& timeouts) {
    loop_ = std::make_unique<EventLoop>(timeouts, count_);
  }
  void Run() { loop_->Start(handler_, "test-loop"); }

  // A connection of that address; its other end. Nothing happens before Run().
  int Connect(const Network& network, Accepted accepted = Accept()) {
    const LocalConnection connection = ConnectLocally(4096);
    clients_.push_back(connection.client);
    accepted.socket = ServerSocket(*loop_, connection);
    accepted.network = network;
    count_.AddServed();
    count_.AddConnectionOf(network, 0);
    loop_->Adopt(std::move(accepted));
    return connection.client;
  }
  static Accepted Accept() {
    static boost::asio::io_context context;
    return {.socket = StreamSocket(context), .peer = PeerAddress::Local()};
  }
  static Accepted AcceptInPlaceOf(const Network& crowd, bool is_large) {
    Accepted accepted = Accept();
    accepted.admission = Admission::kReplace;
    accepted.top_address = crowd;
    accepted.top_address_is_large = is_large;
    return accepted;
  }

  static bool IsServed(int client) {
    if (send(client, Get("/").data(), Get("/").size(), MSG_NOSIGNAL) < 0) return false;
    return absl::StartsWith(ReceiveHead(client), "HTTP/1.1 200 ");
  }
  static std::string Get(absl::string_view target) {
    return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  TargetHandler handler_;
  ConnectionCount count_;
  std::unique_ptr<EventLoop> loop_;
  std::vector<int> clients_;
};

// If this fails, one burst of pipelined requests stalls all clients.
TEST_F(FairnessTest, ABurstDoesNotDelayAnotherConnectionsRequest) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  std::vector<int> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(Connect(kBusyNetwork));
    std::string burst;
    for (int j = 0; j < 10 * base::kRequestsPerTurn; ++j) burst += Get("/crowd");
    SendAll(crowd.back(), burst);
  }
  const int stranger = Connect(kOtherNetwork);
  SendAll(stranger, Get("/stranger"));
  Run();
  EXPECT_TRUE(absl::StartsWith(ReceiveHead(stranger), "HTTP/1.1 200 "));
  loop_->Stop();
  size_t before = 0;
  while (before < handler_.targets.size() && handler_.targets[before] != "/stranger") ++before;
  EXPECT_LT(before, handler_.targets.size());
  // Without turns all of the burst came before.
  EXPECT_LT(before, size_t{21} * base::kRequestsPerTurn);
}

// If this fails, pipelined requests that take long each, such as those for many versions, are a
// turn many times as long as others.
TEST_F(FairnessTest, ATurnEndsAfterItsTime) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  std::string burst;
  for (int i = 0; i < 2 * base::kRequestsPerTurn; ++i) burst += Get("/slow");
  SendAll(Connect(kBusyNetwork), burst);
  const int stranger = Connect(kOtherNetwork);
  SendAll(stranger, Get("/stranger"));
  Run();
  EXPECT_TRUE(absl::StartsWith(ReceiveHead(stranger), "HTTP/1.1 200 "));
  loop_->Stop();
  const auto found = std::find(handler_.targets.begin(), handler_.targets.end(), "/stranger");
  ASSERT_NE(found, handler_.targets.end());
  EXPECT_LT(found - handler_.targets.begin(), base::kRequestsPerTurn);
}

// If this fails, a turn's end loses requests, or answers them out of order.
TEST_F(FairnessTest, EveryRequestOfABurstIsAnsweredInOrder) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  const int client = Connect(kBusyNetwork);
  Run();
  std::thread sender([&] {
    std::string burst;
    for (int i = 0; i < 10 * base::kRequestsPerTurn; ++i) burst += Get(absl::StrCat("/", i));
    SendAll(client, burst);
  });
  for (int i = 0; i < 10 * base::kRequestsPerTurn; ++i) {
    ASSERT_TRUE(absl::StartsWith(ReceiveHead(client), "HTTP/1.1 200 ")) << i;
  }
  sender.join();
  loop_->Stop();
  ASSERT_EQ(handler_.targets.size(), size_t{10} * base::kRequestsPerTurn);
  for (size_t i = 0; i < handler_.targets.size(); ++i) {
    EXPECT_EQ(handler_.targets[i], absl::StrCat("/", i));
  }
}

// If this fails, an address that holds all places keeps others out, or an honest upload is cut for
// a newcomer of an address that has as much.
TEST_F(FairnessTest, TheAddressWithTheMostConnectionsIsEvicted) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  const int idle = Connect(kBusyNetwork);
  const int partial = Connect(kBusyNetwork);
  const int later = Connect(kBusyNetwork);
  Run();
  ASSERT_TRUE(IsServed(idle));
  SendAll(partial, "GET / HTTP/1.1\r\n");
  ASSERT_TRUE(IsServed(later));
  SendAll(later, "GET / HTTP/1.1\r\n");
  // Idle connections go first.
  ASSERT_TRUE(IsServed(Connect(kOtherNetwork, AcceptInPlaceOf(kBusyNetwork, false))));
  EXPECT_EQ(ReceiveUntilClosed(idle), "");
  // Then, of a large crowd, the connection that has waited for its client for longest.
  ASSERT_TRUE(IsServed(Connect(kOtherNetwork, AcceptInPlaceOf(kBusyNetwork, true))));
  EXPECT_EQ(ReceiveUntilClosed(partial), "");
  SendAll(later, "Host: h\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(ReceiveHead(later), "HTTP/1.1 200 "));
  EXPECT_EQ(count_.figures().ended_total[static_cast<size_t>(EndReason::kMadeRoom)], 1);
}

// If this fails, a client that ignores Retry-After keeps the server busy on one
// connection.
TEST_F(FairnessTest, AClientThatContinuesAfter429IsDisconnected) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  const int retrying = Connect(kOtherNetwork);
  const int client = Connect(kBusyNetwork);
  Run();
  std::string burst;
  for (int i = 0; i < 100; ++i) burst += Get("/busy");
  SendAll(client, burst);
  const std::string answers = ReceiveUntilClosed(client);
  EXPECT_TRUE(absl::StrContains(answers, "Connection: close\r\n"));
  for (int i = 0; i < 3 * base::kRefusedInARowMax; ++i) {
    SendAll(retrying, Get(i % 4 == 0 ? "/" : "/busy"));
    ASSERT_FALSE(ReceiveHead(retrying).empty());
  }
  loop_->Stop();
  EXPECT_LE(handler_.targets.size(), size_t{4} * base::kRefusedInARowMax + 2);
}

// If this fails, a client that sends or reads a byte now and then holds a place, and memory, for
// ever.
TEST_F(FairnessTest, ATransferBelowTheMinimumRateIsClosedAndASteadyOneIsNot) {
  MakeLoop({.idle = kHour,
            .header = kHour,
            .body = std::chrono::milliseconds(300),
            .request = kHour,
            .bytes_per_second_min = 2000});
  const int trickling = Connect(kBusyNetwork);
  const int steady = Connect(kOtherNetwork);
  Run();
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
  SendAll(trickling, head);
  SendAll(steady, head);
  // Each byte buys half a millisecond, and comes after five at least.
  EXPECT_TRUE(Eventually([&] {
    const std::string chunk(20'000, 'x');
    EXPECT_EQ(send(steady, chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == 0, false);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    send(trickling, "x", 1, MSG_NOSIGNAL);
    return count_.figures().ended_total[static_cast<size_t>(EndReason::kStalled)] > 0;
  }));
  EXPECT_TRUE(absl::StartsWith(ReceiveHead(trickling), "HTTP/1.1 408 "));
}

class MemoryTest : public FairnessTest {
 protected:
  static constexpr int64_t kBytesMax = 400'000;
  MemoryTest() : FairnessTest(kBytesMax) {}
};

// If this fails, clients that pipeline and do not read take memory without bound, or take it from
// clients that have little.
TEST_F(MemoryTest, TheConnectionWithTheMostMemoryIsClosed) {
  MakeLoop({.idle = kHour, .header = kHour, .body = kHour, .request = kHour});
  const int stranger = Connect(kOtherNetwork);
  Run();
  ASSERT_TRUE(IsServed(stranger));
  std::string burst;
  while (burst.size() < 100'000) burst += Get("/large");
  for (int i = 0; i < 80; ++i) {
    send(Connect(kBusyNetwork), burst.data(), burst.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  EXPECT_TRUE(Eventually([&] {
    EXPECT_LT(count_.bytes(), kBytesMax * 5 / 4);
    return count_.figures().ended_total[static_cast<size_t>(EndReason::kMemory)] > 0;
  }));
  EXPECT_TRUE(IsServed(stranger));
  loop_->Stop();
  EXPECT_EQ(count_.bytes(), 0) << "the charge is not given back";
  EXPECT_EQ(count_.ConnectionsOf(kBusyNetwork), 0);
}

// If these fail, the wrong address is evicted.
TEST(ConnectionCountTest, FindsTheAddressWithTheMostConnections) {
  ConnectionCount count(10, 10);
  EXPECT_FALSE(count.FindTopAddress().has_value());
  for (int i = 0; i < 3; ++i) count.AddConnectionOf(kBusyNetwork, i % 2);
  for (int i = 0; i < 2; ++i) count.AddConnectionOf(kOtherNetwork, 1);
  EXPECT_EQ(count.FindTopAddress()->network, kBusyNetwork);
  EXPECT_EQ(count.FindTopAddress()->connections, 3);
  EXPECT_EQ(count.FindTopAddress()->loop, 0u);
  for (const size_t loop : {0, 0}) count.RemoveConnectionOf(kBusyNetwork, loop);
  EXPECT_EQ(count.ConnectionsOf(kBusyNetwork), 1);
  EXPECT_EQ(count.FindTopAddress()->network, kOtherNetwork);
  EXPECT_EQ(count.FindTopAddress()->loop, 1u);
  for (int i = 0; i < 2; ++i) count.RemoveConnectionOf(kOtherNetwork, 1);
  count.RemoveConnectionOf(kBusyNetwork, 1);
  EXPECT_FALSE(count.FindTopAddress().has_value());
}

}  // namespace
}  // namespace tcsync::listener
