// Stopping: accepted requests are finished, no client can prevent it, and no acknowledged data is
// lost. An operator restarts the server with a new version while people use it.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

// A server whose storage can wait.
class StopTest : public testing::Test {
 protected:
  void Start(int64_t shutdown_timeout_ms, int event_loops = 0) {
    Options options = OptionsFor("memory");
    options.shutdown_timeout_ms = shutdown_timeout_ms;
    options.event_loops = event_loops;
    script_ = std::make_shared<Script>();
    server_ = std::make_unique<TestServer>(options, std::make_unique<ScriptedStorage>(script_));
  }

  // A connection that has sent the first `part` bytes of an upload.
  HttpClient SendPart(absl::string_view message, size_t part) {
    HttpClient client = server_->Connect();
    EXPECT_TRUE(client.Send(message.substr(0, part)));
    return client;
  }

  // Sends the head of an upload and waits until the server asks for the body. Only this shows that
  // the server has reached this connection: another connection's answer does not, because
  // connections are distributed to several event loops.
  void AnnounceUpload(Replica& replica, absl::string_view segment) {
    const std::string message =
        With(AddVersionRequest(replica.client_id(), kNil, segment), "Expect", "100-continue")
            .Serialize();
    const absl::string_view head =
        absl::string_view(message).substr(0, message.size() - segment.size());
    EXPECT_TRUE(replica.client().Send(head));
    EXPECT_EQ(replica.client().ReadResponse().status, 100);
  }

  std::shared_ptr<Script> script_;
  std::unique_ptr<TestServer> server_;
};

// If this fails, a restart breaks the syncs under way, or waits for idle connections.
TEST_F(StopTest, AStopFinishesRequestsAndClosesIdleConnections) {
  Start(kDeadlineSeconds * 1000);
  const std::string address = server_->address();
  HttpClient idle = server_->Connect();
  EXPECT_EQ(idle.Exchange(HttpRequest()).status, 200);
  HttpClient silent = server_->Connect();
  script_->HoldAppends();
  Replica waiting(*server_);
  ASSERT_TRUE(waiting.client().Send(AddVersionRequest(waiting.client_id(), kNil).Serialize()));
  ASSERT_TRUE(script_->WaitForHeldAppends(1));

  std::thread stopping([&] { server_->listener().Stop(); });
  // This also shows that the stop has begun.
  EXPECT_EQ(idle.ReadUntilClosed(), "");
  EXPECT_EQ(silent.ReadUntilClosed(), "");
  script_->ReleaseAppends();
  const HttpResponse response = waiting.client().ReadResponse();
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_EQ(waiting.client().ReadUntilClosed(), "");
  stopping.join();
  EXPECT_FALSE(HttpClient(address).connected()) << "it still accepts connections";

  server_->RestartListener();
  waiting.Reconnect(*server_);
  EXPECT_EQ(waiting.GetChildVersion(kNil).Header("X-Version-Id"), response.Header("X-Version-Id"));
}

