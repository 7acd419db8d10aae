// Retention: the versions and clients that are removed, over storage in memory with the test's
// clock and histories.
#include "sync/retention.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_storage.h"

namespace tcsync::sync {
namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kNow = 20'000 * kDay + 12 * 3600;
const absl::Time kNowTime = absl::FromUnixSeconds(kNow);
const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");
const RetentionPolicy kPolicy{
    .retention_days = 30, .retention_versions = 5, .replica_seen_days = 60, .idle_client_days = 0};

class RetentionTest : public testing::Test {
 protected:
  // A client with `count` versions, one a day, the newest `newest_age_days` old, and a snapshot at
  // `snapshot_number` that was stored with its version; 0: none.
  void MakeClient(const Uuid& client_id, uint64_t count, int64_t newest_age_days,
                  uint64_t snapshot_number) {
    ImportRequest request{.client_id = client_id,
                          .created_unix_seconds = kNow - 5000 * kDay,
                          .versions = {},
                          .snapshot = {}};
    Uuid parent;
    std::vector<Uuid>& ids = ids_[client_id];
    for (uint64_t number = 1; number <= count; ++number) {
      ids.push_back(base::RandomUuidWithNumber(number));
      request.versions.push_back(
          {.number = number,
           .appended_unix_seconds =
               kNow - (newest_age_days + static_cast<int64_t>(count - number)) * kDay,
           .version = {ids.back(), parent, "segment"}});
      parent = ids.back();
    }
    if (snapshot_number > 0) {
      const StoredVersion& version = request.versions[snapshot_number - 1];
      request.snapshot = {.snapshot = {version.version.version_id, "snapshot"},
                          .stored_unix_seconds = version.appended_unix_seconds};
    }
    const absl::StatusOr<ImportOutcome> outcome = storage_.Import(std::move(request));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_TRUE(std::holds_alternative<Imported>(*outcome));
  }

  void See(const Uuid& client_id, uint64_t number, int64_t days_ago) {
    storage_.NoteReplicaSeen(client_id, ids_[client_id][number - 1], kNow - days_ago * kDay);
  }

  RetentionPage Run(const RetentionPolicy& policy, bool dry_run = false) {
    Retention retention(storage_, policy);
    absl::StatusOr<RetentionPage> page = retention.RunPage(std::nullopt, kNowTime, dry_run);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *std::move(page) : RetentionPage{};
  }

  // The first remaining number.
  uint64_t FirstNumber(const Uuid& client_id = kClient) {
    return storage_.FindClient(client_id).value().value().first_number;
  }

