// Admission, over sockets and over each backend. If these fail, a public server serves a client
// that it should refuse, or refuses one that it should serve.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "access/token.h"
#include "backend_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared_storage.h"
#include "storage/memory/memory_storage.h"
#include "storage/postgres/postgres_storage.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"

namespace tcsync::conformance {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Uuid Id(const std::string& text) { return *Uuid::Parse(text); }

// The same request under /i/TOKEN.
HttpRequest WithToken(absl::string_view token, HttpRequest request) {
  request.target = absl::StrCat("/i/", token, request.target);
  return request;
}

class AccessTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const absl::string_view backend = GetParam();
    if (backend == "memory") {
      storage_ = std::make_shared<memory_storage::MemoryStorage>();
      return;
    }
    absl::StatusOr<std::unique_ptr<Storage>> opened;
    if (backend == "rocksdb") {
      opened = rocksdb_storage::OpenRocksdbStorage(
          {.data_dir = absl::StrCat(directory_.path(), "/data")}, {});
    } else {
      if (const std::optional<std::string> missing = PostgresMissing()) {
        TCSYNC_MISSING_PREREQUISITE(*missing);
      }
      absl::StatusOr<std::unique_ptr<PostgresDatabase>> database = PostgresDatabase::Make();
      ASSERT_TRUE(database.ok()) << database.status();
      database_ = *std::move(database);
      opened = postgres_storage::OpenPostgresStorage(
          {.url = database_->url(), .wait_max = std::chrono::hours(1)}, {});
    }
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage_ = *std::move(opened);
  }

  // A server over prepared storage.
  TestServer Serve(const std::vector<std::pair<std::string, std::string>>& settings = {},
                   StorageStats stats = {}) {
    Options options = OptionsFor("memory");
    options.log_level = "debug";
    for (const auto& [name, value] : settings) {
      EXPECT_TRUE(SetOption(name, value, options).ok()) << name;
    }
    return TestServer(options, std::make_unique<SharedStorage>(storage_, std::move(stats)));
  }

  void Put(const AccessChange& change) {
    const absl::Status status = storage_->administration().ChangeAccess(change);
    ASSERT_TRUE(status.ok()) << status;
  }

  std::string NewInvite(uint64_t uses_max = 0) {
    const std::string token = access::MakeToken();
    Put(Invite{.digest = access::DigestOf(token),
               .label = "friends",
               .created_unix_seconds = 1,
               .expires_unix_seconds = 0,
               .uses_max = uses_max,
               .uses = 0});
    return token;
  }

  uint64_t UsesOf(absl::string_view token) {
    const auto records = storage_->administration().ReadAccessRecords();
    EXPECT_TRUE(records.ok()) << records.status();
    for (const Invite& invite : records->invites) {
      if (invite.digest == access::DigestOf(token)) return invite.uses;
    }
    ADD_FAILURE() << "the invite is gone";
    return 0;
  }

  const TempDirectory directory_;
  std::unique_ptr<PostgresDatabase> database_;
  std::shared_ptr<Storage> storage_;
};

// If this fails, a ban has no effect, or hits others as well.
TEST_P(AccessTest, ABannedClientGets403) {
  const std::string banned = RandomId();
  Put(Ban{.client_id = Id(banned), .reason = "floods", .since_unix_seconds = 1});
  const TestServer server = Serve();
  Replica replica(server, banned);
  ExpectError(replica.AddVersion(kNil), 403);
  ExpectError(replica.GetChildVersion(kNil), 403);
  ExpectError(replica.AddSnapshot(RandomId()), 403);
  ExpectError(replica.GetSnapshot(), 403);
  Replica other(server);
  other.Append(kNil);
  EXPECT_THAT(server.log().Messages(LogLevel::kInfo),
              Contains(AllOf(HasSubstr("status=403 reason=banned"), HasSubstr("floods"))));
}

// The answer to a leaked client ID: if this fails, there is none, or it costs the history.
TEST_P(AccessTest, AClientWithATokenIsNotServedByItsIdAlone) {
  const std::string client_id = RandomId();
  std::string version;
  {
    const TestServer server = Serve();
    version = Replica(server, client_id).Append(kNil, "before");
  }
  const std::string token = access::MakeToken();
  Put(ClientToken{
      .client_id = Id(client_id), .digest = access::DigestOf(token), .since_unix_seconds = 1});
  const TestServer server = Serve();
  Replica attacker(server, client_id);
  ExpectError(attacker.GetChildVersion(kNil), 403);
  ExpectError(attacker.AddVersion(version), 403);
  HttpClient owner = server.Connect();
  const HttpResponse fetched =
      owner.Exchange(WithToken(token, GetChildVersionRequest(client_id, kNil)));
  EXPECT_EQ(fetched.status, 200) << fetched;
  EXPECT_EQ(fetched.body, "before");
  EXPECT_EQ(owner.Exchange(WithToken(token, AddVersionRequest(client_id, version))).status, 200);
  ExpectError(
      owner.Exchange(WithToken(access::MakeToken(), GetChildVersionRequest(client_id, kNil))), 403);
}

