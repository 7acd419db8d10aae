// A PostgreSQL server that has no more connections for a storage, and one that is slow. If these
// fail, a server that could serve its clients refuses them all, or its memory grows without bound.
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/postgres/postgres_storage.h"
#include "tests/unit/storage/postgres_faults.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

class PostgresBusyTest : public PostgresTest {
 protected:
  void SetUpWithDatabase() override { session_ = std::make_unique<TestSession>(database_->url()); }

  std::unique_ptr<TestSession> session_;
};

// More threads read and write than the role may have connections.
TEST_F(PostgresBusyTest, ServesOverTheConnectionsThatItGets) {
  const std::string name = absl::StrCat("r", Uuid::Random().ToString());
  const std::string role = absl::StrCat("\"", name, "\"");
  session_->Run(absl::StrCat(
      "CREATE ROLE ", role, " LOGIN CONNECTION LIMIT 2; GRANT USAGE ON SCHEMA tcsync TO ", role,
      "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tcsync TO ", role));
  std::unique_ptr<Storage> storage = OpenPostgres(absl::StrCat(database_->url(), " user=", name));
  ASSERT_NE(storage, nullptr);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&storage] {
      const Uuid client = Uuid::Random();
      Uuid latest;
      for (int version = 0; version < 50; ++version) {
        const absl::StatusOr<AppendOutcome> appended =
            TryAppend(*storage, AppendRequestFor(client, latest));
        ASSERT_TRUE(appended.ok()) << appended.status();
        latest = std::get<Appended>(*appended).version_id;
        const absl::StatusOr<ChildOutcome> child = TryGetChild(*storage, client, latest);
        ASSERT_TRUE(child.ok()) << child.status();
        EXPECT_FALSE(storage->RefusesWrites());
        LetOthersRun();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // It did not give up those that it had for one that it did not get.
  EXPECT_LE(std::stoi(session_->Run(
                "SELECT sessions FROM pg_stat_database WHERE datname = current_database()")),
            10);
  storage.reset();
  session_->RunUntil(
      absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE usename = '", name, "'"), "0");
  session_->Run(absl::StrCat("DROP OWNED BY ", role));
  session_->Run(absl::StrCat("DROP ROLE ", role));
}

// Appends that wait for a lock have left the queue of those that go in batches.
TEST_F(PostgresBusyTest, AppendsThatWaitForALockAreBounded) {
  constexpr size_t kSegmentBytes = 10'000;
  constexpr size_t kQueueBytes = 10 * kSegmentBytes;
  postgres_storage::PostgresStorageOptions options;
  options.url = database_->url();
  options.queue_bytes_max = kQueueBytes;
  options.wait_max = std::chrono::seconds(60);
  auto opened = postgres_storage::OpenPostgresStorage(options, base::Logger());
  ASSERT_TRUE(opened.ok()) << opened.status();
  const std::unique_ptr<Storage> storage = *std::move(opened);
  const Uuid client = Uuid::Random();
  const Uuid latest = MustAppend(*storage, client, kNil).version_id;
  session_->Run("BEGIN");
  session_->Run(absl::StrCat("SELECT 1 FROM tcsync.clients WHERE client_id = '", client.ToString(),
                             "' FOR UPDATE"));
  std::vector<Waiter<absl::StatusOr<AppendOutcome>>> appends(200);
  // Until the storage takes no more, although its batches go on.
  const auto refuses_for_long = [&storage] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (storage->RefusesWrites()) {
      if (std::chrono::steady_clock::now() > end) return true;
      LetOthersRun();
    }
    return false;
  };
  size_t sent = 0;
  while (sent < appends.size() && !refuses_for_long()) {
    storage->Append(AppendRequestFor(client, latest, Noise(kSegmentBytes)),
                    appends[sent++].Callback());
  }
  EXPECT_LE(sent, 4 * kQueueBytes / kSegmentBytes);  // two queues, and batches between them
  session_->Run("COMMIT");
  size_t appended = 0;
  for (size_t i = 0; i < sent; ++i) {
    const absl::StatusOr<AppendOutcome> outcome = appends[i].Wait();
    if (!outcome.ok()) {
      EXPECT_TRUE(absl::IsUnavailable(outcome.status())) << outcome.status();
    } else {
      appended += std::holds_alternative<Appended>(*outcome) ? 1 : 0;
    }
  }
  EXPECT_EQ(appended, 1u);  // all have the same parent
  EXPECT_FALSE(storage->RefusesWrites());
  MustAppend(*storage, Uuid::Random(), kNil);
}

}  // namespace
}  // namespace tcsync
