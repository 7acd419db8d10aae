// The protocol as RemoteServer speaks it, against servers that are scripted to the byte. If these
// fail, the setup wizard and the doctor do not speak the replicas' protocol, or
// give a person the wrong explanation.
#include "tcsync/remote_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/version.h"
#include "remote_calls.h"
#include "scripted_server.h"

namespace tcsync {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kPlaintext[] = "{\"operations\":[]}";

std::string SegmentHead(const Uuid& version_id, const Uuid& parent) {
  return absl::StrCat("200 OK\r\nContent-Type: application/vnd.taskchampion.history-segment\r\n",
                      "X-Version-Id: ", version_id.ToString(),
                      "\r\nX-Parent-Version-Id: ", parent.ToString());
}

std::string SnapshotHead(const Uuid& version_id) {
  return absl::StrCat("200 OK\r\nContent-Type: application/vnd.taskchampion.snapshot\r\n",
                      "X-Version-Id: ", version_id.ToString());
}

std::string SealedFor(const Uuid& version_id, absl::string_view plaintext = kPlaintext) {
  return Seal(TestKey(), version_id, plaintext).value();
}

// Answers every request alike, and keeps the requests.
class RecordingServer {
 public:
  explicit RecordingServer(std::string answer)
      : server_(Answering([this, answer = std::move(answer)](const std::string& request) {
          const std::lock_guard<std::mutex> lock(mutex_);
          requests_.push_back(request);
          return answer;
        })) {}