// If this fails, invited people cannot set up their computers, or others can.
TEST_P(AccessTest, AnInviteIsNeededOnlyToCreateAClient) {
  const std::string token = NewInvite();
  const TestServer server = Serve({{"invite-only", "on"}});
  HttpClient client = server.Connect();
  const std::string stranger = RandomId();
  // The first request of a setup.
  for (const HttpRequest& request :
       {GetSnapshotRequest(stranger), GetChildVersionRequest(stranger, kNil),
        AddVersionRequest(stranger, kNil), AddSnapshotRequest(stranger, RandomId())}) {
    ExpectError(client.Exchange(request), 403);
    ExpectError(client.Exchange(WithToken(access::MakeToken(), request)), 403);
  }
  const std::string invited = RandomId();
  EXPECT_EQ(client.Exchange(WithToken(token, GetSnapshotRequest(invited))).status, 404);
  EXPECT_EQ(client.Exchange(WithToken(token, GetChildVersionRequest(invited, kNil))).status, 404);
  const HttpResponse added = client.Exchange(WithToken(token, AddVersionRequest(invited, kNil)));
  ASSERT_EQ(added.status, 200) << added;
  EXPECT_EQ(UsesOf(token), 1u);
  // The second computer has the plain URL, and no snapshot yet.
  EXPECT_EQ(client.Exchange(GetSnapshotRequest(invited)).status, 404);
  EXPECT_EQ(client.Exchange(GetChildVersionRequest(invited, kNil)).status, 200);
  EXPECT_EQ(client.Exchange(AddVersionRequest(invited, added.Header("X-Version-Id"))).status, 200);
  EXPECT_EQ(UsesOf(token), 1u) << "syncing uses the invite up";
}

