// Two storages over one database under load, whose connections are ended at random and whose
// statements lock each other out. If these fail, a history forks, an acknowledged version is lost,
// or a crowd gets errors that no replica should see.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/postgres_faults.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kDuration = std::chrono::milliseconds(400);

// The settings of a database that an operator may have changed.
class PostgresLoadTest : public PostgresTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUpWithDatabase() override {
    session_ = std::make_unique<TestSession>(database_->url());
    session_->Run(absl::StrCat("ALTER DATABASE \"", PartOf(database_->url(), "dbname"), "\" SET ",
                               GetParam()));
    for (auto& storage : storages_) {
      storage = OpenPostgres(database_->url());
      ASSERT_NE(storage, nullptr);
    }
  }

  // Whether a failure is one that the load may cause.
  void ExpectKnown(const absl::Status& status) {
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                absl::IsAborted(status))
        << status;
  }

  std::unique_ptr<TestSession> session_;
  std::unique_ptr<Storage> storages_[2];
};

std::string NameOf(const testing::TestParamInfo<const char*>& info) {
  static constexpr const char* kNames[] = {"Usual", "RepeatableRead", "Serializable"};
  return kNames[info.index];
}

INSTANTIATE_TEST_SUITE_P(Settings, PostgresLoadTest,
                         testing::Values("work_mem = '4MB'",
                                         "default_transaction_isolation = 'repeatable read'",
                                         "default_transaction_isolation = 'serializable'"),
                         NameOf);

// An acknowledged append.
struct Link {
  Uuid parent;
  Uuid version_id;
};

TEST_P(PostgresLoadTest, ChainsStayLinearWhileConnectionsEnd) {
  constexpr size_t kClients = 64;
  std::vector<Uuid> clients(kClients);
  for (Uuid& client : clients) client = Uuid::Random();
  std::mutex mutex;
  std::map<Uuid, std::vector<Link>> acknowledged;
  std::set<Uuid> uncertain;  // parents of appends with an unknown outcome
  const Clock::time_point end = Clock::now() + kDuration;
  std::vector<std::thread> threads;
  // Each client has a replica at each storage.
  for (size_t replica = 0; replica < 2 * kClients; ++replica) {
    threads.emplace_back([&, replica] {
      Storage& storage = *storages_[replica % 2];
      const Uuid client = clients[replica / 2];
      Uuid latest = kNil;
      // On a busy machine a client may not have come to its first version by then.
      while (Clock::now() < end || latest.IsNil()) {
        const auto outcome = TryAppend(storage, AppendRequestFor(client, latest, "by a replica"));
        ExpectKnown(outcome.status());
        if (!outcome.ok()) {
          const std::lock_guard lock(mutex);
          uncertain.insert(latest);
        } else if (const auto* appended = std::get_if<Appended>(&*outcome)) {
          const std::lock_guard lock(mutex);
          acknowledged[client].push_back({latest, appended->version_id});
          latest = appended->version_id;
        } else {
          const auto conflict = ConflictOf(*outcome);
          EXPECT_TRUE(conflict.has_value()) << outcome->index();
          if (!conflict) return;
          EXPECT_NE(*conflict, latest) << "a conflict with its own parent";
          latest = *conflict;
        }
      }
    });
  }
  threads.emplace_back([&] {
    TestSession killer(database_->url());
    while (Clock::now() < end) {
      killer.Run(R"(
          SELECT count(pg_terminate_backend(pid)) FROM (
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'tcsync'
            ORDER BY random() LIMIT 2) AS chosen)");
      killer.Run("SELECT pg_sleep(0.02)");
    }
  });
  for (std::thread& thread : threads) thread.join();
  size_t count = 0;
  for (const Uuid& client : clients) {
    const std::vector<Version> chain = ReadChain(*storages_[0], client, kNil);
    std::map<Uuid, Uuid> parents;
    for (const Version& version : chain) {
      parents.emplace(version.version_id, version.parent_version_id);
    }
    size_t found = 0;
    for (const Link& link : acknowledged[client]) {
      EXPECT_EQ(parents[link.version_id], link.parent) << "an acknowledged version is lost";
      ++found;
    }
    for (const Version& version : chain) found += uncertain.count(version.parent_version_id);
    EXPECT_GE(found, chain.size()) << "there are versions that nobody appended";
    EXPECT_TRUE(Verify(*storages_[1], client).problems.empty());
    count += chain.size();
  }
  EXPECT_GE(count, kClients);
  ExpectTotalsAgree(*session_);
}

