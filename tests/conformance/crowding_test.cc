// Many clients at once: caps on connections and on the memory of bodies, and idle or nearly idle
// clients that must not slow down the active ones.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"

namespace tcsync::conformance {
namespace {

void ExpectTryAgain(const HttpResponse& response) {
  ExpectError(response, 503);
  int seconds = 0;
  EXPECT_TRUE(absl::SimpleAtoi(response.Header("Retry-After"), &seconds)) << response;
  EXPECT_GE(seconds, 1) << response;
}

// That many connections, each with an append that storage holds.
std::vector<HttpClient> ConnectAndHold(TestServer& server, Script& script, int count) {
  script.HoldAppends();
  std::vector<HttpClient> busy;
  for (int i = 0; i < count; ++i) {
    busy.push_back(server.Connect());
    EXPECT_TRUE(busy.back().Send(AddVersionRequest(RandomId(), kNil).Serialize()));
  }
  EXPECT_TRUE(script.WaitForHeldAppends(count));
  return busy;
}

// If this fails, connections are accepted without bound, until the process has no file descriptor
// left for its database; or a refused client does not learn the reason.
TEST(ConnectionsMaxTest, ANewConnectionGets503WhenAllOthersAreBusy) {
  constexpr int kConnections = 4;
  Options options = OptionsFor("memory");
  options.connections_max = kConnections;
  auto script = std::make_shared<Script>();
  TestServer server(options, std::make_unique<ScriptedStorage>(script));
  std::vector<HttpClient> busy = ConnectAndHold(server, *script, kConnections);
  for (int i = 0; i < 5; ++i) {
    HttpClient next = server.Connect();
    ExpectTryAgain(next.Exchange(HttpRequest()));
    EXPECT_EQ(next.ReadUntilClosed(), "");
  }
  script->ReleaseAppends();
  for (HttpClient& client : busy) EXPECT_EQ(client.ReadResponse().status, 200);
  // Now they are idle, and one of them makes room.
  EXPECT_EQ(server.Connect().Exchange(HttpRequest()).status, 200);
}

// If this fails, replicas that keep their connection after a sync lock others out, or the wrong one
// is closed: one that is about to be used again.
TEST(ConnectionsMaxTest, ANewConnectionClosesTheLongestIdleOne) {
  Options options = OptionsFor("memory");
  options.connections_max = 3;
  options.event_loops = 1;  // so that there is one longest idle connection
  TestServer server(options);
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(server.Connect());
  for (const int i : {1, 0, 2}) EXPECT_EQ(clients[i].Exchange(HttpRequest()).status, 200);

  HttpClient fourth = server.Connect();
  EXPECT_EQ(fourth.Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(clients[1].ReadUntilClosed(), "");
  EXPECT_EQ(clients[0].Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(clients[2].Exchange(HttpRequest()).status, 200);

  HttpClient fifth = server.Connect();
  EXPECT_EQ(fifth.Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(fourth.ReadUntilClosed(), "") << "it has been idle for longest";
  EXPECT_EQ(clients[0].Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(clients[2].Exchange(HttpRequest()).status, 200);
}

const absl::Duration kFirstRequestWait = absl::Milliseconds(base::kFirstRequestWaitMs);
const absl::Duration kLingerQuiet = absl::FromChrono(base::kLingerQuiet);

// Runs `scenario`, which returns its success, until it has taken less time than the interval under
// test: on a machine that stalls for a second, the result means nothing.
template <typename Scenario>
void ExpectWithin(absl::Duration limit, const Scenario& scenario) {
  constexpr int kTriesMax = 5;
  for (int i = 0; i < kTriesMax; ++i) {
    const absl::Time begin = absl::Now();
    const bool right = scenario();
    if (absl::Now() - begin < limit) {
      EXPECT_TRUE(right);
      return;
    }
  }
  ADD_FAILURE() << "not once within " << limit;
}

// If this fails, a client of a crowded server can lose its request: the connection is closed, to
// make room for the next one, before the server has read from it.
TEST(ConnectionsMaxTest, AConnectionWithAnArrivingFirstRequestIsNotClosed) {
  ExpectWithin(kFirstRequestWait, [] {
    Options options = OptionsFor("memory");
    options.connections_max = 3;
    options.event_loops = 1;
    TestServer server(options);
    std::vector<HttpClient> first;
    for (int i = 0; i < 3; ++i) first.push_back(server.Connect());
    bool right = true;
    for (int i = 0; i < 3; ++i) {
      right = server.Connect().Exchange(HttpRequest()).status == 503 && right;
    }
    for (HttpClient& client : first) right = client.Exchange(HttpRequest()).status == 200 && right;
    return right;
  });
}

// If this fails, refused clients that stay connected take the places of served ones: a crowd always
// has enough of them to take every place.
TEST(ConnectionsMaxTest, RefusedConnectionsTakeNoPlaces) {
  // Only the end of lingering makes room then.
  ExpectWithin(kLingerQuiet, [] {
    constexpr int kConnections = 3;
    Options options = OptionsFor("memory");
    options.connections_max = kConnections;
    auto script = std::make_shared<Script>();
    TestServer server(options, std::make_unique<ScriptedStorage>(script));
    std::vector<HttpClient> busy = ConnectAndHold(server, *script, kConnections);
    std::vector<HttpClient> refused;
    for (int i = 0; i < 2 * kConnections; ++i) {
      refused.push_back(server.Connect());
      ExpectTryAgain(refused.back().ReadResponse());
    }
    script->ReleaseAppends();
    for (HttpClient& client : busy) {
      EXPECT_EQ(client.ReadResponse().status, 200);
      client = HttpClient();
    }
    // The refused clients have not closed, and the server lingers for them.
    return Eventually([&] { return server.Connect().Exchange(HttpRequest()).status == 200; });
  });
}

// If this fails, silent connections lock all others out.
TEST(ConnectionsMaxTest, SilentConnectionsAreClosedForNewOnes) {
  Options options = OptionsFor("memory");
  options.connections_max = 3;
  TestServer server(options);
  std::vector<HttpClient> silent;
  for (int i = 0; i < 30; ++i) {
    silent.push_back(server.Connect());
    ASSERT_TRUE(silent.back().connected());
  }
  HttpResponse response;
  EXPECT_TRUE(Eventually([&] {
    response = server.Connect().Exchange(HttpRequest());
    return response.status == 200;
  })) << response;
  int open = 0;
  for (HttpClient& client : silent) open += client.ClosedWithin(absl::ZeroDuration()) ? 0 : 1;
  EXPECT_LE(open, 3);
}

class BodiesInFlightTest : public testing::Test {
 protected:
  static constexpr size_t kBodyBytes = size_t{1} << 20;

  // Room for one body of kBodyBytes, which this storage takes as a whole, not for two: large ones
  // have three quarters.
  static Options SmallBudget() {
    Options options = OptionsFor("memory");
    options.body_bytes_max = kBodyBytes;
    options.bodies_in_flight_bytes_max = 2 * kBodyBytes;
    return options;
  }

  BodiesInFlightTest() : script_(std::make_shared<Script>()) {}

  HttpResponse Upload() { return Replica(*server_).AddVersion(kNil, segment_); }

  void StartServer() {
    server_ =
        std::make_unique<TestServer>(SmallBudget(), std::make_unique<ScriptedStorage>(script_));
  }

  const std::string segment_ = BinaryBytes(kBodyBytes);
  std::shared_ptr<Script> script_;
  std::unique_ptr<TestServer> server_;
};

// If this fails, uploads that wait for the disk are not counted, and a slow disk exhausts the
// memory.
TEST_F(BodiesInFlightTest, ABodyThatStorageHoldsCounts) {
  StartServer();
  script_->HoldAppends();
  Replica first(*server_);
  ASSERT_TRUE(
      first.client().Send(AddVersionRequest(first.client_id(), kNil, segment_).Serialize()));
  ASSERT_TRUE(script_->WaitForHeldAppends(1));
  for (int i = 0; i < 5; ++i) ExpectTryAgain(Upload());
  // Small ones still fit.
  EXPECT_EQ(Replica(*server_).GetChildVersion(kNil).status, 404);

  script_->ReleaseAppends();
  EXPECT_EQ(first.client().ReadResponse().status, 200);
  EXPECT_EQ(Upload().status, 200) << "the memory was not given back";
  EXPECT_EQ(Upload().status, 200);
  EXPECT_TRUE(first.GetChildVersion(kNil).body == segment_);
}

// If this fails, uploads from slow lines are not counted until they are complete, and a few of them
// exhaust the memory.
TEST_F(BodiesInFlightTest, AnArrivingBodyCounts) {
  StartServer();
  const std::string message = AddVersionRequest(RandomId(), kNil, segment_).Serialize();
  // While both bodies arrive, either or both may be refused; here it should be Upload's alone.
  EXPECT_TRUE(Eventually([&] {
    HttpClient slow = server_->Connect();
    slow.Send(absl::string_view(message).substr(0, message.size() - 1));
    const HttpResponse response = Upload();
    if (response.status != 503) return false;
    ExpectTryAgain(response);
    slow.Send(message.substr(message.size() - 1));
    return slow.ReadResponse().status == 200;
  }));
  EXPECT_EQ(Upload().status, 200) << "the memory was not given back";
}

// If this fails, every broken upload takes some memory for ever, until all uploads are refused.
TEST_F(BodiesInFlightTest, AbortedAndRefusedUploadsReleaseTheirMemory) {
  StartServer();
  const std::string message = AddVersionRequest(RandomId(), kNil, segment_).Serialize();
  for (int i = 0; i < 20; ++i) {
    HttpClient client = server_->Connect();
    client.Send(absl::string_view(message).substr(0, message.size() / 2 + i));
    client.Close(/*abort=*/i % 2 == 0);
    server_->Connect().Exchange(AddVersionRequest(RandomId(), kNil, segment_ + "x"));
  }
  // A stopped listener has finished with all of them; their memory is the handler's.
  server_->RestartListener();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Upload().status, 200);
}

// If this fails, a server refuses its only user as overload: the memory of a request is returned
// only after its client has been answered.
TEST_F(BodiesInFlightTest, SequentialUploadsAreNeverRefused) {
  for (const char* const storage : {"rocksdb", "memory"}) {
    Options options = SmallBudget();
    options.storage = storage;
    const TestServer server(options);
    Replica replica(server);
    std::string latest = kNil;
    for (int i = 0; i < 15; ++i) {
      const std::string version = replica.Append(latest, segment_);
      EXPECT_EQ(replica.AddSnapshot(version, segment_).status, 200);
      EXPECT_EQ(replica.GetChildVersion(latest).status, 200);
      EXPECT_EQ(replica.GetSnapshot().status, 200);
      latest = version;
    }
  }
}

// Raises the limit on open files to `files`, or says that it cannot.
bool CanOpen(rlim_t files) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= files) return true;
  limit.rlim_cur = files;
  limit.rlim_max = std::max(limit.rlim_max, files);
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// The median time of one request, of 300, half of them uploads.
absl::Duration MedianRequestTime(const TestServer& server) {
  Replica replica(server);
  const std::string segment = BinaryBytes(1024);
  std::vector<absl::Duration> times;
  std::string latest = kNil;
  for (int i = 0; i < 150; ++i) {
    const absl::Time begun = absl::Now();
    const std::string version = replica.Append(latest, segment);
    const absl::Time appended = absl::Now();
    EXPECT_EQ(replica.GetChildVersion(version).status, 404);
    times.push_back(appended - begun);
    times.push_back(absl::Now() - appended);
    latest = version;
  }
  std::nth_element(times.begin(), times.begin() + 150, times.end());
  return times[150];
}

// If this fails, some users who stay connected, or a hostile one, make the server unusable for all:
// it has a thread, or a walk over all connections, for each connection.
TEST(ManyConnectionsTest, IdleAndSlowClientsDoNotSlowDownOthers) {
  constexpr int kIdle = 1000;
  constexpr int kSlow = 200;
  // Both ends of each connection are in this process.
  if (!CanOpen(2 * (kIdle + kSlow) + 200)) {
    TCSYNC_MISSING_PREREQUISITE("RLIMIT_NOFILE cannot be raised enough for 1,200 connections");
  }
  Options options = OptionsFor("memory");
  options.connections_max = 2 * (kIdle + kSlow);
  TestServer server(options);
  MedianRequestTime(server);  // a warm-up
  const absl::Duration alone = MedianRequestTime(server);

  std::vector<HttpClient> idle;
  for (int i = 0; i < kIdle; ++i) {
    idle.push_back(server.Connect());
    ASSERT_EQ(idle.back().Exchange(HttpRequest()).status, 200) << i;
  }
  // Half of them in a head, half of them in a body.
  std::vector<HttpClient> slow;
  for (int i = 0; i < kSlow; ++i) {
    slow.push_back(server.Connect());
    HttpRequest upload = AddVersionRequest(RandomId(), kNil, "");
    upload.headers.emplace_back("Content-Length", "100000");
    ASSERT_TRUE(slow.back().Send(i % 2 == 0 ? "GET /" : upload.Serialize()));
  }
  std::atomic<bool> done = false;
  std::thread dripping([&] {
    size_t next = 0;
    while (!done) {
      slow[next].Send("x");
      next = (next + 1) % slow.size();
      // Each gets a byte a second; this waits on a connection without input.
      slow[next].ClosedWithin(absl::Seconds(1) / kSlow);
    }
  });
  const absl::Duration crowded = MedianRequestTime(server);
  done = true;
  dripping.join();
  // If they slowed the server down, it would be slower by thousands.
  EXPECT_LT(crowded, 10 * alone);
  std::printf("median request: %s alone, %s in the crowd\n", absl::FormatDuration(alone).c_str(),
              absl::FormatDuration(crowded).c_str());

  for (HttpClient& client : idle) {
    ASSERT_EQ(client.Exchange(HttpRequest()).status, 200) << "an idle connection was closed";
  }
}

}  // namespace
}  // namespace tcsync::conformance