// If this fails, one leaked invite admits all of its users at the same moment.
TEST_P(AccessTest, AnInviteCreatesNoMoreClientsThanItsUses) {
  constexpr int kUses = 3;
  constexpr int kGuests = 12;
  const std::string token = NewInvite(kUses);
  const TestServer server = Serve({{"invite-only", "on"}});
  std::atomic<int> created{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kGuests; ++i) {
    threads.emplace_back([&] {
      HttpClient client = server.Connect();
      const int status =
          client.Exchange(WithToken(token, AddVersionRequest(RandomId(), kNil))).status;
      created += status == 200 ? 1 : 0;
      refused += status == 403 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, kUses);
  EXPECT_EQ(refused, kGuests - kUses);
  EXPECT_EQ(UsesOf(token), static_cast<uint64_t>(kUses));
}

// If this fails, an invite's link does not show in a browser that the server is there, or a
// malformed one is taken for one.
TEST_P(AccessTest, ALinkWithATokenShowsTheIndexInABrowser) {
  const TestServer server = Serve({{"public-url", "https://sync.example.org"}});
  HttpClient client = server.Connect();
  const std::string token = access::MakeToken();
  for (const std::string& target : {absl::StrCat("/i/", token), absl::StrCat("/i/", token, "/")}) {
    EXPECT_EQ(client.Exchange({.target = target, .headers = {}, .body = {}}).status, 200) << target;
  }
  // The page of a browser is the same for every token.
  const auto page_of = [&](const std::string& of) {
    HttpResponse page = client.Exchange(
        {.target = absl::StrCat("/i/", of, "/"), .headers = {{"Accept", "text/html"}}, .body = {}});
    EXPECT_EQ(page.Header("Content-Type"), "text/html; charset=utf-8") << page;
    return absl::StrReplaceAll(page.body, {{of, "TOKEN"}});
  };
  EXPECT_EQ(page_of(NewInvite()), page_of(token));
  const std::string cut = token.substr(0, 31);
  const HttpResponse response =
      client.Exchange({.target = absl::StrCat("/i/", cut, "/"), .headers = {}, .body = {}});
  ExpectError(response, 404);
  EXPECT_THAT(response.body, Not(HasSubstr(cut)));
}

// If this fails, one runaway client blocks the server for all others, or has to be restarted by
// hand when it has stopped.
TEST_P(AccessTest, AClientBeyondItsRateGets429) {
  const TestServer server =
      Serve({{"client-requests-per-second", "1"}, {"client-requests-burst", "3"}});
  Replica wild(server);
  HttpResponse response;
  for (int i = 0; i < 1000 && response.status != 429; ++i) response = wild.GetChildVersion(kNil);
  ExpectError(response, 429);
  int seconds = 0;
  EXPECT_TRUE(absl::SimpleAtoi(response.Header("Retry-After"), &seconds)) << response;
  EXPECT_GE(seconds, 1);
  EXPECT_EQ(Replica(server).GetChildVersion(kNil).status, 404) << "another client pays for it";
  EXPECT_TRUE(Eventually([&] { return wild.GetChildVersion(kNil).status != 429; }))
      << "its connection takes requests for ever that are only refused";
  const auto is_served_again = [&] {
    wild.Reconnect(server);
    return wild.GetChildVersion(kNil).status == 404;
  };
  EXPECT_TRUE(Eventually(is_served_again)) << "the client is lost for ever";
}

// If this fails, a full server refuses reads as well, or accepts writes until the database breaks.
TEST_P(AccessTest, AFullServerRefusesWritesAndServesReads) {
  const std::string client_id = RandomId();
  std::string version;
  {
    const TestServer server = Serve();
    version = Replica(server, client_id).Append(kNil, "kept");
  }
  StorageStats no_room;
  no_room.live_bytes = 2000;
  no_room.disk_bytes_total = 1'000'000;
  no_room.disk_bytes_free = 999;
  for (const auto& setting : std::vector<std::pair<std::string, std::string>>{
           {"total-bytes-max", "2000"}, {"disk-free-bytes-min", "1000"}}) {
    const TestServer server = Serve({{"disk-free-bytes-min", "0"}, setting}, no_room);
    Replica replica(server, client_id);
    ExpectError(replica.AddVersion(version), 507);
    ExpectError(replica.AddSnapshot(version), 507);
    ExpectError(Replica(server).AddVersion(kNil), 507);
    EXPECT_EQ(replica.GetChildVersion(kNil).body, "kept");
    EXPECT_THAT(server.log().Messages(LogLevel::kError), Contains(HasSubstr(setting.first)));
  }
  const TestServer server = Serve({{"total-bytes-max", "2001"}}, {});
  EXPECT_EQ(Replica(server, client_id).AddVersion(version).status, 200);
}

// If this fails, readers of a log get access to histories.
TEST_P(AccessTest, TheLogHasNoTokensAndNoClientIds) {
  const std::string own_token = access::MakeToken();
  const std::string client_id = RandomId();
  Put(ClientToken{
      .client_id = Id(client_id), .digest = access::DigestOf(own_token), .since_unix_seconds = 1});
  const std::string invite = NewInvite();
  const TestServer server = Serve({{"invite-only", "on"}});
  HttpClient client = server.Connect();
  for (const std::string& token : {own_token, invite}) {
    for (const HttpRequest& request :
         {GetSnapshotRequest(client_id), GetChildVersionRequest(client_id, kNil),
          GetChildVersionRequest(client_id, RandomId()), AddVersionRequest(client_id, kNil),
          AddSnapshotRequest(client_id, RandomId()),
          Without(AddVersionRequest(client_id, kNil), "X-Client-Id")}) {
      client.Exchange(request);
      client.Exchange(WithToken(token, request));
      client.Exchange(WithToken(absl::StrCat(token, "x"), request));
      client.Exchange(WithToken(token, With(request, "Content-Type", "text/plain")));
    }
  }
  const std::vector<std::string> lines = server.log().Messages(LogLevel::kDebug);
  EXPECT_GE(lines.size(), 30u);
  for (const std::string& line : lines) {
    EXPECT_THAT(line, Not(HasSubstr(own_token)));
    EXPECT_THAT(line, Not(HasSubstr(invite)));
    EXPECT_THAT(line, Not(HasSubstr(client_id)));
  }
  EXPECT_THAT(lines, Contains(HasSubstr(" client=client-")));
}

INSTANTIATE_TEST_SUITE_P(Backends, AccessTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

using LongCatchUpTest = AccessTest;

// If this fails, an unknown limit fails the syncs of ordinary people: a new computer that fetches
// ten thousand versions does it in one go, with a request for each. The server is on this machine
// and the storage in memory, so that no network slows the replica down; it shows that the default
// burst of a client holds the whole catch-up.
TEST_P(LongCatchUpTest, DefaultLimitsAllowALongCatchUp) {
  constexpr int kVersions = 10'000;
  const std::string client_id = RandomId();
  Uuid latest;
  for (int i = 0; i < kVersions; ++i) {
    storage_->Append({.client_id = Id(client_id),
                      .expected_parent = latest,
                      .segment = "segment",
                      .create_client = true},
                     [&latest](absl::StatusOr<AppendOutcome> outcome) {
                       ASSERT_TRUE(outcome.ok());
                       latest = std::get<Appended>(*outcome).version_id;
                     });
  }
  const TestServer server = Serve();
  EXPECT_EQ(Replica(server, client_id).Pull(kNil).size(), static_cast<size_t>(kVersions));
}

INSTANTIATE_TEST_SUITE_P(Backends, LongCatchUpTest, testing::Values("memory"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace tcsync::conformance