  std::vector<std::string> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  const ScriptedServer& server() const { return server_; }
  std::string url() const { return server_.url(); }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  ScriptedServer server_;
};

// If this fails, the wizard cannot read a user's history, or pays for a connection with each
// version.
TEST(RemoteServerTest, GetsAndUnsealsAVersion) {
  const Uuid parent = Uuid::Random();
  RecordingServer server(HttpAnswer(SegmentHead(TestVersion(), parent), SealedFor(parent)));
  const auto remote = OpenRemote(server.url() + "/base/path/");
  ASSERT_NE(remote, nullptr);
  for (int round = 0; round < 3; ++round) {
    const ChildVersion child = Value(remote->GetChildVersion(parent));
    EXPECT_EQ(child.outcome, ChildVersion::Outcome::kFound);
    EXPECT_EQ(child.version_id, TestVersion());
    EXPECT_EQ(child.history_segment.AsStringView(), kPlaintext);
  }
  EXPECT_EQ(server.server().connections(), 1) << "each call costs a connection and a TLS handshake";
  EXPECT_THAT(server.requests()[0],
              AllOf(StartsWith(absl::StrCat("GET /base/path/v1/client/get-child-version/",
                                            parent.ToString(), " HTTP/1.1\r\n")),
                    HasSubstr(absl::StrCat("\r\nHost: 127.0.0.1:", server.server().port(), "\r\n")),
                    HasSubstr(absl::StrCat("\r\nX-Client-Id: ", TestClientId().ToString(), "\r\n")),
                    HasSubstr(absl::StrCat("\r\nUser-Agent: tcsync/", base::kVersion, "\r\n"))));
}

// If this fails, the wizard takes the end of a history for an error, or a removed version for the
// end.
TEST(RemoteServerTest, ReportsUpToDateAndGone) {
  const ScriptedServer up_to_date(Answering([](auto&) { return HttpAnswer("404 Not Found"); }));
  EXPECT_EQ(Value(OpenRemote(up_to_date.url())->GetChildVersion(Uuid())).outcome,
            ChildVersion::Outcome::kUpToDate);
  const ScriptedServer gone(Answering([](auto&) { return HttpAnswer("410 Gone"); }));
  EXPECT_EQ(Value(OpenRemote(gone.url())->GetChildVersion(Uuid())).outcome,
            ChildVersion::Outcome::kGone);
}

// If this fails, the binding's versions cannot be opened by replicas, or a server's request for a
// snapshot is missed.
TEST(RemoteServerTest, AddsASealedVersion) {
  const Uuid parent = Uuid::Random();
  RecordingServer server(
      HttpAnswer(absl::StrCat("200 OK\r\nX-Version-Id: ", TestVersion().ToString(),
                              "\r\nX-Snapshot-Request: urgency=low")));
  const AddedVersion added = Value(OpenRemote(server.url())->AddVersion(parent, kPlaintext));
  EXPECT_FALSE(added.is_conflict);
  EXPECT_EQ(added.version_id, TestVersion());
  EXPECT_EQ(added.requested_snapshot, RequestedSnapshot::kLow);

  const std::string request = server.requests().at(0);
  const size_t body = request.find("\r\n\r\n") + 4;
  EXPECT_THAT(
      request.substr(0, body),
      AllOf(StartsWith(absl::StrCat("POST /v1/client/add-version/", parent.ToString(), " ")),
            HasSubstr("Content-Type: application/vnd.taskchampion.history-segment\r\n")));
  EXPECT_THAT(request, Not(HasSubstr("operations"))) << "the plaintext was sent";
  const auto opened = Unseal(TestKey(), parent, request.substr(body));
  ASSERT_TRUE(std::holds_alternative<SecretString>(opened)) << "sealed for another version ID";
  EXPECT_EQ(std::get<SecretString>(opened).AsStringView(), kPlaintext);
}

// If this fails, a program that lost a race cannot continue from the winner's version.
TEST(RemoteServerTest, AConflictReportsTheLatestVersion) {
  const ScriptedServer server(Answering([](auto&) {
    return HttpAnswer(
        absl::StrCat("409 Conflict\r\nX-Parent-Version-Id: ", TestVersion().ToString()));
  }));
  const AddedVersion added = Value(OpenRemote(server.url())->AddVersion(Uuid(), kPlaintext));
  EXPECT_TRUE(added.is_conflict);
  EXPECT_EQ(added.version_id, TestVersion());
}

// If this fails, replicas cannot open snapshots of the binding, or the other way round.
TEST(RemoteServerTest, SnapshotsAreSealedWithTheirOwnVersion) {
  RecordingServer server(HttpAnswer(SnapshotHead(TestVersion()), SealedFor(TestVersion())));
  const auto remote = OpenRemote(server.url());
  const auto snapshot = Value(remote->GetSnapshot());
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->version_id, TestVersion());
  EXPECT_EQ(snapshot->snapshot.AsStringView(), kPlaintext);
  Value(remote->AddSnapshot(TestVersion(), "\x78\x9c and so on"));
  const std::string request = server.requests().at(1);
  EXPECT_THAT(request, AllOf(StartsWith(absl::StrCat("POST /v1/client/add-snapshot/",
                                                     TestVersion().ToString(), " ")),
                             HasSubstr("Content-Type: application/vnd.taskchampion.snapshot\r\n")));
  EXPECT_TRUE(std::holds_alternative<SecretString>(
      Unseal(TestKey(), TestVersion(), request.substr(request.find("\r\n\r\n") + 4))));

  const ScriptedServer none(Answering([](auto&) { return HttpAnswer("404 Not Found"); }));
  EXPECT_FALSE(Value(OpenRemote(none.url())->GetSnapshot()).has_value());
}

