// Requests that wait for the next version, over real sockets and against each storage backend: the
// extension as docs/protocol.md has it. If these fail, a change on one computer reaches the others
// late or never, or those who wait keep a server busy.
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backend_test.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "tcsync/uuid.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

HttpRequest WaitRequest(absl::string_view client_id, absl::string_view parent, int seconds) {
  return With(GetChildVersionRequest(client_id, parent), "Prefer", absl::StrCat("wait=", seconds));
}

Options OptionsWithWait(absl::string_view storage, int64_t wait_ms) {
  Options options = OptionsFor(storage);
  options.version_wait_max_ms = wait_ms;
  return options;
}

class WaitingTest : public BackendTest {
 protected:
  // A connection on which a request waits for the version after `parent`.
  HttpClient BeginWait(const Replica& replica, absl::string_view parent, int seconds = 50) {
    HttpClient client = server().Connect();
    EXPECT_TRUE(client.Send(WaitRequest(replica.client_id(), parent, seconds).Serialize()));
    return client;
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, WaitingTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(WaitingTest, TheNextVersionAnswersEachThatWaits) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  std::vector<HttpClient> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(BeginWait(replica, first));
  for (HttpClient& client : waiting) EXPECT_FALSE(client.ClosedWithin(absl::Milliseconds(20)));
  // Small, and streamed.
  std::string parent = first;
  for (const size_t bytes : {size_t{10}, base::kPieceBytesMax + 1}) {
    const std::string segment = BinaryBytes(bytes);
    const std::string added = replica.Append(parent, segment);
    for (HttpClient& client : waiting) {
      const HttpResponse response = client.ReadResponse();
      EXPECT_EQ(response.status, 200) << response;
      EXPECT_EQ(response.Header("X-Version-Id"), added) << response;
      EXPECT_EQ(response.Header("X-Parent-Version-Id"), parent) << response;
      EXPECT_EQ(response.Header("Preference-Applied"), "wait=50") << response;
      EXPECT_TRUE(response.body == segment) << response;
      EXPECT_TRUE(client.Send(WaitRequest(replica.client_id(), added, 50).Serialize()));
    }
    parent = added;
  }
}

// If this fails, one person's change wakes other people's computers, which costs the server, and
// tells them when somebody works.
TEST_P(WaitingTest, AnotherClientsVersionsAnswerNothing) {
  Replica replica(server());
  Replica other(server());
  const std::string first = replica.Append(kNil);
  HttpClient waiting = BeginWait(replica, first);
  other.AppendChain(kNil, 3);
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(50)));
  const std::string second = replica.Append(first);
  EXPECT_EQ(waiting.ReadResponse().Header("X-Version-Id"), second);
}

TEST_P(WaitingTest, AWaitEndsWithTheUsualAnswer) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  const absl::Time begin = absl::Now();
  HttpClient waiting = BeginWait(replica, first, 1);
  const HttpResponse response = waiting.ReadResponse();
  EXPECT_EQ(response.status, 404) << response;
  EXPECT_EQ(response.body, "") << response;
  EXPECT_EQ(response.Header("Preference-Applied"), "wait=1") << response;
  EXPECT_GE(absl::Now() - begin, absl::Seconds(1));
  // The connection goes on.
  EXPECT_EQ(waiting.Exchange(GetChildVersionRequest(replica.client_id(), kNil)).status, 200);
}

TEST_P(WaitingTest, WhatIsKnownIsAnsweredAtOnce) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  HttpClient client = server().Connect();
  const auto status = [&](absl::string_view client_id, absl::string_view parent) {
    return client.Exchange(WaitRequest(client_id, parent, 3'000)).status;
  };
  EXPECT_EQ(status(replica.client_id(), kNil), 200);
  EXPECT_EQ(status(replica.client_id(), RandomId()), 410);
  EXPECT_EQ(status(RandomId(), kNil), 404);
  EXPECT_EQ(status("not-a-uuid", kNil), 400);
}

// If this fails, a version is missed that comes while its waiter begins to wait.
TEST_P(WaitingTest, NoVersionIsMissed) {
  Replica writer(server());
  std::string parent = writer.Append(kNil);
  HttpClient waiting = server().Connect();
  for (int i = 0; i < 300; ++i) {
    std::string added;
    std::thread other([&] { added = writer.Append(parent); });
    EXPECT_TRUE(waiting.Send(WaitRequest(writer.client_id(), parent, 50).Serialize()));
    const HttpResponse response = waiting.ReadResponse();
    other.join();
    ASSERT_EQ(response.status, 200) << response;
    ASSERT_EQ(response.Header("X-Version-Id"), added) << response;
    parent = added;
  }
}

// If this fails, an update of the server takes minutes, or computers see a broken connection.
TEST_P(WaitingTest, AStopAnswersThoseThatWait) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  std::vector<HttpClient> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(BeginWait(replica, first, 300));
  for (HttpClient& client : waiting) EXPECT_FALSE(client.ClosedWithin(absl::Milliseconds(20)));
  const absl::Time begin = absl::Now();
  server().Close();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(kDeadlineSeconds));
  for (HttpClient& client : waiting) {
    const HttpResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, 404) << response;
    EXPECT_TRUE(response.SaysClose()) << response;
  }
}

