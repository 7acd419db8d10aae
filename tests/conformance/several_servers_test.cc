// Several servers over one PostgreSQL database, over real sockets. If these fail, one of them
// serves what another one has refused, or a computer's sync depends on the server that it happens
// to reach.
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "storage/postgres/postgres_storage.h"
#include "tcsync/other_servers.h"
#include "tcsync/storage_administration.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"

namespace tcsync::conformance {
namespace {

class SeveralServersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::optional<std::string> missing = PostgresMissing()) {
      TCSYNC_MISSING_PREREQUISITE(*missing);
    }
    absl::StatusOr<std::unique_ptr<PostgresDatabase>> database = PostgresDatabase::Make();
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Options options = OptionsFor("postgres");
    options.postgres_url = database_->url();
    first_.emplace(options);
    second_.emplace(options);
    absl::StatusOr<std::unique_ptr<Storage>> storage = postgres_storage::OpenPostgresStorage(
        {.url = database_->url(), .wait_max = std::chrono::hours(1)}, {});
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // The third: an operator's command, or one more server.
  Storage& storage() { return *storage_; }

  std::unique_ptr<PostgresDatabase> database_;
  std::optional<TestServer> first_;
  std::optional<TestServer> second_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(SeveralServersTest, AVersionIsAtTheOthersAtOnce) {
  Replica at_first(*first_);
  Replica at_second(*second_, at_first.client_id());
  std::string parent = kNil;
  std::vector<std::string> chain;
  for (int i = 0; i < 20; ++i) {
    Replica& writer = i % 2 == 0 ? at_first : at_second;
    Replica& reader = i % 2 == 0 ? at_second : at_first;
    const std::string segment = BinaryBytes(i % 5 == 0 ? base::kPieceBytesMax + 10 : 10);
    const std::string added = writer.Append(parent, segment);
    const HttpResponse response = reader.GetChildVersion(parent);
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_EQ(response.Header("X-Version-Id"), added);
    EXPECT_TRUE(response.body == segment);
    parent = added;
    chain.push_back(added);
  }
  EXPECT_EQ(at_second.AddSnapshot(parent, "snapshot").status, 200);
  EXPECT_EQ(at_first.GetSnapshot().body, "snapshot");
  EXPECT_EQ(at_first.Pull(kNil), chain);
  EXPECT_EQ(at_second.Pull(kNil), chain);
}

// If this fails, two computers that sync at once at two servers both succeed, and the changes of
// one are lost.
TEST_F(SeveralServersTest, OneOfManyWinsEachVersion) {
  constexpr int kReplicas = 8;
  constexpr int kVersions = 15;  // of each replica
  const std::string client_id = RandomId();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::string>> added(kReplicas);
  for (int i = 0; i < kReplicas; ++i) {
    threads.emplace_back([&, i] {
      Replica replica(i % 2 == 0 ? *first_ : *second_, client_id);
      std::string parent = kNil;
      while (added[i].size() < kVersions) {
        const HttpResponse response = replica.AddVersion(parent);
        if (response.status == 200) {
          parent = response.Header("X-Version-Id");
          added[i].push_back(parent);
        } else {
          ASSERT_EQ(response.status, 409) << response;
          parent = response.Header("X-Parent-Version-Id");
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> chain = Replica(*first_, client_id).Pull(kNil);
  std::multiset<std::string> acknowledged;
  for (const auto& of_replica : added) acknowledged.insert(of_replica.begin(), of_replica.end());
  EXPECT_EQ(chain.size(), size_t{kReplicas} * kVersions);
  EXPECT_EQ(std::multiset<std::string>(chain.begin(), chain.end()), acknowledged);
}

// If this fails, computers that sync by themselves hear of changes only at their own server.
TEST_F(SeveralServersTest, AWaitEndsWithAVersionThatAnotherServerTook) {
  Replica at_first(*first_);
  const std::string parent = at_first.Append(kNil);
  HttpClient waiting = second_->Connect();
  ASSERT_TRUE(waiting.Send(
      With(GetChildVersionRequest(at_first.client_id(), parent), "Prefer", "wait=50").Serialize()));
  // Longer than the interval in which the other server asks, which alone must answer nothing.
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(2 * base::kOthersChangesMs + 200)));
  const std::string next = at_first.Append(parent);
  const absl::Time added = absl::Now();
  const HttpResponse response = waiting.ReadResponse();
  EXPECT_EQ(response.Header("X-Version-Id"), next) << response;
  EXPECT_LT(absl::Now() - added, absl::Seconds(30)) << "the wait ended by its own time";
}

// A ban, its end, and a token act at servers that did not make them. How soon is the interval of
// others_changes.h, which tests do not measure on a busy machine.
TEST_F(SeveralServersTest, ChangesOfAdmissionActEverywhere) {
  Replica at_first(*first_);
  Replica at_second(*second_, at_first.client_id());
  at_first.Append(kNil);
  const Uuid client = *Uuid::Parse(at_first.client_id());
  const auto change = [&](const AccessChange& made) {
    const absl::Status changed = storage().administration().ChangeAccess(made);
    ASSERT_TRUE(changed.ok()) << changed;
  };
  const auto expect_soon = [](Replica& replica, int status) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (replica.GetChildVersion(kNil).status != status) {
      ASSERT_LT(absl::Now(), deadline) << "no answer was " << status;
      absl::SleepFor(absl::Milliseconds(50));
    }
  };
  change(Ban{.client_id = client, .reason = "floods", .since_unix_seconds = 1});
  expect_soon(at_first, 403);
  expect_soon(at_second, 403);
  change(RemoveBan{client});
  expect_soon(at_first, 200);
  expect_soon(at_second, 200);
  change(ClientToken{.client_id = client, .digest = TokenDigest{7}, .since_unix_seconds = 2});
  expect_soon(at_first, 403);
  expect_soon(at_second, 403);
}

HttpRequest UnderToken(const std::string& token, HttpRequest request) {
  if (!token.empty()) request.target = absl::StrCat("/i/", token, request.target);
  return request;
}

// The text of a member of an answer about devices.
std::string MemberOf(const HttpResponse& response, const std::string& name) {
  const std::string key = absl::StrCat("\"", name, "\":\"");
  const size_t begin = response.body.find(key) + key.size();
  return response.body.substr(begin, response.body.find('"', begin) - begin);
}

HttpRequest MintRequest(const std::string& client_id) {
  return {.method = "POST",
          .target = "/v1/client/devices",
          .headers = {{"X-Client-Id", client_id}, {"Content-Type", "application/octet-stream"}},
          .body = "sealed"};
}

HttpRequest RevokeRequest(const std::string& client_id, const std::string& device) {
  return {.method = "DELETE",
          .target = absl::StrCat("/v1/client/devices/", device),
          .headers = {{"X-Client-Id", client_id}},
          .body = ""};
}

// If this fails, the thief of a computer keeps a token that was made at another server while the
// computer was shut out.
TEST_F(SeveralServersTest, AMintThatRacesARevocationLeavesNoToken) {
  for (int round = 0; round < 5; ++round) {
    Replica replica(*first_);
    replica.Append(kNil);
    const std::string& client_id = replica.client_id();
    HttpClient at_first = first_->Connect();
    const std::string desktop = MemberOf(at_first.Exchange(MintRequest(client_id)), "token");
    const HttpResponse lost = at_first.Exchange(UnderToken(desktop, MintRequest(client_id)));
    const std::string laptop = MemberOf(lost, "token");
    std::vector<std::string> minted;
    std::thread thief([&] {
      HttpClient at_second = second_->Connect();
      for (int i = 0; i < 20; ++i) {
        const HttpResponse response =
            at_second.Exchange(UnderToken(laptop, MintRequest(client_id)));
        if (response.status == 201) minted.push_back(MemberOf(response, "token"));
      }
    });
    const HttpResponse revoked =
        at_first.Exchange(UnderToken(desktop, RevokeRequest(client_id, MemberOf(lost, "device"))));
    EXPECT_EQ(revoked.status, 200) << revoked;
    thief.join();
    for (const std::string& token : minted) {
      EXPECT_EQ(
          at_first.Exchange(UnderToken(token, GetChildVersionRequest(client_id, kNil))).status,
          403);
    }
    const HttpResponse left = at_first.Exchange(UnderToken(
        desktop,
        {.target = "/v1/client/devices", .headers = {{"X-Client-Id", client_id}}, .body = ""}));
    EXPECT_EQ(left.body.find("\"minted_by\":\""), std::string::npos) << left;
  }
}

// If this fails, a lost computer syncs on at another server, or a token that was minted at one is
// refused at the others.
TEST_F(SeveralServersTest, ARevocationActsEverywhere) {
  Replica replica(*first_);
  const std::string version = replica.Append(kNil);
  const std::string& client_id = replica.client_id();
  HttpClient at_first = first_->Connect();
  HttpClient at_second = second_->Connect();
  const HttpRequest mint = MintRequest(client_id);
  const std::string desktop = MemberOf(at_first.Exchange(mint), "token");
  const HttpResponse lost = at_second.Exchange(mint);
  const std::string laptop = MemberOf(lost, "token");
  const HttpRequest fetch = GetChildVersionRequest(client_id, kNil);
  EXPECT_EQ(at_second.Exchange(UnderToken(laptop, fetch)).status, 200);
  const HttpRequest revoke = RevokeRequest(client_id, MemberOf(lost, "device"));
  EXPECT_EQ(at_first.Exchange(UnderToken(desktop, revoke)).status, 200);
  EXPECT_EQ(at_first.Exchange(UnderToken(laptop, fetch)).status, 403);
  const auto expect_soon = [&](const std::string& token, int status) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (at_second.Exchange(UnderToken(token, fetch)).status != status) {
      ASSERT_LT(absl::Now(), deadline) << "no answer was " << status;
      absl::SleepFor(absl::Milliseconds(50));
    }
  };
  expect_soon(laptop, 403);
  expect_soon("", 403);
  // The changes of devices are decided by the database, and so at once.
  const HttpResponse phone = at_first.Exchange(UnderToken(desktop, mint));
  EXPECT_EQ(phone.status, 201);
  expect_soon(MemberOf(phone, "token"), 200);
  EXPECT_EQ(at_second.Exchange(UnderToken(laptop, mint)).status, 403);
  // The operator shuts everybody out, and lets everybody in.
  const Uuid client = *Uuid::Parse(client_id);
  EXPECT_TRUE(storage().administration().ChangeAccess(RemoveToken{client}).ok());
  expect_soon(laptop, 200);
  expect_soon("", 200);
}

// If this fails, all servers remove old versions at once, or none does.
TEST_F(SeveralServersTest, AChoreIsOnesAtATime) {
  OtherServers* const others = storage().other_servers();
  ASSERT_NE(others, nullptr);
  EXPECT_TRUE(*others->TakeChore("a chore", absl::Hours(1)));
  EXPECT_FALSE(*others->TakeChore("a chore", absl::Hours(1)));
  EXPECT_TRUE(*others->TakeChore("another", absl::Hours(1)));
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!*others->TakeChore("a chore", absl::Seconds(1))) {
    ASSERT_LT(absl::Now(), deadline) << "a server that has ended keeps its chore";
    absl::SleepFor(absl::Milliseconds(50));
  }
}

// If this fails, the log of each server has other names for the same client.
TEST_F(SeveralServersTest, PseudonymsAreTheSame) {
  absl::StatusOr<std::unique_ptr<Storage>> other = postgres_storage::OpenPostgresStorage(
      {.url = database_->url(), .wait_max = std::chrono::hours(1)}, {});
  ASSERT_TRUE(other.ok());
  const auto key = storage().administration().PseudonymKey();
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(*(*other)->administration().PseudonymKey(), *key);
}

// If this fails, a server's limit on all clients' bytes does not count those that others took.
TEST_F(SeveralServersTest, LiveBytesAreThoseOfAll) {
  Replica at_first(*first_);
  at_first.Append(kNil, BinaryBytes(10'000));
  Replica(*second_).Append(kNil, BinaryBytes(20'000));
  const auto stats = storage().administration().ReadStats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->clients, 2u);
  EXPECT_EQ(stats->live_bytes, 30'000 + 2 * (base::kVersionRecordBytes + base::kClientRecordBytes));
}

}  // namespace
}  // namespace tcsync::conformance