// If this fails, a person gets the wrong advice for a server's refusal.
TEST(RemoteServerTest, EachStatusHasItsFault) {
  struct Case {
    const char* head;
    RemoteFault fault;
    const char* text;
  };
  for (const Case& expected : {
           Case{"403 Forbidden", RemoteFault::kNotAllowed, "client ID"},
           Case{"413 Too Large", RemoteFault::kTooLarge, "limit"},
           Case{"429 Slow\r\nRetry-After: 17", RemoteFault::kRateLimited, "in 17 seconds"},
           Case{"429 Slow", RemoteFault::kRateLimited, "later"},
           Case{"503 Busy\r\nRetry-After: 1", RemoteFault::kServerUnavailable, "in 1 second"},
           Case{"503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT",
                RemoteFault::kServerUnavailable, "after Fri, 31 Dec"},
           Case{"502 Bad Gateway", RemoteFault::kServerUnavailable, "not running"},
           Case{"504 Gateway Timeout", RemoteFault::kServerUnavailable, "not running"},
           Case{"507 Full", RemoteFault::kServerFull, "this client"},
           Case{"500 Oops", RemoteFault::kServerFailed, "log"},
           Case{"400 Bad", RemoteFault::kRejected, "path"},
           Case{"401 Unauthorized", RemoteFault::kRejected, "HTTP status 401"},
           Case{"405 Method", RemoteFault::kRejected, "HTTP status 405"},
           Case{"204 Empty", RemoteFault::kBrokenAnswer, "HTTP status 204"},
           Case{"301 Moved\r\nLocation: https://new.example/base/v1/client/snapshot",
                RemoteFault::kRedirected, "configure https://new.example/base as"},
           Case{"302 Found", RemoteFault::kRedirected, "nowhere"},
       }) {
    SCOPED_TRACE(expected.head);
    const ScriptedServer server(Answering([&](auto&) { return HttpAnswer(expected.head); }));
    const RemoteError error = ErrorOf(OpenRemote(server.url())->GetSnapshot());
    EXPECT_EQ(error.fault, expected.fault);
    EXPECT_THAT(error.message,
                AllOf(HasSubstr(expected.text),
                      HasSubstr(absl::StrCat("GET ", server.url(), "/v1/client/snapshot"))));
    EXPECT_EQ(server.connections(), 1) << "followed a redirect, or asked again";
  }
  // To add is answered with 404 where clients are not created.
  const ScriptedServer not_found(Answering([](auto&) { return HttpAnswer("404 Not Found"); }));
  const auto remote = OpenRemote(not_found.url());
  EXPECT_EQ(ErrorOf(remote->AddVersion(Uuid(), kPlaintext)).fault, RemoteFault::kRejected);
  EXPECT_EQ(ErrorOf(remote->AddSnapshot(Uuid(), kPlaintext)).fault, RemoteFault::kRejected);
}

// If this fails, a person does not see the server's reason, or sees a page of HTML in its place.
TEST(RemoteServerTest, TheServersReasonIsQuoted) {
  const ScriptedServer server(Answering([](auto&) {
    return HttpAnswer("507 Full\r\nContent-Type: text/plain; charset=utf-8",
                      "Only 3 bytes are left.\nMore of it.");
  }));
  const auto remote = OpenRemote(server.url());
  EXPECT_THAT(ErrorOf(remote->AddVersion(Uuid(), kPlaintext)).message,
              AllOf(HasSubstr("\"Only 3 bytes are left.\""), Not(HasSubstr("More of it"))));
  // A page for browsers is no sentence; a body that is too long to read is left alone.
  for (const std::string& answer :
       {HttpAnswer("500 Oops\r\nContent-Type: text/html", "<html>"),
        absl::StrCat("HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: "
                     "99999999\r\n\r\nvery long")}) {
    const ScriptedServer other(Answering([&](auto&) { return answer; }));
    const RemoteError error = ErrorOf(OpenRemote(other.url())->GetSnapshot());
    EXPECT_EQ(error.fault, RemoteFault::kServerFailed);
    EXPECT_THAT(error.message, Not(HasSubstr("says")));
  }
}

