// The composition root: impossible options are refused, and the composed engine works.
#include "tcsync/engine.h"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/temporary_directory.h"
#include "tests/unit/sync/scripted_storage.h"

namespace tcsync::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kClientId[] = "c11e4700-0000-4000-8000-000000000001";
constexpr char kNil[] = "00000000-0000-0000-0000-000000000000";

Options OptionsWith(const std::vector<std::pair<std::string, std::string>>& settings) {
  Options options;
  for (const auto& [name, value] : settings) {
    const absl::Status status = SetOption(name, value, options);
    EXPECT_TRUE(status.ok()) << status;
  }
  return options;
}

Options MemoryOptions() { return OptionsWith({{"storage", "memory"}}); }

// Answers one request; waits for the answer.
http::Response Handle(Engine& engine, absl::string_view method, const std::string& target,
                      absl::string_view body = "", absl::string_view client_id = kClientId) {
  const std::vector<http::HeaderView> headers = {
      {"X-Client-Id", client_id}, {"Content-Type", "application/vnd.taskchampion.history-segment"}};
  return engine.handler().Handle({method, target, headers}, body);
}

std::string HeaderOf(const http::Response& response, absl::string_view name) {
  for (const http::Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

http::Response AddVersion(Engine& engine, absl::string_view parent) {
  return Handle(engine, "POST", absl::StrCat("/v1/client/add-version/", parent), "segment");
}

http::Response GetChildVersion(Engine& engine, absl::string_view parent) {
  return Handle(engine, "GET", absl::StrCat("/v1/client/get-child-version/", parent));
}

// If this fails, a server starts that refuses every body of its promised size.
TEST(EngineTest, RefusesBodyMemoryWithoutRoomForPieces) {
  const auto open = [](const std::string& body, const std::string& bodies) {
    return Engine::Open(OptionsWith(
        {{"storage", "memory"}, {"body-bytes-max", body}, {"bodies-in-flight-bytes-max", bodies}}));
  };
  const auto refused = open("2M", "1000K");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("body-bytes-max"));
  EXPECT_THAT(refused.status().message(), HasSubstr("bodies-in-flight-bytes-max"));
  EXPECT_THAT(refused.status().message(), HasSubstr("set it to 1048576 or more"));
  EXPECT_TRUE(open("2M", "1M").ok());
  EXPECT_TRUE(open("100K", "200K").ok());
  // The derived numbers count as well: 100 MiB and 48 MiB.
  EXPECT_FALSE(open("0", "1000K").ok());
  EXPECT_TRUE(open("0", "1M").ok());
  EXPECT_TRUE(open("100M", "0").ok());
}

// If this fails, a server starts that answers at no path, or at an unintended one.
TEST(EngineTest, RefusesAnInvalidBasePath) {
  for (const char* path : {"/a?b", "/a#b", "/a b"}) {
    const auto engine = Engine::Open(OptionsWith({{"storage", "memory"}, {"base-path", path}}));
    EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(engine.status().message(), HasSubstr("base-path"));
    EXPECT_THAT(engine.status().message(), HasSubstr(path));
  }
  for (const char* path : {"", "/", "/tasks", "tasks/", "/some/path"}) {
    EXPECT_TRUE(Engine::Open(OptionsWith({{"storage", "memory"}, {"base-path", path}})).ok())
        << path;
  }
}

// If this fails, the page for browsers invites people whom the server refuses, or a mistake in its
// options shows to the users first.
TEST(EngineTest, ThePageForBrowsersFollowsTheOptions) {
  const std::pair<std::vector<std::pair<std::string, std::string>>, const char*> cases[] = {
      {{}, "--server-url https://sync.example.org<"},
      {{{"invite-only", "true"}}, "New users need an <strong>invite</strong>"},
      {{{"create-clients", "false"}}, "closed circle"},
      {{{"allow-client-id", kClientId}}, "closed circle"},
      {{{"invite-only", "true"}, {"allow-client-id", kClientId}}, "closed circle"}};
  for (const auto& [settings, part] : cases) {
    Options options = OptionsWith(settings);
    options.storage = "memory";
    options.public_url = "https://sync.example.org/";
    options.operator_name = "Ada";
    options.operator_contact = "ada@example.org";
    options.terms_url = "https://example.org/terms";
    const auto engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const http::HeaderView accept = {"Accept", "text/html"};
    const http::Response page = (*engine)->handler().Handle({"GET", "/", {&accept, 1}}, "");
    EXPECT_THAT(page.body, AllOf(HasSubstr(part), HasSubstr("run by Ada (<a href=\"mailto:ada@"),
                                 HasSubstr("<a href=\"https://example.org/terms\">")));
  }
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"public-url", "sync.example.org"},
                                                        {"operator-name", "a\nb"},
                                                        {"operator-contact", "ada"},
                                                        {"terms-url", "javascript:alert(1)"}}) {
    const auto engine = Engine::Open(OptionsWith({{"storage", "memory"}, {name, value}}));
    EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(engine.status().message()),
                AllOf(HasSubstr(absl::StrCat("option ", name, ": ")), HasSubstr(value)));
  }
}

// If this fails, refused options have already created a directory.
TEST(EngineTest, RefusedOptionsCreateNoDirectory) {
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  EXPECT_FALSE(Engine::Open(OptionsWith({{"data-dir", data_dir}, {"base-path", "/a?b"}})).ok());
  EXPECT_FALSE(std::filesystem::exists(data_dir));
}

// If this fails, an embedder's mistake crashes the process.
TEST(EngineTest, RefusesANullStorage) {
  const auto engine = Engine::OpenWithStorage(Options(), nullptr);
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
}