// If this fails, a restart interrupts a running upload, though there was time for it.
TEST_F(StopTest, AStopWaitsForAnUploadInProgress) {
  for (const int event_loops : {1, 2, 4}) {
    SCOPED_TRACE(event_loops);
    Start(kDeadlineSeconds * 1000, event_loops);
    const std::string segment = BinaryBytes(300'000);
    Replica announced(*server_);
    AnnounceUpload(announced, segment);
    Replica half_way(*server_);
    AnnounceUpload(half_way, segment);
    ASSERT_TRUE(half_way.client().Send(absl::string_view(segment).substr(0, 200'000)));

    HttpClient idle = server_->Connect();
    EXPECT_EQ(idle.Exchange(HttpRequest()).status, 200);
    std::thread stopping([&] { server_->listener().Stop(); });
    // This also shows that the stop has begun.
    EXPECT_EQ(idle.ReadUntilClosed(), "");
    EXPECT_TRUE(announced.client().Send(segment));
    EXPECT_EQ(announced.client().ReadResponse().status, 200);
    EXPECT_EQ(announced.client().ReadUntilClosed(), "");
    EXPECT_TRUE(half_way.client().Send(absl::string_view(segment).substr(200'000)));
    EXPECT_EQ(half_way.client().ReadResponse().status, 200);
    EXPECT_EQ(half_way.client().ReadUntilClosed(), "");
    stopping.join();
  }
}

// If this fails, one hanging client keeps the server from stopping until it is killed.
TEST_F(StopTest, AStopCutsOffUnfinishedRequestsAtItsTimeout) {
  Start(200);
  Replica large(*server_);
  large.Append(kNil, BinaryBytes(size_t{16} << 20));
  const std::string upload = AddVersionRequest(RandomId(), kNil, BinaryBytes(10'000)).Serialize();
  HttpClient in_body = SendPart(upload, upload.size() - 1);
  HttpClient in_head = SendPart(upload, 20);
  HttpClient not_reading(server_->address(), 4096);
  ASSERT_TRUE(not_reading.Send(GetChildVersionRequest(large.client_id(), kNil).Serialize()));
  ASSERT_TRUE(not_reading.WaitForAnswer());
  server_->listener().Stop();
  ExpectClosed(in_body, {408, 503});
  ExpectClosed(in_head, {408, 503});
  EXPECT_TRUE(not_reading.ReadUntilClosed().has_value());
}

// If this fails, an answer of storage after the stop, or after the listener's end, crashes the
// program.
TEST_F(StopTest, StorageMayAnswerAWriteAfterTheStop) {
  for (const bool destroyed : {false, true}) {
    Start(100);
    Replica replica(*server_);
    script_->HoldAppends();
    ASSERT_TRUE(replica.client().Send(AddVersionRequest(replica.client_id(), kNil).Serialize()));
    ASSERT_TRUE(script_->WaitForHeldAppends(1));
    server_->listener().Stop();
    ExpectClosed(replica.client(), {503});
    if (destroyed) server_->DestroyListener();
    script_->ReleaseAppends();
    server_.reset();
  }
}

// If this fails, a read that ends after the stop writes into freed memory. The second time only the
// closing engine releases it.
TEST_F(StopTest, StorageMayAnswerAReadAfterTheStop) {
  for (const bool released : {true, false}) {
    Start(100);
    Replica replica(*server_);
    script_->HoldReads();
    ASSERT_TRUE(replica.client().Send(GetSnapshotRequest(replica.client_id()).Serialize()));
    ASSERT_TRUE(script_->WaitForHeldReads(1));
    server_->listener().Stop();
    ExpectClosed(replica.client(), {503});
    if (released) script_->ReleaseReads();
    server_.reset();
  }
}

// If this fails, "stop at once" waits: an ending program, or a test, hangs for the whole shutdown
// timeout.
TEST_F(StopTest, DestroyingWithoutStoppingDoesNotWait) {
  Start(10 * 60 * 1000);  // longer than ctest lets this run
  const std::string upload = AddVersionRequest(RandomId(), kNil, BinaryBytes(10'000)).Serialize();
  HttpClient in_body = SendPart(upload, upload.size() - 1);
  server_->DestroyListener();
  ExpectClosed(in_body, {408, 503});
}

// If this fails, a host that wants to stop at once waits for a client's upload.
TEST_F(StopTest, AStopWithATimeoutOfZeroDoesNotWait) {
  Start(0);
  const std::string upload = AddVersionRequest(RandomId(), kNil, BinaryBytes(10'000)).Serialize();
  HttpClient in_body = SendPart(upload, upload.size() - 1);
  server_->listener().Stop();
  ExpectClosed(in_body, {408, 503});
}

// If this fails, a program that stops from a signal handler's thread and from its main thread hangs
// or crashes.
TEST_F(StopTest, StoppingTwiceIsHarmless) {
  Start(1000);
  EXPECT_EQ(server_->Connect().Exchange(HttpRequest()).status, 200);
  std::vector<std::thread> stopping;
  for (int i = 0; i < 4; ++i) stopping.emplace_back([&] { server_->listener().Stop(); });
  for (std::thread& thread : stopping) thread.join();
  server_->listener().Stop();
}

// If this fails, an acknowledged version is missing after a restart, and the chain of its client is
// broken.
TEST(StopUnderLoadTest, EveryAcknowledgedVersionIsStored) {
  constexpr int kClients = 8;
  constexpr int kVersionsBefore = 300;
  TestServer server(OptionsFor("rocksdb"));
  std::atomic<int> acknowledged_in_all = 0;
  std::vector<std::string> ids;
  std::vector<std::vector<std::string>> acknowledged(kClients);
  for (int i = 0; i < kClients; ++i) ids.push_back(RandomId());
  std::atomic<int> connected = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Replica replica(server, ids[i]);
      ++connected;
      std::string latest = kNil;
      while (true) {
        const HttpResponse response = replica.AddVersion(latest, BinaryBytes(1000));
        if (response.status != 200) {
          EXPECT_TRUE(response.status == 0 || response.status == 503) << response;
          return;
        }
        latest = response.Header("X-Version-Id");
        acknowledged[i].push_back(latest);
        ++acknowledged_in_all;
      }
    });
  }
  EXPECT_TRUE(Eventually([&] {
    std::this_thread::yield();
    return connected == kClients && acknowledged_in_all >= kVersionsBefore;
  }));
  server.listener().Stop();
  for (std::thread& thread : threads) thread.join();
  server.Reopen();

  for (int i = 0; i < kClients; ++i) {
    Replica replica(server, ids[i]);
    std::vector<std::string> stored = replica.Pull(kNil);
    // One more may have been stored whose acknowledgement was lost.
    ASSERT_GE(stored.size(), acknowledged[i].size());
    EXPECT_LE(stored.size(), acknowledged[i].size() + 1);
    stored.resize(acknowledged[i].size());
    EXPECT_EQ(stored, acknowledged[i]);
  }
}

}  // namespace
}  // namespace tcsync::conformance