// If this fails, the wizard believes a website or a broken server.
TEST(RemoteServerTest, AnswersThatBreakTheProtocolAreErrors) {
  const std::string id = TestVersion().ToString();
  const std::string nil = Uuid().ToString();
  const std::string type = "Content-Type: application/vnd.taskchampion.history-segment\r\n";
  struct Case {
    std::string answer;
    const char* text;
  };
  const std::vector<Case> cases = {
      {HttpAnswer("200 OK\r\n" + type + "X-Parent-Version-Id: " + nil), "no header X-Version-Id"},
      {HttpAnswer("200 OK\r\n" + type + "X-Version-Id: " + id), "no header X-Parent-Version-Id"},
      {HttpAnswer("200 OK\r\n" + type + "X-Version-Id: 12\r\nX-Parent-Version-Id: " + nil),
       "X-Version-Id '12', which is not a UUID"},
      {HttpAnswer(SegmentHead(TestVersion(), TestVersion())), "child of another version"},
      {HttpAnswer("200 OK\r\nContent-Type: text/html\r\nX-Version-Id: " + id +
                  "\r\nX-Parent-Version-Id: " + nil),
       "content type 'text/html'"},
      {HttpAnswer(SegmentHead(TestVersion(), Uuid()) + "\r\nContent-Encoding: gzip"), "compressed"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"},
      {"HTTP/1.1 abc\r\n\r\n", "not HTTP"},
      {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n", "not HTTP"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "breaks the rules of HTTP"},
  };
  for (const Case& expected : cases) {
    SCOPED_TRACE(expected.answer.substr(0, 200));
    const ScriptedServer server(Answering([&](auto&) { return expected.answer; }));
    const RemoteError error = ErrorOf(OpenRemote(server.url())->GetChildVersion(Uuid()));
    EXPECT_EQ(error.fault, RemoteFault::kBrokenAnswer) << error.message;
    EXPECT_THAT(error.message, HasSubstr(expected.text));
  }
}

// If this fails, a person with a wrong secret does not learn so, or cannot name the damaged
// version.
TEST(RemoteServerTest, AnUnsealFailureNamesTheFaultAndTheVersion) {
  struct Case {
    std::string body;
    UnsealFault fault;
  };
  const SealingKey other = SealingKey::Derive(TestClientId(), "another secret").value();
  for (const Case& expected : {
           Case{Seal(other, Uuid(), kPlaintext).value(), UnsealFault::kWrongKey},
           Case{SealedFor(TestVersion()), UnsealFault::kNotAuthentic},
           Case{"", UnsealFault::kTruncated},
           Case{std::string(100, '\x07'), UnsealFault::kUnknownFormat},
       }) {
    const ScriptedServer server(Answering(
        [&](auto&) { return HttpAnswer(SegmentHead(TestVersion(), Uuid()), expected.body); }));
    const RemoteError error = ErrorOf(OpenRemote(server.url())->GetChildVersion(Uuid()));
    EXPECT_EQ(error.fault, RemoteFault::kUnsealFailed);
    EXPECT_EQ(error.unseal_fault, expected.fault);
    EXPECT_EQ(error.version_id, TestVersion());
    EXPECT_THAT(error.message, HasSubstr(TestVersion().ToString()));
  }
}

// If this fails, a hostile server fills a computer's memory.
TEST(RemoteServerTest, AnswersOverTheLimitAreRefused) {
  RemoteServerOptions options = TestOptions();
  const std::string sealed = SealedFor(Uuid());
  options.response_bytes_max = static_cast<int64_t>(sealed.size());
  const std::string head = SegmentHead(TestVersion(), Uuid());
  const std::string too_long = sealed + "x";
  const std::vector<std::string> answers = {
      HttpAnswer(head, too_long),
      "HTTP/1.1 " + head + "\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" +
          std::string(0xffff, 'x'),
      // Neither length nor chunks: until the server closes, which this one would do late.
      "HTTP/1.1 " + head + "\r\n\r\n" + too_long,
  };
  for (const std::string& answer : answers) {
    SCOPED_TRACE(answer.substr(0, 300));
    const ScriptedServer server([&](Peer& peer) {
      peer.ReadRequest();
      peer.Write(answer);
      peer.WaitForClient();
    });
    const RemoteError error = ErrorOf(OpenRemote(server.url(), options)->GetChildVersion(Uuid()));
    EXPECT_EQ(error.fault, RemoteFault::kAnswerTooLarge) << error.message;
  }
  const ScriptedServer just_fits(Answering([&](auto&) { return HttpAnswer(head, sealed); }));
  Value(OpenRemote(just_fits.url(), options)->GetChildVersion(Uuid()));
}

// If this fails, sync fails behind a proxy that sends early hints.
TEST(RemoteServerTest, InterimAnswersAreSkipped) {
  const ScriptedServer server(Answering([](auto&) {
    return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
           HttpAnswer("410 Gone");
  }));
  EXPECT_EQ(Value(OpenRemote(server.url())->GetChildVersion(Uuid())).outcome,
            ChildVersion::Outcome::kGone);
}

// If this fails, a call fails after each pause that is longer than the server's timeout.
// A server may close a connection that it promised to keep, at any time between two calls.
TEST(RemoteServerTest, AClosedConnectionIsReplaced) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Write(HttpAnswer("410 Gone"));
  });
  const auto remote = OpenRemote(server.url());
  for (int round = 1; round <= 3; ++round) {
    EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
    EXPECT_EQ(server.connections(), round);
  }
}