// If this fails, an operator cannot turn the extension off, or bound it.
TEST_P(WaitingTest, TheOptionBoundsTheWait) {
  for (const int64_t wait_ms : {0, 1, 1000}) {
    server().Reopen(OptionsWithWait(GetParam(), wait_ms));
    Replica replica(server());
    const std::string first = replica.Append(kNil);
    HttpClient waiting = BeginWait(replica, first, 3'000);
    const HttpResponse response = waiting.ReadResponse();
    EXPECT_EQ(response.status, 404) << response;
    EXPECT_EQ(response.Header("Preference-Applied"), wait_ms == 0 ? "" : "wait=1") << response;
  }
}

// If this fails, a person with many computers gets errors in place of the news, because each
// computer takes a place among large transfers for bytes that it does not want.
TEST_P(WaitingTest, ALargeVersionIsNewsForEachWhoWantsNothingElse) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  std::vector<HttpClient> waiting;
  for (int i = 0; i < 3 * base::kLargeTransfersPerClientMax; ++i) {
    waiting.push_back(server().Connect());
    EXPECT_TRUE(waiting.back().Send(With(GetChildVersionRequest(replica.client_id(), first),
                                         "Prefer", "wait=50, return=minimal")
                                        .Serialize()));
  }
  const std::string second = replica.Append(first, BinaryBytes(3'000'000));
  for (HttpClient& client : waiting) {
    const HttpResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.Header("X-Version-Id"), second) << response;
  }
}

// If this fails, a program that ends its side of the connection after its request gets a part of
// the version, and cannot know.
TEST_P(WaitingTest, AHalfClosedConnectionGetsTheWholeAnswer) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  HttpClient waiting = BeginWait(replica, first);
  const std::string segment = BinaryBytes(20'000'000);
  replica.Append(first, segment);
  EXPECT_TRUE(waiting.WaitForAnswer());
  waiting.ShutdownWrite();
  const HttpResponse response = waiting.ReadResponse();
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_TRUE(response.body == segment) << response.body.size() << " bytes";
}

// If this fails, computers go on waiting for a history that an operator has changed.
TEST_P(WaitingTest, AnOperatorsChangeAnswers) {
  http::Handler& administration = server().engine().administration();
  const auto admin = [&](const char* method, const std::string& target,
                         const std::string& body = "") {
    const http::Response response =
        administration.Handle({.method = method, .target = target, .headers = {}}, body);
    EXPECT_EQ(response.status, 200) << method << " " << target << ": " << response.body;
    return response.body;
  };
  Replica replica(server());
  const std::vector<std::string> chain = replica.AppendChain(kNil, 3);
  const std::string client = "/v1/admin/clients/" + replica.client_id();
  const std::string exported = admin("GET", client + "/export");
  HttpClient waiting = BeginWait(replica, chain[2]);
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(20)));
  admin("POST",
        absl::StrCat(client, "/rewind?version_id=", chain[1], "&latest_version_id=", chain[2]));
  EXPECT_EQ(waiting.ReadResponse().status, 410);
  waiting = BeginWait(replica, chain[1]);
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(20)));
  admin("POST", "/v1/admin/import", exported);
  EXPECT_EQ(waiting.ReadResponse().Header("X-Version-Id"), chain[2]);
  waiting = BeginWait(replica, chain[2]);
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(20)));
  admin("DELETE", client);
  EXPECT_EQ(waiting.ReadResponse().status, 404);
}

// If this fails, one client's waits take the places of everybody.
TEST_P(WaitingTest, AClientHasABoundedNumber) {
  Replica replica(server());
  const std::string first = replica.Append(kNil);
  HttpClient oldest = BeginWait(replica, first);
  EXPECT_FALSE(oldest.ClosedWithin(absl::Milliseconds(20)));
  std::vector<HttpClient> others;
  for (size_t i = 0; i < base::kLongPollsPerClientMax; ++i) {
    others.push_back(BeginWait(replica, first));
  }
  EXPECT_EQ(oldest.ReadResponse().status, 404);
  const std::string second = replica.Append(first);
  for (HttpClient& client : others) {
    EXPECT_EQ(client.ReadResponse().Header("X-Version-Id"), second);
  }
}

}  // namespace
}  // namespace tcsync::conformance
