// The client of the administration socket. If these fail, an operator reads a message of a parser
// instead of the fault, waits for ever, or works on another data directory than the server's.
#include "server/administration/admin_client.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/interruption.h"
#include "server/administration/temporary_directory.h"
#include "tests/unit/server/child.h"
#include "tests/unit/server/fake_server.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Settings At(const std::string& data_dir) { return {{"data-dir", data_dir}}; }

// A socket file without a server.
void LeaveSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(descriptor);
}

TEST(AdminClientTest, AnAnswerIsAValueOrASentence) {
  const struct {
    FakeServer::Reply reply;
    int status;
    const char* message;  // a part
  } cases[] = {
      {HttpReply(200, R"({"a":1})"), 0, ""},
      {HttpReply(200, ""), kExitFailure, "of status 200, is not JSON: is it a newer release?"},
      {HttpReply(200, R"({"a":)"), kExitFailure, "is not JSON"},
      {HttpReply(200, R"({"a":1}x)"), kExitFailure, "is not JSON"},
      {HttpReply(200, "{\"a\":\"\xff\"}"), kExitFailure, "is not JSON"},
      {HttpReply(200, std::string(100'000, '[')), kExitFailure, "is not JSON"},
      {HttpReply(400, R"({"error":"no such field"})"), kExitUsage, "no such field"},
      {HttpReply(404, R"({"error":"no client"})"), kExitFailure, "no client"},
      {HttpReply(503, R"({"error":"busy"})"), kExitFailure, "busy"},
      {HttpReply(500, ""), kExitFailure, "the server answered with status 500"},
      {HttpReply(500, "<html>"), kExitFailure, "the server answered with status 500"},
      {HttpReply(500, R"({"error":5})"), kExitFailure, "the server answered with status 500"},
      {HttpReply(500, R"({"error":null})"), kExitFailure, "the server answered with status 500"},
      {HttpReply(500, R"(["error"])"), kExitFailure, "the server answered with status 500"},
      {HttpReply(302, "", "Location: /elsewhere\r\n"), kExitFailure, "status 302"},
      {{"", true}, kExitFailure, "no answer from the server at "},
      {{"HTTP/1.1 200 OK\r\nContent-Le", true}, kExitFailure, "no answer from the server at "},
      {{"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"a\":1}", true},
       kExitFailure,
       "no answer from the server at "},
      {{"SSH-2.0-OpenSSH_9.2\r\n", true}, kExitFailure, "no answer from the server at "},
  };
  for (const auto& each : cases) {
    const TemporaryDirectory directory("tcsync-test");
    const FakeServer server(directory.path(), each.reply);
    const Outcome outcome = OutcomeOf([&] {
      AdminClient client(At(directory.path()), DataDirectory::kMustExist);
      EXPECT_EQ(client.Get("stats"), Json({{"a", 1}}));
    });
    EXPECT_EQ(outcome.status, each.status) << each.reply.bytes.substr(0, 80);
    EXPECT_THAT(outcome.message, HasSubstr(each.message));
  }
}

TEST(AdminClientTest, RequestsArriveAsTheyWereMeant) {
  const TemporaryDirectory directory("tcsync-test");
  const FakeServer server(directory.path(), HttpReply(200, "{}", "X-Next-Page: 7\r\n"));
  AdminClient client(At(directory.path()), DataDirectory::kMustExist);
  EXPECT_TRUE(client.is_served());
  client.Get("stats");
  client.Post(ClientTarget("a/../b ?&%\n\xc3\xa9", "/ban"), {{"reason", "x\xffy"}});
  client.Delete("invites/" + PercentEncoded(""));
  EXPECT_EQ(client.Request("POST", "import", std::string(3 << 20, 'x')).next_page, "7");
  const std::vector<FakeServer::Request> requests = server.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0].method, "GET");
  EXPECT_EQ(requests[0].target, "stats");
  EXPECT_EQ(requests[0].body, "");
  EXPECT_EQ(requests[1].method, "POST");
  EXPECT_EQ(requests[1].target, "clients/a%2F..%2Fb%20%3F%26%25%0A%C3%A9/ban");
  EXPECT_EQ(requests[1].body, "{\"reason\":\"x\xef\xbf\xbdy\"}");
  EXPECT_EQ(requests[2].method, "DELETE");
  EXPECT_EQ(requests[2].target, "invites/");
  EXPECT_EQ(requests[3].body, std::string(3 << 20, 'x'));
}

TEST(AdminClientTest, WithoutAServerTheDataDirectoryDecides) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string base = directory.path();
  std::filesystem::create_directory(base + "/empty");
  std::filesystem::create_directory(base + "/foreign");
  std::ofstream(base + "/foreign/letter.txt") << "x";
  std::filesystem::create_directory(base + "/stale");
  LeaveSocket(base + "/stale/admin.sock");
  std::filesystem::create_directory(base + "/file-for-socket");
  std::ofstream(base + "/file-for-socket/admin.sock") << "x";
  std::ofstream(base + "/file") << "x";
  const struct {
    std::string data_dir;
    const char* message;
  } cases[] = {
      {base + "/absent", "there is no data at '"},
      {base + "/empty", "there is no data at '"},
      {base + "/" + std::string(200, 'x'), "there is no data at '"},
      {base + "/" + std::string(300, 'x'), "File name too long"},
      {base + "/file", ""},
      {base + "/foreign", ""},
      {base + "/stale", ""},
      {base + "/file-for-socket", ""},
  };
  for (const auto& each : cases) {
    const Outcome outcome =
        OutcomeOf([&] { AdminClient(At(each.data_dir), DataDirectory::kMustExist); });
    EXPECT_EQ(outcome.status, kExitFailure) << each.data_dir;
    EXPECT_THAT(outcome.message, AllOf(HasSubstr(each.data_dir), HasSubstr(each.message)));
    // Nothing is needed, and nothing is touched.
    for (const DataDirectory need : {DataDirectory::kServedOrNone, DataDirectory::kNone}) {
      EXPECT_FALSE(AdminClient(At(each.data_dir), need).is_served()) << each.data_dir;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(base + "/absent"));
  EXPECT_TRUE(std::filesystem::is_empty(base + "/empty"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(base + "/foreign"), {}), 1);
}

TEST(AdminClientTest, DataInMemoryIsNothingToWorkOn) {
  const Settings settings = {{"storage", "memory"}};
  const Outcome outcome = OutcomeOf([&] { AdminClient(settings, DataDirectory::kMustExist); });
  EXPECT_EQ(outcome.status, kExitUsage);
  EXPECT_EQ(outcome.message, "storage=memory keeps nothing that a command could work on");
  EXPECT_FALSE(AdminClient(settings, DataDirectory::kServedOrNone).is_served());
}

TEST(AdminClientTest, PagesAreReadToTheEnd) {
  const struct {
    const char* target;
    std::vector<std::string> targets;
  } cases[] = {
      {"clients", {"clients", "clients?after=b", "clients?after=c"}},
      {"clients?limit=2",
       {"clients?limit=2", "clients?limit=2&after=b", "clients?limit=2&after=c"}},
  };
  for (const auto& each : cases) {
    const TemporaryDirectory directory("tcsync-test");
    std::vector<std::string> nexts = {R"("b")", R"("c")", "null"};
    const FakeServer server(directory.path(), [&nexts](const FakeServer::Request&) {
      const std::string body = R"({"next":)" + nexts.front() + "}";
      nexts.erase(nexts.begin());
      return HttpReply(200, body);
    });
    int pages = 0;
    AdminClient client(At(directory.path()), DataDirectory::kMustExist);
    client.WalkPages("GET", each.target, {}, "unfinished", [&](const Json&) { ++pages; });
    EXPECT_EQ(pages, 3);
    std::vector<std::string> targets;
    for (const FakeServer::Request& request : server.requests()) targets.push_back(request.target);
    EXPECT_EQ(targets, each.targets);
  }
}

// The server of one job, whose states come one after the other; the last one stays.
FakeServer::Reply JobReply(const FakeServer::Request& request, std::vector<std::string>& states) {
  if (request.method == "POST") return HttpReply(202, R"({"job":7})");
  EXPECT_EQ(request.target, "jobs/7");
  const std::string state = states.front();
  if (states.size() > 1) states.erase(states.begin());
  return HttpReply(200, state);
}

TEST(AdminClientTest, AJobEndsAsTheServerSays) {
  const std::string running = R"({"state":"running","doing":"copy","done":1,"total":2})";
  const struct {
    std::vector<std::string> states;
    int status;
    const char* message;
  } cases[] = {
      {{running, R"({"state":"done","result":"it"})"}, 0, ""},
      {{R"({"state":"failed","error":"disk full"})"}, kExitFailure, "disk full"},
      {{running, R"({"state":"cancelled"})"}, kExitFailure, "another command cancelled the backup"},
  };
  for (const auto& each : cases) {
    const TemporaryDirectory directory("tcsync-test");
    std::vector<std::string> states = each.states;
    const FakeServer server(directory.path(), [&states](const FakeServer::Request& request) {
      return JobReply(request, states);
    });
    const Outcome outcome = OutcomeOf([&] {
      AdminClient client(At(directory.path()), DataDirectory::kMustExist);
      EXPECT_EQ(client.RunJob("backups", Json::object(), "backup"), "it");
    });
    EXPECT_EQ(outcome.status, each.status);
    EXPECT_EQ(outcome.message, each.message);
  }
}

// If this fails, Ctrl-C leaves a backup running in the server.
TEST(AdminClientTest, AnInterruptionCancelsTheJobAtTheServer) {
  const TemporaryDirectory directory("tcsync-test");
  std::atomic<bool> is_cancelled = false;
  const FakeServer server(directory.path(), [&](const FakeServer::Request& request) {
    if (request.target == "jobs/7/cancel") is_cancelled = true;
    if (request.method == "POST") return HttpReply(202, R"({"job":7})");
    return HttpReply(200, is_cancelled ? R"({"state":"cancelled"})"
                                       : R"({"state":"running","done":1,"total":2})");
  });
  const ChildEnd end = RunInChild([&](const Report&) {
    AdminClient client(At(directory.path()), DataDirectory::kMustExist);
    CatchInterruptions();
    raise(SIGINT);
    client.RunJob("backups", Json::object(), "backup");
  });
  EXPECT_EQ(end.report, "interrupted: the backup was cancelled, and nothing was changed; ");
  EXPECT_EQ(end.status, 128 + SIGINT);
  EXPECT_TRUE(is_cancelled);
}

TEST(AdminClientTest, JsonIsPrintedInOneLineWhateverIsInIt) {
  testing::internal::CaptureStdout();
  PrintJson({{"a", "x\ny\x1b\xff"}, {"b", {1, nullptr}}});
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "{\"a\":\"x\\ny\\u001b\xef\xbf\xbd\",\"b\":[1,null]}\n");
}

}  // namespace
}  // namespace tcsync::server