// If this fails, a version is added twice, or a read fails for a closed connection.
// The request is on its way when the server closes. A read is retried. An add is not, because the
// server may have added it.
TEST(RemoteServerTest, OnlyReadsAreRepeated) {
  std::mutex mutex;
  std::vector<std::string> requests;
  const ScriptedServer server([&](Peer& peer) {
    for (int served = 0; served < 2; ++served) {
      const std::string request = peer.ReadRequest();
      {
        const std::lock_guard<std::mutex> lock(mutex);
        requests.push_back(request.substr(0, request.find(' ')));
      }
      if (request.empty() || served == 1) return;
      peer.Write(HttpAnswer("410 Gone"));
    }
  });
  const auto remote = OpenRemote(server.url());
  Value(remote->GetChildVersion(Uuid()));
  Value(remote->GetChildVersion(Uuid()));
  const std::lock_guard<std::mutex> before_lock(mutex);
  EXPECT_THAT(requests, ::testing::ElementsAre("GET", "GET", "GET"));
}

// If this fails, a version is added twice.
TEST(RemoteServerTest, AnUploadIsNotRepeated) {
  std::mutex mutex;
  int uploads = 0;
  const ScriptedServer server([&](Peer& peer) {
    while (true) {
      const std::string request = peer.ReadRequest();
      if (absl::StartsWith(request, "POST")) {
        const std::lock_guard<std::mutex> lock(mutex);
        ++uploads;
      }
      if (!absl::StartsWith(request, "GET")) return;
      peer.Write(HttpAnswer("410 Gone"));
    }
  });
  const auto remote = OpenRemote(server.url());
  Value(remote->GetChildVersion(Uuid()));
  EXPECT_EQ(ErrorOf(remote->AddVersion(Uuid(), kPlaintext)).fault, RemoteFault::kNetworkFailed);
  const std::lock_guard<std::mutex> lock(mutex);
  EXPECT_EQ(uploads, 1);
}

// If this fails, a person reads of a broken network although the upload is too large.
// A server that refuses by the head closes without reading the body. That resets the connection
// while the body is still being sent.
TEST(RemoteServerTest, AnEarlyAnswerToALongUploadIsRead) {
  const ScriptedServer server([](Peer& peer) {
    peer.Write(HttpAnswer("413 Too Large\r\nConnection: close"));
    peer.WaitForClient();
    while (!peer.ReadRequest().empty()) {
    }
  });
  const std::string megabytes(4'000'000, 'x');
  EXPECT_EQ(ErrorOf(OpenRemote(server.url())->AddVersion(Uuid(), megabytes)).fault,
            RemoteFault::kTooLarge);
}