absl::StatusOr<ImportOutcome> ImportInto(StorageAdministration& administration, const Uuid& client,
                                         const Uuid& latest) {
  ImportRequest request;
  request.client_id = client;
  request.versions = ForeignChain(latest, 2);
  ImportRequest::ImportedReplicas replicas;
  replicas.positions = {{86'400 * 3, latest}, {86'400, latest}};
  request.replicas = std::move(replicas);
  request.now_unix_seconds = 86'400 * 4;
  return administration.Import(std::move(request));
}

// Everything that locks rows of the same few clients, at once.
TEST_P(PostgresLoadTest, NothingFailsWhereEverythingLocksTheSameRows) {
  std::vector<Uuid> clients(4);
  for (Uuid& client : clients) client = Uuid::Random();
  const Clock::time_point end = Clock::now() + kDuration;
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 16; ++number) {
    threads.emplace_back([&, number] {
      Storage& storage = *storages_[number % 2];
      StorageAdministration& administration = storage.administration();
      uint32_t random = number;
      while (Clock::now() < end) {
        random = random * 1664525 + 1013904223;
        const Uuid client = clients[random >> 30];
        const auto found = administration.FindClient(client);
        ExpectKnown(found.status());
        const Uuid latest = found.ok() && found->has_value() ? (*found)->latest_version_id : kNil;
        switch (random >> 16 & 7) {
          case 0:
            ExpectKnown(administration.DeleteClient(client).status());
            break;
          case 1:
            ExpectKnown(ImportInto(administration, client, latest).status());
            break;
          case 2:
            ExpectKnown(
                TryStoreSnapshot(storage, StoreSnapshotRequestFor(client, latest)).status());
            break;
          case 3:
            for (const Uuid& noted : clients) {
              storage.NoteReplicaSeen(noted, latest, 86'400 * (random >> 8 & 3));
              storage.NoteReplicaAhead(noted, Uuid::Random(), 1);
            }
            break;
          case 4: {
            AppendRequest request = AppendRequestFor(client, latest, "");
            auto upload = TryBeginUpload(storage, UploadRequestFor(client, latest));
            ExpectKnown(upload.status());
            if (!upload.ok() || !std::holds_alternative<std::unique_ptr<Upload>>(*upload)) break;
            request.upload = std::get<std::unique_ptr<Upload>>(*std::move(upload));
            const absl::Status added = TryAdd(*request.upload, Noise(3000));
            ExpectKnown(added);
            if (added.ok()) ExpectKnown(TryAppend(storage, std::move(request)).status());
            break;
          }
          case 5:
            ExpectKnown(administration.AcceptDiverged(client, true).status());
            ExpectKnown(TryAppend(storage, AppendRequestFor(client, Uuid::Random())).status());
            break;
          default:
            ExpectKnown(TryAppend(storage, AppendRequestFor(client, latest)).status());
            break;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ClientSummary& client : ListAll(*storages_[0])) {
    const ChainReport report = Verify(*storages_[0], client.client_id);
    EXPECT_TRUE(report.problems.empty()) << report.problems.front();
  }
  for (auto& storage : storages_) storage.reset();
  ExpectTotalsAgree(*session_);
}

// If this fails, the removal of a long history, or an operator's session, holds up the appends of
// all clients, for as long as it takes.
TEST(PostgresLocksTest, LockedClientsDoNotHoldUpOthers) {
  if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
  const auto database = *PostgresDatabase::Make();
  // Were they to wait for a lock, it would be for that long.
  const std::unique_ptr<Storage> storage = OpenPostgres(database->url(), std::chrono::seconds(60));
  std::vector<Uuid> locked(3);  // more than there are threads for appends
  std::vector<std::unique_ptr<TestSession>> sessions;
  std::vector<Waiter<absl::StatusOr<AppendOutcome>>> waiting(locked.size());
  std::vector<Uuid> latest;
  for (Uuid& client : locked) {
    client = Uuid::Random();
    latest.push_back(MustAppend(*storage, client, kNil).version_id);
  }
  const Uuid other = Uuid::Random();
  Uuid parent = MustAppend(*storage, other, kNil).version_id;
  for (const Uuid& client : locked) {
    sessions.push_back(std::make_unique<TestSession>(database->url()));
    sessions.back()->Run("BEGIN");
    sessions.back()->Run("SELECT 1 FROM tcsync.clients WHERE client_id = '" + client.ToString() +
                         "' FOR UPDATE");
  }
  for (size_t i = 0; i < locked.size(); ++i) {
    storage->Append(AppendRequestFor(locked[i], latest[i]), waiting[i].Callback());
  }
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < 5; ++i) parent = MustAppend(*storage, other, parent).version_id;
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(30));
  for (const auto& session : sessions) session->Run("COMMIT");
  for (auto& append : waiting) {
    const absl::StatusOr<AppendOutcome> outcome = append.Wait();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(std::holds_alternative<Appended>(*outcome));
  }
}

}  // namespace
}  // namespace tcsync