  memory_storage::MemoryStorage storage_;
  std::map<Uuid, std::vector<Uuid>> ids_;
};

// If this fails, old versions fill the disk, or go before retention_days have passed.
TEST_F(RetentionTest, KeepsVersionsWithinTheDaysBeforeTheSnapshot) {
  MakeClient(kClient, 100, 0, 100);
  See(kClient, 100, 0);
  const RetentionPage page = Run(kPolicy);
  // Number 70 is 30 days older than the snapshot, to the second.
  EXPECT_EQ(FirstNumber(), 70u);
  ASSERT_EQ(page.clients.size(), 1u);
  EXPECT_EQ(page.clients[0].versions, 69u);
  EXPECT_EQ(page.clients[0].bytes, 69u * 7);
  EXPECT_EQ(page.examined, 1u);
  EXPECT_FALSE(page.next.has_value());
}

// If this fails, a burst of changes within a day leaves fewer versions than retention_versions.
TEST_F(RetentionTest, KeepsTheMinimumOfVersionsAtAnyAge) {
  MakeClient(kClient, 100, 0, 100);
  See(kClient, 100, 0);
  RetentionPolicy policy = kPolicy;
  policy.retention_versions = 90;
  Run(policy);
  EXPECT_EQ(FirstNumber(), 10u);
  policy.retention_versions = 100;
  EXPECT_TRUE(Run(policy).clients.empty());
}

// If this fails, a user whose snapshot is old loses versions that a new computer needs after it.
TEST_F(RetentionTest, CountsFromTheSnapshotNotFromTheLatestVersion) {
  MakeClient(kClient, 100, 0, 50);
  See(kClient, 100, 0);
  Run(kPolicy);
  EXPECT_EQ(FirstNumber(), 20u);
}

// If this fails, a computer that syncs every other month cannot catch up any more.
TEST_F(RetentionTest, KeepsVersionsThatARecentReplicaNeeds) {
  MakeClient(kClient, 100, 0, 100);
  See(kClient, 40, 59);
  See(kClient, 100, 0);
  Run(kPolicy);
  EXPECT_EQ(FirstNumber(), 40u);
}

// If this fails, a computer that was given away keeps the versions of all years on the disk.
TEST_F(RetentionTest, IgnoresAReplicaThatWasNotSeenForLong) {
  MakeClient(kClient, 100, 0, 100);
  See(kClient, 40, 62);
  See(kClient, 100, 0);
  Run(kPolicy);
  EXPECT_EQ(FirstNumber(), 70u);
}

// If this fails, the first pruning after an import strands computers that were merely away.
TEST_F(RetentionTest, KeepsRecentVersionsWithoutNotedReplicas) {
  // As after an import: a replica that synced within 60 days had all versions older than that.
  MakeClient(kClient, 100, 0, 100);
  Run(kPolicy);
  EXPECT_EQ(FirstNumber(), 40u);
}

// If this fails, the history of a user without a snapshot loses its beginning, and no new computer
// can join.
TEST_F(RetentionTest, SkipsAClientWithoutASnapshot) {
  MakeClient(kClient, 100, 1000, 0);
  EXPECT_TRUE(Run(kPolicy).clients.empty());
  EXPECT_EQ(FirstNumber(), 1u);
}

// If this fails, a server whose operator never asked for retention deletes history.
TEST_F(RetentionTest, RemovesNothingWhenTurnedOff) {
  MakeClient(kClient, 100, 1000, 100);
  RetentionPolicy policy = kPolicy;
  policy.retention_days = 0;
  EXPECT_TRUE(Run(policy).clients.empty());
  EXPECT_EQ(FirstNumber(), 1u);
}

// If this fails, an operator who looks first deletes at once, or approves one list and loses
// another.
TEST_F(RetentionTest, ADryRunReportsTheSameAndRemovesNothing) {
  MakeClient(kClient, 100, 0, 100);
  MakeClient(kOtherClient, 10, 1000, 10);
  RetentionPolicy policy = kPolicy;
  policy.idle_client_days = 365;
  const RetentionPage looked = Run(policy, /*dry_run=*/true);
  EXPECT_EQ(FirstNumber(), 1u);
  EXPECT_TRUE(storage_.FindClient(kOtherClient).value().has_value());
  const RetentionPage removed = Run(policy);
  ASSERT_EQ(looked.clients.size(), 2u);
  ASSERT_EQ(removed.clients.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(looked.clients[i].client_id, removed.clients[i].client_id);
    EXPECT_EQ(looked.clients[i].versions, removed.clients[i].versions);
    EXPECT_EQ(looked.clients[i].bytes, removed.clients[i].bytes);
    EXPECT_EQ(looked.clients[i].whole_client, removed.clients[i].whole_client);
  }
  EXPECT_TRUE(Run(policy).clients.empty());
}

// If this fails, clients of users who left fill the server for ever, or leave parts behind.
TEST_F(RetentionTest, RemovesAnIdleClientCompletely) {
  MakeClient(kClient, 10, 367, 10);
  RetentionPolicy policy = kPolicy;
  policy.idle_client_days = 365;
  const RetentionPage page = Run(policy);
  ASSERT_EQ(page.clients.size(), 1u);
  EXPECT_TRUE(page.clients[0].whole_client);
  EXPECT_EQ(page.clients[0].bytes, 10u * 7 + 8);
  EXPECT_FALSE(storage_.FindClient(kClient).value().has_value());
}

// If this fails, a user who only reads loses the whole history after a year.
TEST_F(RetentionTest, AClientThatIsOnlyReadIsNotIdle) {
  // Its user has one computer that changes nothing.
  MakeClient(kClient, 10, 1000, 10);
  See(kClient, 10, 300);
  RetentionPolicy policy = kPolicy;
  policy.idle_client_days = 365;
  Run(policy);
  EXPECT_TRUE(storage_.FindClient(kClient).value().has_value());
}

// If this fails, clients beyond the first page are never pruned, or the run never ends.
TEST_F(RetentionTest, EveryClientIsProcessedOnce) {
  for (int i = 0; i < 250; ++i) MakeClient(Uuid::Random(), 2, 1000, 2);
  RetentionPolicy policy = kPolicy;
  policy.idle_client_days = 365;
  Retention retention(storage_, policy);
  std::optional<Uuid> after;
  uint64_t examined = 0;
  uint64_t removed = 0;
  do {
    const absl::StatusOr<RetentionPage> page = retention.RunPage(after, kNowTime, false);
    ASSERT_TRUE(page.ok()) << page.status();
    examined += page->examined;
    removed += page->clients.size();
    after = page->next;
  } while (after);
  EXPECT_EQ(examined, 250u);
  EXPECT_EQ(removed, 250u);
  EXPECT_EQ(storage_.ReadStats().value().clients, 0u);
}

}  // namespace
}  // namespace tcsync::sync