// If this fails, a program adds a version that no replica can read.
TEST(RemoteServerTest, EmptyPlaintextsAreRefused) {
  RecordingServer server(HttpAnswer("500 Oops"));
  const auto remote = OpenRemote(server.url());
  EXPECT_EQ(ErrorOf(remote->AddVersion(Uuid(), "")).fault, RemoteFault::kInvalidArgument);
  EXPECT_EQ(ErrorOf(remote->AddSnapshot(Uuid(), "")).fault, RemoteFault::kInvalidArgument);
  EXPECT_THAT(server.requests(), IsEmpty());
}

// If this fails, a mistake in a program's options shows as a strange network error.
TEST(RemoteServerTest, InvalidOptionsAreRefused) {
  const auto open = [](const std::string& url, const RemoteServerOptions& options) {
    return ErrorOf(RemoteServer::Open(url, TestClientId(), nullptr, options));
  };
  RemoteServerOptions options = TestOptions();
  EXPECT_EQ(open("nonsense", options).fault, RemoteFault::kInvalidAddress);
  options.timeout_ms = -1;
  EXPECT_EQ(open("http://host", options).fault, RemoteFault::kInvalidOption);
  options = TestOptions();
  options.connect_timeout_ms = int64_t{1} << 60;
  EXPECT_EQ(open("http://host", options).fault, RemoteFault::kInvalidOption);
  options = TestOptions();
  options.response_bytes_max = 0;
  EXPECT_EQ(open("http://host", options).fault, RemoteFault::kInvalidOption);
  options = TestOptions();
  options.proxy = "socks5://proxy";
  EXPECT_EQ(open("http://host", options).fault, RemoteFault::kInvalidAddress);
  EXPECT_EQ(
      ErrorOf(RemoteServer::Open("http://host", std::nullopt, &TestKey(), TestOptions())).fault,
      RemoteFault::kInvalidArgument);
}

// If these fail, a program that syncs by itself asks far too often, or misses what it waits for.
class AwaitVersionTest : public testing::Test {
 protected:
  static RemoteResult<AwaitedVersion> Await(const std::string& answer, int64_t wait_seconds = 5) {
    RecordingServer server(answer);
    const auto remote = OpenRemote(server.url());
    return remote->AwaitVersion(TestVersion(), wait_seconds);
  }
};

TEST_F(AwaitVersionTest, AsksAsTheExtensionSaysAndNeedsNoKey) {
  RecordingServer server(HttpAnswer("404 Not Found\r\nPreference-Applied: wait=5"));
  auto opened = RemoteServer::Open(server.url(), TestClientId(), nullptr, TestOptions());
  const auto& remote = std::get<std::unique_ptr<RemoteServer>>(opened);
  for (const int64_t wait : {5, 0}) {
    EXPECT_EQ(Value(remote->AwaitVersion(TestVersion(), wait)).outcome,
              AwaitedVersion::Outcome::kUpToDate);
  }
  const std::vector<std::string> requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0],
              AllOf(StartsWith(absl::StrCat("GET /v1/client/get-child-version/",
                                            TestVersion().ToString(), " HTTP/1.1\r\n")),
                    HasSubstr(absl::StrCat("X-Client-Id: ", TestClientId().ToString(), "\r\n")),
                    HasSubstr("Prefer: wait=5, return=minimal\r\n")));
  EXPECT_THAT(requests[1], Not(HasSubstr("Prefer")));
  EXPECT_EQ(server.server().connections(), 1);
}

