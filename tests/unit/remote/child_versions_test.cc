// Many versions in one answer, from servers that are scripted to the byte. If these fail, a replica
// far behind needs a request for each version, believes a hostile server, or begins again after
// each interruption.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/version_frames.h"
#include "remote_calls.h"
#include "scripted_server.h"
#include "tcsync/remote_server.h"

namespace tcsync {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Uuid kFirst = *Uuid::Parse("00000000-0001-4000-8000-000000000001");
const Uuid kSecond = *Uuid::Parse("00000000-0002-4000-8000-000000000002");
const Uuid kThird = *Uuid::Parse("00000000-0003-4000-8000-000000000003");

constexpr char kAccept[] =
    "\r\nAccept: application/vnd.tcsync.versions, application/vnd.taskchampion.history-segment\r\n";

std::string Frame(const Uuid& version_id, absl::string_view bytes) {
  std::string frame;
  base::AppendVersionFrame(version_id, bytes, frame);
  return frame;
}

std::string SealedFrame(const Uuid& parent, const Uuid& version_id, absl::string_view plaintext) {
  return Frame(version_id, Seal(TestKey(), parent, plaintext).value());
}

std::string ManyHead(const Uuid& parent) {
  return absl::StrCat(
      "200 OK\r\nContent-Type: application/vnd.tcsync.versions\r\n"
      "X-Parent-Version-Id: ",
      parent.ToString());
}

std::string OneVersion(const Uuid& parent, const Uuid& version_id, absl::string_view plaintext) {
  return HttpAnswer(
      absl::StrCat("200 OK\r\nContent-Type: application/vnd.taskchampion.history-segment\r\n",
                   "X-Version-Id: ", version_id.ToString(),
                   "\r\nX-Parent-Version-Id: ", parent.ToString()),
      Seal(TestKey(), parent, plaintext).value());
}

// "ID plaintext" of each version that was found.
std::vector<std::string> Lines(const ChildVersions& children) {
  EXPECT_EQ(children.outcome, ChildVersion::Outcome::kFound);
  std::vector<std::string> lines;
  for (const ChildVersions::Found& found : children.versions) {
    lines.push_back(
        absl::StrCat(found.version_id.ToString(), " ", found.history_segment.AsStringView()));
  }
  return lines;
}

std::string Line(const Uuid& version_id, absl::string_view plaintext) {
  return absl::StrCat(version_id.ToString(), " ", plaintext);
}

// If this fails, a history takes a round trip for each of its versions.
TEST(ChildVersionsTest, OneRequestGivesTheVersionsThatFollow) {
  std::mutex mutex;
  std::vector<std::string> requests;
  const ScriptedServer server(Answering([&](const std::string& request) {
    const std::lock_guard lock(mutex);
    requests.push_back(request);
    return HttpAnswer(ManyHead(Uuid()), SealedFrame(Uuid(), kFirst, "one") +
                                            SealedFrame(kFirst, kSecond, "two") +
                                            SealedFrame(kSecond, kThird, "three"));
  }));
  const auto remote = OpenRemote(server.url() + "/base");
  EXPECT_THAT(Lines(Value(remote->GetChildVersions(Uuid()))),
              ElementsAre(Line(kFirst, "one"), Line(kSecond, "two"), Line(kThird, "three")));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_THAT(requests[0],
              ::testing::StartsWith("GET /base/v1/client/get-child-version/"
                                    "00000000-0000-0000-0000-000000000000 HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr(kAccept));
}

// If this fails, a replica cannot sync with the servers of others and earlier ones of ours, or pays
// for the question which kind a server is.
TEST(ChildVersionsTest, AnotherServerGivesOneVersionForOneRequest) {
  int requests = 0;
  const ScriptedServer server(Answering([&](auto&) {
    ++requests;
    return OneVersion(Uuid(), kFirst, "one");
  }));
  const auto remote = OpenRemote(server.url());
  for (int call = 1; call <= 2; ++call) {
    EXPECT_THAT(Lines(Value(remote->GetChildVersions(Uuid()))), ElementsAre(Line(kFirst, "one")));
    EXPECT_EQ(requests, call);
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(ChildVersionsTest, OtherAnswersAreThoseOfTheProtocol) {
  struct Case {
    const char* status;
    ChildVersion::Outcome outcome;
  };
  for (const Case& expected : {Case{"404 Not Found", ChildVersion::Outcome::kUpToDate},
                               Case{"410 Gone", ChildVersion::Outcome::kGone}}) {
    const ScriptedServer server(Answering([&](auto&) { return HttpAnswer(expected.status); }));
    const ChildVersions children = Value(OpenRemote(server.url())->GetChildVersions(Uuid()));
    EXPECT_EQ(children.outcome, expected.outcome) << expected.status;
    EXPECT_TRUE(children.versions.empty());
  }
  const ScriptedServer busy(
      Answering([](auto&) { return HttpAnswer("503 Service Unavailable\r\nRetry-After: 7"); }));
  const RemoteError error = ErrorOf(OpenRemote(busy.url())->GetChildVersions(Uuid()));
  EXPECT_EQ(error.fault, RemoteFault::kServerUnavailable);
  EXPECT_THAT(error.message, HasSubstr("7 seconds"));
}

// If this fails, a program that asks for one version, or that allows only short answers, gets one
// that it cannot take.
TEST(ChildVersionsTest, ManyAreOnlyAcceptedWhereTheyHaveRoom) {
  std::string request;
  const ScriptedServer server(Answering([&](const std::string& text) {
    request = text;
    return OneVersion(Uuid(), kFirst, "one");
  }));
  Value(OpenRemote(server.url())->GetChildVersion(Uuid()));
  EXPECT_THAT(request, Not(HasSubstr("Accept")));
  RemoteServerOptions options = TestOptions();
  options.response_bytes_max = base::kVersionsAnswerBytesMax;
  Value(OpenRemote(server.url(), options)->GetChildVersions(Uuid()));
  EXPECT_THAT(request, HasSubstr(kAccept));
  --options.response_bytes_max;
  Value(OpenRemote(server.url(), options)->GetChildVersions(Uuid()));
  EXPECT_THAT(request, Not(HasSubstr("Accept")));

  const ScriptedServer unasked(Answering(
      [](auto&) { return HttpAnswer(ManyHead(Uuid()), SealedFrame(Uuid(), kFirst, "")); }));
  EXPECT_EQ(ErrorOf(OpenRemote(unasked.url())->GetChildVersion(Uuid())).fault,
            RemoteFault::kBrokenAnswer);
}

// If this fails, a connection that is cut in the middle of an answer costs all of it, and a replica
// behind a bad network never gets further; or it takes a part of a version for a version.
TEST(ChildVersionsTest, ACutLeavesTheWholeVersions) {
  const std::string first = SealedFrame(Uuid(), kFirst, "one");
  const std::string body = first + SealedFrame(kFirst, kSecond, "two");
  const std::string head =
      absl::StrCat("HTTP/1.1 ", ManyHead(Uuid()), "\r\nContent-Length: ", body.size(), "\r\n\r\n");
  size_t sent_bytes = 0;
  const ScriptedServer server([&](Peer& peer) {
    for (std::string request = peer.ReadRequest(); !request.empty(); request = peer.ReadRequest()) {
      if (absl::StrContains(request, kFirst.ToString())) {
        if (!peer.Write(OneVersion(kFirst, kSecond, "two"))) return;
        continue;
      }
      peer.Write(head + body.substr(0, sent_bytes));
      return;  // closes
    }
  });
  for (; sent_bytes < body.size(); ++sent_bytes) {
    const auto remote = OpenRemote(server.url());
    if (sent_bytes < first.size()) {
      const RemoteError error = ErrorOf(remote->GetChildVersions(Uuid()));
      EXPECT_EQ(error.fault, RemoteFault::kNetworkFailed) << error.message;
      EXPECT_THAT(error.message, HasSubstr(absl::StrCat("after ", sent_bytes, " bytes")));
      continue;
    }
    EXPECT_THAT(Lines(Value(remote->GetChildVersions(Uuid()))), ElementsAre(Line(kFirst, "one")))
        << sent_bytes;
    // The next request continues, on a new connection.
    EXPECT_THAT(Lines(Value(remote->GetChildVersions(kFirst))), ElementsAre(Line(kSecond, "two")));
  }
}

// A proxy may choose the framing of an answer.
TEST(ChildVersionsTest, AnAnswerInChunksMayBeCutAsWell) {
  const std::string first = SealedFrame(Uuid(), kFirst, "one");
  const std::string second = SealedFrame(kFirst, kSecond, "two");
  const std::string head =
      absl::StrCat("HTTP/1.1 ", ManyHead(Uuid()), "\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunks =
      absl::StrCat(absl::Hex(first.size() + 5), "\r\n", first, second.substr(0, 5), "\r\n");
  const std::string last =
      absl::StrCat(absl::Hex(second.size() - 5), "\r\n", second.substr(5), "\r\n0\r\n\r\n");
  bool is_whole = false;
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(is_whole ? head + chunks + last : head + chunks);
  });
  EXPECT_THAT(Lines(Value(OpenRemote(server.url())->GetChildVersions(Uuid()))),
              ElementsAre(Line(kFirst, "one")));
  is_whole = true;
  EXPECT_THAT(Lines(Value(OpenRemote(server.url())->GetChildVersions(Uuid()))),
              ElementsAre(Line(kFirst, "one"), Line(kSecond, "two")));
}

// If this fails, a replica behind a slow link never receives an answer that takes longer than its
// time, while one version at a time would have come.
TEST(ChildVersionsTest, AnAnswerThatTakesTooLongLeavesTheWholeVersions) {
  const std::string body = SealedFrame(Uuid(), kFirst, "one") + SealedFrame(kFirst, kSecond, "two");
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(absl::StrCat("HTTP/1.1 ", ManyHead(Uuid()), "\r\nContent-Length: ", body.size(),
                            "\r\n\r\n", body.substr(0, body.size() - 1)));
    peer.WaitForClient();
  });
  RemoteServerOptions options = TestOptions();
  options.timeout_ms = 2'000;
  EXPECT_THAT(Lines(Value(OpenRemote(server.url(), options)->GetChildVersions(Uuid()))),
              ElementsAre(Line(kFirst, "one")));
}

// If this fails, Ctrl-C in the middle of an answer lets a sync go on.
TEST(ChildVersionsTest, ACancelledCallGivesNothing) {
  const std::string body = SealedFrame(Uuid(), kFirst, "one") + SealedFrame(kFirst, kSecond, "two");
  // Outlives the server, whose thread may still be in the cancel when the call has ended.
  std::unique_ptr<RemoteServer> remote;
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(absl::StrCat("HTTP/1.1 ", ManyHead(Uuid()), "\r\nContent-Length: ", body.size(),
                            "\r\n\r\n", body.substr(0, body.size() - 1)));
    remote->Cancel();
    peer.WaitForClient();
  });
  remote = OpenRemote(server.url());
  EXPECT_EQ(ErrorOf(remote->GetChildVersions(Uuid())).fault, RemoteFault::kCancelled);
}

