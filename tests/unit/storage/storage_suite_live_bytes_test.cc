// What all clients together have: the figure that total-bytes-max bounds. If these fail, a full
// server stays full after clients were removed, or takes more than it was told to.
#include <cstdint>
#include <string>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

uint64_t LiveBytes(Storage& storage) { return AdministrationOf(storage).LiveBytes(); }

// What the clients' own figures add up to.
uint64_t SumOverClients(Storage& storage) {
  uint64_t bytes = 0;
  for (const ClientSummary& client : ListAll(storage)) {
    bytes += client.history_bytes + client.snapshot_bytes +
             client.version_count() * kVersionRecordBytes + kClientRecordBytes;
  }
  return bytes;
}

TEST_P(StorageSuite, LiveBytesFollowEveryChange) {
  EXPECT_EQ(LiveBytes(storage()), 0u);
  const Uuid client = Uuid::Random();
  Uuid latest = MustAppend(storage(), client, kNil, Noise(1'000)).version_id;
  EXPECT_EQ(LiveBytes(storage()), 1'000 + kVersionRecordBytes + kClientRecordBytes);
  latest = MustAppend(storage(), client, latest, Noise(50'000)).version_id;
  EXPECT_EQ(LiveBytes(storage()), 51'000 + 2 * kVersionRecordBytes + kClientRecordBytes);
  ASSERT_TRUE(ConflictOf(Append(storage(), client, kNil, Noise(7'000))));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage())) << "a refused version counts";

  ASSERT_EQ(StoreSnapshot(storage(), client, latest, Noise(30'000)), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(LiveBytes(storage()), 81'000 + 2 * kVersionRecordBytes + kClientRecordBytes);
  latest = MustAppend(storage(), client, latest, "").version_id;
  ASSERT_EQ(StoreSnapshot(storage(), client, latest, Noise(100)), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(LiveBytes(storage()), 51'100 + 3 * kVersionRecordBytes + kClientRecordBytes)
      << "a replaced snapshot counts";

  const Uuid imported = Uuid::Random();
  MustImport(storage(), imported, ForeignChain(kNil, 3));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));
  ASSERT_EQ(RemoveBelow(storage(), client, 3), 51'000u);
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));

  // A replica that carries on replaces all that was here.
  ASSERT_TRUE(*AdministrationOf(storage()).LetReplicaCarryOn(client, true));
  MustAppend(storage(), client, Uuid::Random(), Noise(10));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));

  ASSERT_TRUE(Delete(storage(), imported));
  EXPECT_EQ(LiveBytes(storage()), 10 + kVersionRecordBytes + kClientRecordBytes);
  ASSERT_TRUE(Delete(storage(), client));
  EXPECT_EQ(LiveBytes(storage()), 0u);
}

// If this fails, a flood of empty versions fills a disk and counts as nothing.
TEST_P(StorageSuite, EmptyVersionsCountTowardsLiveBytes) {
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  for (int i = 0; i < 10; ++i) latest = MustAppend(storage(), client, latest, "").version_id;
  EXPECT_EQ(LiveBytes(storage()), 10 * kVersionRecordBytes + kClientRecordBytes);
}

}  // namespace
}  // namespace tcsync