TEST_F(AwaitVersionTest, EachAnswerHasItsOutcome) {
  const Uuid next = Uuid::Random();
  const AwaitedVersion found =
      Value(Await(HttpAnswer(SegmentHead(next, TestVersion()), "not sealed")));
  EXPECT_EQ(found.outcome, AwaitedVersion::Outcome::kFound);
  EXPECT_EQ(found.version_id, next);
  EXPECT_EQ(Value(Await(HttpAnswer("410 Gone"))).outcome, AwaitedVersion::Outcome::kGone);
  for (const char* head :
       {"404 Not Found", "404 Not Found\r\nPreference-Applied: return=minimal"}) {
    EXPECT_EQ(Value(Await(HttpAnswer(head))).outcome, AwaitedVersion::Outcome::kNoWaits);
  }
  EXPECT_EQ(Value(Await(HttpAnswer("404 Not Found"), 0)).outcome,
            AwaitedVersion::Outcome::kUpToDate);
  EXPECT_EQ(ErrorOf(Await(HttpAnswer("200 OK"))).fault, RemoteFault::kBrokenAnswer);
  EXPECT_EQ(ErrorOf(Await(HttpAnswer("503 Service Unavailable"))).fault,
            RemoteFault::kServerUnavailable);
  EXPECT_EQ(ErrorOf(Await(HttpAnswer("403 Forbidden"))).fault, RemoteFault::kNotAllowed);
  for (const int64_t wait : {int64_t{-1}, int64_t{3601}}) {
    const RemoteError error = ErrorOf(Await(HttpAnswer("404 Not Found"), wait));
    EXPECT_EQ(error.fault, RemoteFault::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr(absl::StrCat(wait)));
  }
  const auto anonymous = OpenRemote("http://127.0.0.1:1", TestOptions(), false);
  EXPECT_EQ(ErrorOf(anonymous->AwaitVersion(TestVersion(), 1)).fault,
            RemoteFault::kInvalidArgument);
}

// A 200 is not downloaded, however long it is, and the wait is beside the call's time.
TEST_F(AwaitVersionTest, TheTimeOfTheWaitIsNotTheCalls) {
  const Uuid next = Uuid::Random();
  ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    peer.Write(absl::StrCat("HTTP/1.1 ", SegmentHead(next, TestVersion()),
                            "\r\nContent-Length: 100000000\r\n\r\n"));
    peer.WaitForClient();
  });
  RemoteServerOptions options = TestOptions();
  options.connect_timeout_ms = options.timeout_ms = 200;
  const auto remote = OpenRemote(server.url(), options);
  EXPECT_EQ(Value(remote->AwaitVersion(TestVersion(), 5)).version_id, next);
  EXPECT_EQ(ErrorOf(remote->AwaitVersion(TestVersion(), 0)).fault, RemoteFault::kTimedOut);
}

// If this fails, a body that nobody reads holds a place at the server, which then refuses the same
// person's sync.
TEST_F(AwaitVersionTest, AnUnreadBodyEndsTheConnection) {
  std::atomic<bool> has_ended{false};
  ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(absl::StrCat("HTTP/1.1 ", SegmentHead(Uuid::Random(), TestVersion()),
                            "\r\nContent-Length: 100000000\r\n\r\nbeginning"));
    peer.WaitForClient();
    has_ended = true;
  });
  const auto remote = OpenRemote(server.url());
  EXPECT_EQ(Value(remote->AwaitVersion(TestVersion(), 5)).outcome, AwaitedVersion::Outcome::kFound);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!has_ended && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(has_ended) << "the connection stays open";
}

// If this fails, computers whose waits a busy server has ended come back at once, all together.
TEST_F(AwaitVersionTest, AWaitThatTheServerHangsUpOnIsNotRepeated) {
  std::atomic<int> requests{0};
  ScriptedServer server([&](Peer& peer) {
    while (!peer.ReadRequest().empty()) {
      if (++requests == 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(base::kRemoteIdleEndMsMax + 100));
        return;
      }
      peer.Write(HttpAnswer("404 Not Found\r\nPreference-Applied: wait=5"));
    }
  });
  const auto remote = OpenRemote(server.url());
  EXPECT_EQ(Value(remote->AwaitVersion(TestVersion(), 5)).outcome,
            AwaitedVersion::Outcome::kUpToDate);
  EXPECT_EQ(ErrorOf(remote->AwaitVersion(TestVersion(), 5)).fault, RemoteFault::kNetworkFailed);
  EXPECT_EQ(requests, 2);
}

}  // namespace
}  // namespace tcsync