// If this fails, a hostile or broken server leads a replica in a circle, fills its memory, or has
// its noise taken for versions.
TEST(ChildVersionsTest, AnswersThatBreakTheExtensionAreErrors) {
  const std::string good = SealedFrame(Uuid(), kFirst, "one");
  const std::string none(Uuid::kBytes + 4, '\0');
  std::string huge = Frame(kSecond, "x");
  huge[Uuid::kBytes] = '\x7f';
  struct Case {
    std::string answer;
    const char* text;
  };
  const std::string head = ManyHead(Uuid());
  const std::vector<Case> cases = {
      {HttpAnswer(head), "has no version"},
      {HttpAnswer(head, good.substr(0, good.size() - 1)), "ends within a version"},
      {HttpAnswer(head, good + "rest"), "ends within a version"},
      {HttpAnswer(head, good + good), "twice"},
      {HttpAnswer(head, good + none), "the nil ID"},
      {HttpAnswer(head, good + Frame(kSecond, "")), "a history segment of 0 bytes"},
      {HttpAnswer(head, good + huge), "a history segment of 2130706433 bytes"},
      {HttpAnswer(ManyHead(kSecond), good), "child of another version"},
      {HttpAnswer("200 OK\r\nContent-Type: application/vnd.tcsync.versions", good),
       "no header X-Parent-Version-Id"},
      {HttpAnswer(head + "\r\nContent-Encoding: gzip", good), "compressed"},
      {HttpAnswer(head, std::string(static_cast<size_t>(base::kVersionsAnswerBytesMax) + 1, 'x')),
       "bytes of versions, over 1048576"},
  };
  for (const Case& expected : cases) {
    SCOPED_TRACE(expected.text);
    const ScriptedServer server(Answering([&](auto&) { return expected.answer; }));
    const RemoteError error = ErrorOf(OpenRemote(server.url())->GetChildVersions(Uuid()));
    EXPECT_EQ(error.fault, RemoteFault::kBrokenAnswer) << error.message;
    EXPECT_THAT(error.message, HasSubstr(expected.text));
  }
}

