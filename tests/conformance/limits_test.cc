// Time limits: a client that is silent, stops in the middle, or never reads does not keep a
// connection or memory for ever. The limits are short here; the test expects events in the right
// order, but none *quickly*.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

constexpr int64_t kShortMs = 150;

// Sends `bytes` one at a time, waiting a little after each, until the server closes the connection:
// true if it did so before all were sent.
bool ClosedWhileDripping(HttpClient& client, absl::string_view bytes) {
  for (const char byte : bytes) {
    if (!client.Send(absl::string_view(&byte, 1))) return true;
    if (client.ClosedWithin(absl::Milliseconds(5))) return true;
  }
  return false;
}

// If this fails, unused connections pile up until no new one is accepted.
TEST(TimeoutsTest, AnIdleConnectionIsClosed) {
  Options options = OptionsFor("memory");
  options.idle_timeout_ms = kShortMs;
  TestServer server(options);
  HttpClient used = server.Connect();
  EXPECT_EQ(used.Exchange(HttpRequest()).status, 200);
  ExpectClosed(used);
  HttpClient fresh = server.Connect();
  ExpectClosed(fresh, {408});
}

// If this fails, a few hundred clients that send a header a minute occupy the server ("slowloris").
TEST(TimeoutsTest, AnUnfinishedHeadTimesOut) {
  Options options = OptionsFor("memory");
  options.header_timeout_ms = kShortMs;
  TestServer server(options);
  for (const char* const begun : {"G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r"}) {
    HttpClient client = server.Connect();
    ASSERT_TRUE(client.Send(begun));
    ExpectClosed(client, {408});
  }
  // The second head of a connection, too.
  HttpClient kept = server.Connect();
  EXPECT_EQ(kept.Exchange(HttpRequest()).status, 200);
  ASSERT_TRUE(kept.Send("GET / HT"));
  ExpectClosed(kept, {408});
  // And a steady one that takes too long in all. 8000 bytes are allowed, and would take 40 seconds.
  HttpClient dripping = server.Connect();
  ASSERT_TRUE(dripping.Send("GET / HTTP/1.1\r\nX: "));
  EXPECT_TRUE(ClosedWhileDripping(dripping, std::string(8000, 'x')));
  ExpectClosed(dripping, {408});
}

