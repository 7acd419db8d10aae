// The storage suite, snapshots: which are kept, and their figures.
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

// If this fails, a new computer starts from nothing, or from the wrong state.
TEST_P(StorageSuite, ASnapshotIsReturned) {
  const Uuid client = Uuid::Random();
  Uuid latest = MustAppend(storage(), client, kNil).version_id;
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  for (const size_t size : {size_t{1}, base::kInlineBytesMax, size_t{base::kBlobBytesMin - 1},
                            size_t{base::kBlobBytesMin}, size_t{1} << 20}) {
    const std::string bytes = Noise(size);
    latest = MustAppend(storage(), client, latest).version_id;
    ASSERT_EQ(StoreSnapshot(storage(), client, latest, bytes), StoreSnapshotOutcome::kStored);
    const std::optional<Snapshot> snapshot = SnapshotOf(storage(), client);
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->version_id, latest);
    EXPECT_TRUE(snapshot->bytes == bytes) << "of " << size << " bytes";
  }
}

// If this fails, a snapshot of a version that is too old is kept, or a useful one is dropped.
TEST_P(StorageSuite, OnlyTheLatestFiveVersionsMayHaveASnapshot) {
  for (int from_end = 0; from_end < 8; ++from_end) {
    const Uuid client = Uuid::Random();
    const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 8);
    EXPECT_EQ(StoreSnapshot(storage(), client, version_ids[7 - from_end]),
              from_end < 5 ? StoreSnapshotOutcome::kStored : StoreSnapshotOutcome::kNotWanted)
        << from_end << " from the end";
  }
}

// If this fails, the number of recent versions is not the one that was asked for.
TEST_P(StorageSuite, TheCallerSetsTheNumberOfRecentVersions) {
  for (const uint64_t recent_versions_max : {0u, 1u, 2u, 8u, 9u, 1000u}) {
    const Uuid client = Uuid::Random();
    const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 8);
    // From the oldest on, so that each is newer than the present snapshot's.
    for (size_t i = 0; i < version_ids.size(); ++i) {
      StoreSnapshotRequest request = StoreSnapshotRequestFor(client, version_ids[i]);
      request.recent_versions_max = recent_versions_max;
      EXPECT_EQ(StoreSnapshot(storage(), request), version_ids.size() - i <= recent_versions_max
                                                       ? StoreSnapshotOutcome::kStored
                                                       : StoreSnapshotOutcome::kNotWanted)
          << "version " << i + 1 << " of 8, of which " << recent_versions_max << " are recent";
    }
  }
}

// If this fails, a slow computer's snapshot replaces a newer one, and versions are replayed twice.
TEST_P(StorageSuite, OnlyANewerSnapshotReplacesTheOldOne) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 5);
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[2], "third"),
            StoreSnapshotOutcome::kStored);
  for (const Uuid& older : {version_ids[0], version_ids[1], version_ids[2]}) {
    EXPECT_EQ(StoreSnapshot(storage(), client, older, "older"), StoreSnapshotOutcome::kNotWanted);
  }
  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "third");
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[3], "fourth"),
            StoreSnapshotOutcome::kStored);
  EXPECT_EQ(SnapshotOf(storage(), client)->version_id, version_ids[3]);
  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "fourth");
}

// If this fails, a snapshot is kept that belongs to no version, so that no replica can continue
// from it.
TEST_P(StorageSuite, SnapshotsOfUnknownVersionsAreNotWanted) {
  const Uuid client = Uuid::Random();
  const Uuid other_client = Uuid::Random();
  const Uuid foreign = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, foreign, 3);
  const Uuid of_other = MustAppend(storage(), other_client, kNil).version_id;
  for (const Uuid& version_id :
       {kNil, foreign, Uuid::Random(), of_other, base::RandomUuidWithNumber(3)}) {
    EXPECT_EQ(StoreSnapshot(storage(), client, version_id), StoreSnapshotOutcome::kNotWanted)
        << version_id.ToString();
  }
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  EXPECT_EQ(StoreSnapshot(storage(), Uuid::Random(), kNil), StoreSnapshotOutcome::kNoSuchClient);
}

// If this fails, clients are asked for snapshots too early or too late.
TEST_P(StorageSuite, AppendReportsTheSnapshotAndTheVersionsSince) {
  const Uuid client = Uuid::Random();
  std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 5);
  // Of a version that is not the latest: two are newer already.
  StoreSnapshotRequest request = StoreSnapshotRequestFor(client, version_ids[2]);
  request.now_unix_seconds = 1'234'567'890;
  ASSERT_EQ(StoreSnapshot(storage(), request), StoreSnapshotOutcome::kStored);
  for (uint64_t versions_since = 3; versions_since < 120; ++versions_since) {
    const Appended appended = MustAppend(storage(), client, version_ids.back());
    ASSERT_TRUE(appended.snapshot.has_value());
    EXPECT_EQ(appended.snapshot->version_id, version_ids[2]);
    EXPECT_EQ(appended.snapshot->stored_unix_seconds, 1'234'567'890);
    EXPECT_EQ(appended.snapshot->versions_since, versions_since);
    version_ids.push_back(appended.version_id);
  }
  request.version_id = version_ids.back();
  request.now_unix_seconds = 1'234'567'999;
  ASSERT_EQ(StoreSnapshot(storage(), request), StoreSnapshotOutcome::kStored);
  const Appended appended = MustAppend(storage(), client, version_ids.back());
  ASSERT_TRUE(appended.snapshot.has_value());
  EXPECT_EQ(appended.snapshot->version_id, version_ids.back());
  EXPECT_EQ(appended.snapshot->stored_unix_seconds, 1'234'567'999);
  EXPECT_EQ(appended.snapshot->versions_since, 1u);
}

// If this fails, a snapshot disturbs the chain: versions vanish, or another parent is accepted.
TEST_P(StorageSuite, ASnapshotDoesNotChangeTheChain) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 5);
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[4], Noise(100'000)),
            StoreSnapshotOutcome::kStored);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), version_ids);
  EXPECT_EQ(ConflictOf(Append(storage(), client, version_ids[3])), version_ids[4]);
  MustAppend(storage(), client, version_ids[4]);
}

// If this fails, one user starts from another user's snapshot.
TEST_P(StorageSuite, ClientsHaveSeparateSnapshots) {
  const Uuid one = *Uuid::Parse("11111111-1111-4111-8111-111111111110");
  const Uuid two = *Uuid::Parse("11111111-1111-4111-8111-111111111111");
  const Uuid version_of_one = MustAppend(storage(), one, kNil).version_id;
  const Uuid version_of_two = MustAppend(storage(), two, kNil).version_id;
  ASSERT_EQ(StoreSnapshot(storage(), one, version_of_one, "one"), StoreSnapshotOutcome::kStored);
  EXPECT_FALSE(SnapshotOf(storage(), two).has_value());
  ASSERT_EQ(StoreSnapshot(storage(), two, version_of_two, "two"), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(SnapshotOf(storage(), one)->bytes, "one");
  EXPECT_EQ(SnapshotOf(storage(), two)->bytes, "two");
}

}  // namespace
}  // namespace tcsync
