// RemoteServer::Probe and its verdict on the answers. If these fail, the wizard sets up against
// something that is no sync server, or sends people after a mistake that they did not make.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "remote_calls.h"
#include "scripted_server.h"
#include "tcsync/remote_server.h"

namespace tcsync {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Kind = RemoteProbe::Kind;

// A sync server, by its answers to the questions of the probe.
struct SyncServer {
  std::string page = HttpAnswer("200 OK\r\nContent-Type: text/plain", "Some server 1.2\nmore\n");
  std::string anonymous = HttpAnswer("400 Bad Request");
  std::string snapshot = HttpAnswer("404 Not Found");
  std::string first_version = HttpAnswer("404 Not Found");

  std::string operator()(const std::string& request) const {
    if (!absl::StartsWith(request, "GET ")) return HttpAnswer("405 Method Not Allowed");
    if (absl::StartsWith(request, "GET /v1/client/get-child-version/")) return first_version;
    if (!absl::StartsWith(request, "GET /v1/client/snapshot ")) return page;
    return absl::StrContains(request, "X-Client-Id: ") ? snapshot : anonymous;
  }
};

RemoteProbe ProbeOf(const SyncServer& answers, bool has_client = true) {
  const ScriptedServer server(Answering(answers));
  return Value(OpenRemote(server.url(), TestOptions(), has_client)->Probe());
}

// The head of an answer with a body of 50 megabytes, of which nothing may be waited for.
std::string LongAnswer(absl::string_view media_type) {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: ", media_type,
                      "\r\nContent-Length: 50000000\r\n\r\n");
}

// If this fails, the wizard refuses to set up the first computer of a new user.
TEST(ProbeTest, FindsASyncServerWithoutThisClient) {
  const RemoteProbe probe = ProbeOf({});
  EXPECT_EQ(probe.kind, Kind::kEmptyHistory);
  EXPECT_EQ(probe.http_status, 200);
  EXPECT_EQ(probe.server_name, "Some server 1.2");
  EXPECT_FALSE(probe.has_snapshot);
  EXPECT_FALSE(probe.has_versions);
  EXPECT_FALSE(probe.certificate_expires.has_value());
  EXPECT_FALSE(probe.server_time.has_value());
}

// If this fails, the wizard sets up a second computer as a first one, and two histories diverge.
TEST(ProbeTest, FindsASyncServerWithAHistory) {
  SyncServer answers;
  answers.first_version = LongAnswer("application/vnd.taskchampion.history-segment");
  RemoteProbe probe = ProbeOf(answers);
  EXPECT_EQ(probe.kind, Kind::kHistory);
  EXPECT_TRUE(probe.has_versions);
  EXPECT_FALSE(probe.has_snapshot);

  answers.snapshot = LongAnswer("application/vnd.taskchampion.snapshot");
  probe = ProbeOf(answers);
  EXPECT_EQ(probe.kind, Kind::kHistory);
  EXPECT_TRUE(probe.has_versions);
  EXPECT_TRUE(probe.has_snapshot);

  // The first versions were removed.
  answers.first_version = HttpAnswer("410 Gone");
  probe = ProbeOf(answers);
  EXPECT_EQ(probe.kind, Kind::kHistory);
  EXPECT_TRUE(probe.has_versions);

  // All that is left is the snapshot.
  answers.first_version = HttpAnswer("404 Not Found");
  probe = ProbeOf(answers);
  EXPECT_EQ(probe.kind, Kind::kHistory);
  EXPECT_FALSE(probe.has_versions);
}

// If this fails, the wizard sets up a client that the server refuses.
TEST(ProbeTest, ReportsAClientThatIsNotAllowed) {
  SyncServer answers;
  answers.snapshot = HttpAnswer("403 Forbidden");
  EXPECT_EQ(ProbeOf(answers).kind, Kind::kNotAllowed);
  EXPECT_EQ(ProbeOf(answers, false).kind, Kind::kSyncServer);
}

// If this fails, the wizard cannot check a URL before it has credentials.
TEST(ProbeTest, WorksWithoutAClientId) { EXPECT_EQ(ProbeOf({}, false).kind, Kind::kSyncServer); }