// If this fails, uploads that stopped half-way keep their memory until the server is restarted.
TEST(TimeoutsTest, AStalledBodyTimesOut) {
  Options options = OptionsFor("memory");
  options.body_timeout_ms = kShortMs;
  TestServer server(options);
  const std::string id = RandomId();
  const std::string upload = AddVersionRequest(id, kNil, BinaryBytes(10'000)).Serialize();
  HttpRequest chunked = AddVersionRequest(id, kNil, "");
  chunked.headers.emplace_back("Transfer-Encoding", "chunked");
  for (const std::string& begun :
       {upload.substr(0, upload.find("\r\n\r\n") + 4), upload.substr(0, upload.size() - 1),
        chunked.Serialize(), chunked.Serialize() + "7\r\nsegment\r\n",
        chunked.Serialize() + "7\r\nsegment\r\n0\r\nX-Trailer: x\r\n"}) {
    HttpClient client = server.Connect();
    ASSERT_TRUE(client.Send(begun));
    ExpectClosed(client, {408});
  }
  // A client that was told to continue, and does not.
  HttpClient invited = server.Connect();
  const HttpRequest request = With(AddVersionRequest(id, kNil, "x"), "Expect", "100-continue");
  const std::string message = request.Serialize();
  ASSERT_TRUE(invited.Send(message.substr(0, message.size() - 1)));
  EXPECT_EQ(invited.ReadResponse().status, 100);
  ExpectClosed(invited, {408});
  EXPECT_EQ(Replica(server, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

// If this fails, users on slow lines cannot upload: their body moves all the time, but takes longer
// than the limit on a stall.
TEST(TimeoutsTest, ASlowButSteadyBodyIsAccepted) {
  Options options = OptionsFor("memory");
  options.body_timeout_ms = 1000;
  options.transfer_bytes_per_second_min = 50;
  TestServer server(options);
  Replica replica(server);
  const std::string segment = BinaryBytes(300);
  const std::string message = AddVersionRequest(replica.client_id(), kNil, segment).Serialize();
  ASSERT_TRUE(replica.client().Send(message.substr(0, message.size() - segment.size())));
  EXPECT_FALSE(ClosedWhileDripping(replica.client(), segment));  // 1.5 seconds
  EXPECT_EQ(replica.client().ReadResponse().status, 200);
  EXPECT_TRUE(replica.GetChildVersion(kNil).body == segment);
}

// If this fails, a client that sends a byte now and then keeps its connection for ever.
TEST(TimeoutsTest, ARequestBeyondItsTotalTimeTimesOut) {
  Options options = OptionsFor("memory");
  options.request_timeout_ms = 2 * kShortMs;
  TestServer server(options);
  const std::string id = RandomId();
  HttpClient client = server.Connect();
  const std::string segment(10'000, 'x');  // 50 seconds
  const std::string message = AddVersionRequest(id, kNil, segment).Serialize();
  ASSERT_TRUE(client.Send(message.substr(0, message.size() - segment.size())));
  EXPECT_TRUE(ClosedWhileDripping(client, segment));
  ExpectClosed(client, {408});
  EXPECT_EQ(Replica(server, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

// If this fails, an answer of storage after the end of its connection crashes the server.
TEST(TimeoutsTest, ALateAnswerOfStorageIsDropped) {
  Options options = OptionsFor("memory");
  options.request_timeout_ms = kShortMs;
  auto script = std::make_shared<Script>();
  TestServer server(options, std::make_unique<ScriptedStorage>(script));
  Replica replica(server);
  script->HoldAppends();
  ASSERT_TRUE(replica.client().Send(AddVersionRequest(replica.client_id(), kNil).Serialize()));
  ASSERT_TRUE(script->WaitForHeldAppends(1));
  ExpectClosed(replica.client(), {408, 503, 504});
  script->ReleaseAppends();
  replica.Reconnect(server);
  EXPECT_EQ(replica.GetChildVersion(kNil).status, 200);
}

// If this fails, a request that waits for the disk is taken for an idle connection and closed,
// though its version is stored: the client then reports a false failure.
TEST(TimeoutsTest, AConnectionThatWaitsForStorageIsNotIdle) {
  Options options = OptionsFor("memory");
  options.idle_timeout_ms = kShortMs;
  options.header_timeout_ms = kShortMs;
  options.body_timeout_ms = kShortMs;
  auto script = std::make_shared<Script>();
  TestServer server(options, std::make_unique<ScriptedStorage>(script));
  script->HoldAppends();
  HttpClient client = server.Connect();
  ASSERT_TRUE(client.Send(AddVersionRequest(RandomId(), kNil).Serialize()));
  ASSERT_TRUE(script->WaitForHeldAppends(1));
  // Idle connections, which came later, are the clock: each is closed after the idle timeout.
  for (int i = 0; i < 3; ++i) {
    HttpClient idle = server.Connect();
    EXPECT_EQ(idle.Exchange(HttpRequest()).status, 200);
    ExpectClosed(idle);
  }
  script->ReleaseAppends();
  const HttpResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 200) << response;
}

// If this fails, clients that request much and read nothing hold the server's memory, and others
// are refused for want of it.
TEST(TimeoutsTest, AClientThatDoesNotReadTimesOut) {
  constexpr size_t kLargeBytes = size_t{16} << 20;  // more than the kernel buffers for a connection
  Options options = OptionsFor("memory");
  options.body_timeout_ms = 1500;
  options.body_bytes_max = kLargeBytes;
  options.bodies_in_flight_bytes_max = int64_t{1} << 20;  // a few pieces of it
  options.idle_timeout_ms = 1500;                         // ends a connection after its answer
  const std::string segment = BinaryBytes(kLargeBytes);
  TestServer server(options);
  Replica replica(server);
  replica.Append(kNil, segment);

  size_t received_bytes = kLargeBytes;
  // On a busy machine the server may be late.
  for (const int seconds : {3, 10, 30}) {
    HttpClient not_reading(server.address(), 4096);
    ASSERT_TRUE(not_reading.Send(GetChildVersionRequest(replica.client_id(), kNil).Serialize()));
    ASSERT_TRUE(not_reading.WaitForAnswer());
    // It holds a piece, and not its whole answer.
    replica.Reconnect(server);
    const HttpResponse response = replica.GetChildVersion(kNil);
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_TRUE(response.body == segment);
    absl::SleepFor(absl::Seconds(seconds));
    const std::optional<std::string> received = not_reading.ReadUntilClosed();
    ASSERT_TRUE(received.has_value()) << "the connection stayed open";
    received_bytes = received->size();
    if (received_bytes < kLargeBytes) break;
  }
  EXPECT_LT(received_bytes, kLargeBytes);
}

}  // namespace
}  // namespace tcsync::conformance