// If this fails, an embedder's own storage bypasses the checks of the options.
TEST(EngineTest, ChecksOptionsWithTheCallersStorage) {
  const auto engine = Engine::OpenWithStorage(OptionsWith({{"base-path", "/a?b"}}),
                                              std::make_unique<ScriptedStorage>());
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
}

// If this fails, trials in memory do not speak the protocol, or leave a directory behind.
TEST(EngineTest, ServesFromMemory) {
  const TemporaryDirectory directory;
  Options options = MemoryOptions();
  options.data_dir = directory.path() + "/data";
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const http::Response added = AddVersion(**engine, kNil);
  EXPECT_EQ(added.status, 200);
  EXPECT_EQ(HeaderOf(added, "X-Snapshot-Request"), "urgency=high");
  const http::Response child = GetChildVersion(**engine, kNil);
  EXPECT_EQ(child.status, 200);
  EXPECT_EQ(child.body, "segment");
  EXPECT_EQ(HeaderOf(child, "X-Version-Id"), HeaderOf(added, "X-Version-Id"));
  EXPECT_FALSE(std::filesystem::exists(options.data_dir));
}

// If this fails, two engines of one process share their clients.
TEST(EngineTest, EnginesInMemoryShareNoClients) {
  const auto one = Engine::Open(MemoryOptions());
  const auto two = Engine::Open(MemoryOptions());
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(AddVersion(**one, kNil).status, 200);
  EXPECT_EQ(GetChildVersion(**two, kNil).status, 404);
}

// If this fails, acknowledged data is gone when the engine is opened again.
TEST(EngineTest, HistorySurvivesReopeningADataDirectory) {
  const TemporaryDirectory directory;
  const Options options = OptionsWith({{"data-dir", directory.path() + "/data"}});
  std::string version_id;
  {
    const auto engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    version_id = HeaderOf(AddVersion(**engine, kNil), "X-Version-Id");
    // A second one at the same time would destroy the chain.
    const auto second = Engine::Open(options);
    EXPECT_FALSE(second.ok());
    EXPECT_THAT(second.status().message(), HasSubstr(options.data_dir));
  }
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ(HeaderOf(GetChildVersion(**engine, kNil), "X-Version-Id"), version_id);
  EXPECT_EQ(AddVersion(**engine, version_id).status, 200);
}

// If this fails, an option is read and then ignored.
TEST(EngineTest, OptionsTakeEffect) {
  Options options = OptionsWith({{"storage", "memory"},
                                 {"base-path", "tasks/"},
                                 {"body-bytes-max", "10"},
                                 {"allow-client-id", kClientId},
                                 {"snapshot-versions", "1"}});
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const std::string target = absl::StrCat("/tasks/v1/client/add-version/", kNil);
  EXPECT_EQ(AddVersion(**engine, kNil).status, 404);
  EXPECT_EQ(Handle(**engine, "POST", target, "more than ten").status, 413);
  EXPECT_EQ(Handle(**engine, "POST", target, "ten", kNil).status, 403);
  EXPECT_EQ(Handle(**engine, "POST", target, "ten").status, 200);

  options.create_clients = false;
  const auto closed = Engine::Open(options);
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(Handle(**closed, "POST", target, "ten").status, 404);
}

// If this fails, a host does not receive the engine's messages, or more than it wants.
TEST(EngineTest, LogsToTheHostsFunctionAtItsLevel) {
  for (const bool debug : {false, true}) {
    Options options = MemoryOptions();
    options.log_level = debug ? "debug" : "warning";
    std::vector<std::string> messages;
    const auto engine =
        Engine::Open(options, [&](const LogRecord& record) { messages.push_back(ToText(record)); });
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_EQ(Handle(**engine, "GET", "/nowhere").status, 404);
    EXPECT_EQ(messages.size(), debug ? 1u : 0u);
  }
}

// If this fails, an operator's mistake is silent: no client can be created, or the limits differ
// from the operator's intent.
TEST(EngineTest, RefusesContradictingAccessOptions) {
  const auto closed = Engine::Open(
      OptionsWith({{"storage", "memory"}, {"invite-only", "on"}, {"create-clients", "off"}}));
  EXPECT_EQ(closed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(closed.status().message(), HasSubstr("invite-only"));
  EXPECT_THAT(closed.status().message(), HasSubstr("create-clients"));
  const auto network =
      Engine::Open(OptionsWith({{"storage", "memory"}, {"trusted-proxy", "unix,10.0.0.0/33"}}));
  EXPECT_EQ(network.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(network.status().message(), HasSubstr("'10.0.0.0/33'"));
  EXPECT_TRUE(Engine::Open(OptionsWith({{"storage", "memory"}, {"invite-only", "on"}})).ok());
}

// If this fails, the log reveals a client's ID, or an operator cannot tell whose records are
// damaged.
TEST(EngineTest, LogClientIdsDecidesHowTheLogNamesAClient) {
  for (const bool full : {false, true}) {
    auto storage = std::make_unique<ScriptedStorage>();
    storage->FailAll(absl::DataLossError("the client's records contradict each other"));
    std::vector<std::string> messages;
    const auto engine = Engine::OpenWithStorage(
        OptionsWith({{"log-client-ids", full ? "full" : "pseudonym"}}), std::move(storage),
        [&](const LogRecord& record) { messages.push_back(ToText(record)); });
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_EQ(GetChildVersion(**engine, kNil).status, 500);
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_THAT(messages[0], HasSubstr("the client's records contradict each other"));
    EXPECT_THAT(messages[0], HasSubstr(full ? absl::StrCat(" client=", kClientId, ": ")
                                            : std::string(" client=client-")));
    EXPECT_EQ(absl::StrContains(messages[0], kClientId), full) << messages[0];
  }
}

}  // namespace
}  // namespace tcsync::engine