// If this fails, the wizard sets up against a website.
TEST(ProbeTest, RecognizesServersWithoutSync) {
  const std::string html = HttpAnswer("200 OK\r\nContent-Type: text/html", "<h1>Welcome</h1>");
  // Everything alike: a page for every path, nothing, a login, an https port that was spoken to in
  // plain HTTP.
  for (const std::string& answer :
       {html, HttpAnswer("404 Not Found"), HttpAnswer("401 Unauthorized"),
        HttpAnswer("403 Forbidden"),
        HttpAnswer("400 Bad Request\r\nContent-Type: text/html", "The plain HTTP request...")}) {
    SCOPED_TRACE(answer);
    const RemoteProbe probe = ProbeOf({answer, answer, answer, answer});
    EXPECT_EQ(probe.kind, Kind::kNotSyncServer);
    EXPECT_EQ(probe.server_name, "");
    EXPECT_NE(probe.http_status, 0);
  }
  SyncServer answers;
  answers.snapshot = html;
  EXPECT_EQ(ProbeOf(answers).kind, Kind::kNotSyncServer);
}

// If this fails, a sync server behind a company's start page counts as none.
// Operators put other things at the root, and the sync server still works.
TEST(ProbeTest, IgnoresThePageAtTheUrl) {
  for (const std::string& page :
       {HttpAnswer("404 Not Found"), HttpAnswer("302 Found\r\nLocation: /login"),
        HttpAnswer("500 Oops"), HttpAnswer("200 OK\r\nContent-Type: text/html", "<html>"),
        LongAnswer("text/html")}) {
    SyncServer answers;
    answers.page = page;
    const RemoteProbe probe = ProbeOf(answers);
    EXPECT_EQ(probe.kind, Kind::kEmptyHistory) << page;
    EXPECT_EQ(probe.server_name, "");
  }
}

// If this fails, a server that is down for a moment counts as no sync server.
TEST(ProbeTest, TemporaryFailuresAreErrors) {
  struct Case {
    const char* head;
    RemoteFault fault;
  };
  for (const Case& expected :
       {Case{"503 Busy", RemoteFault::kServerUnavailable},
        Case{"500 Oops", RemoteFault::kServerFailed}, Case{"429 Slow", RemoteFault::kRateLimited},
        Case{"308 Moved\r\nLocation: https://new", RemoteFault::kRedirected}}) {
    for (std::string SyncServer::*question :
         {&SyncServer::anonymous, &SyncServer::snapshot, &SyncServer::first_version}) {
      SyncServer answers;
      answers.*question = HttpAnswer(expected.head);
      const ScriptedServer server(Answering(answers));
      EXPECT_EQ(ErrorOf(OpenRemote(server.url())->Probe()).fault, expected.fault);
    }
  }
  EXPECT_EQ(ErrorOf(OpenRemote(absl::StrCat("http://127.0.0.1:", RefusingPort()))->Probe()).fault,
            RemoteFault::kConnectionRefused);
}

// If this fails, a person does not learn that a clock is wrong, and certificates fail without a
// reason.
TEST(ProbeTest, ReadsTheServersClock) {
  SyncServer answers;
  answers.page = HttpAnswer("200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ProbeOf(answers).server_time, 784111777);
  answers.page = HttpAnswer("200 OK\r\nDate: yesterday");
  EXPECT_FALSE(ProbeOf(answers).server_time.has_value());
}

// If this fails, a check of a server creates a client or a version on it.
TEST(ProbeTest, ChangesNothingOnTheServer) {
  std::mutex mutex;
  std::vector<std::string> requests;
  const ScriptedServer server(Answering([&](const std::string& request) {
    const std::lock_guard<std::mutex> lock(mutex);
    requests.push_back(request);
    return SyncServer()(request);
  }));
  Value(OpenRemote(server.url())->Probe());
  const std::lock_guard<std::mutex> lock(mutex);
  EXPECT_THAT(requests, SizeIs(4));
  EXPECT_THAT(requests, Each(StartsWith("GET ")));
}

}  // namespace
}  // namespace tcsync