// If this fails, a damaged version hides the good ones before it, or its name; or a version is
// taken that was sealed for another place in the chain.
TEST(ChildVersionsTest, AVersionThatDoesNotUnsealEndsTheAnswerBeforeIt) {
  const std::string misplaced = SealedFrame(Uuid(), kThird, "{\"operations\":[]}");
  const ScriptedServer server(Answering([&](const std::string& request) {
    if (absl::StrContains(request, kSecond.ToString())) {
      return HttpAnswer(ManyHead(kSecond), misplaced);
    }
    return HttpAnswer(ManyHead(Uuid()), SealedFrame(Uuid(), kFirst, "one") +
                                            SealedFrame(kFirst, kSecond, "two") + misplaced);
  }));
  const auto remote = OpenRemote(server.url());
  EXPECT_THAT(Lines(Value(remote->GetChildVersions(Uuid()))),
              ElementsAre(Line(kFirst, "one"), Line(kSecond, "two")));
  const RemoteError error = ErrorOf(remote->GetChildVersions(kSecond));
  EXPECT_EQ(error.fault, RemoteFault::kUnsealFailed);
  EXPECT_EQ(error.unseal_fault, UnsealFault::kNotAuthentic);
  EXPECT_EQ(error.version_id, kThird);
}

}  // namespace
}  // namespace tcsync
