// The total of all clients, which total-bytes-max bounds. If these fail, a full server stays full
// after clients were removed, or takes more than its limit.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

uint64_t LiveBytes(Storage& storage) { return storage.administration().LiveBytes(); }

// The sum of the clients' own figures.
uint64_t SumOverClients(Storage& storage) {
  uint64_t bytes = 0;
  for (const ClientSummary& client : ListAll(storage)) {
    bytes += client.history_bytes + client.snapshot_bytes +
             client.version_count() * base::kVersionRecordBytes + base::kClientRecordBytes;
  }
  return bytes;
}

TEST_P(StorageSuite, EveryChangeUpdatesLiveBytes) {
  EXPECT_EQ(LiveBytes(storage()), 0u);
  const Uuid client = Uuid::Random();
  Uuid latest = MustAppend(storage(), client, kNil, Noise(1'000)).version_id;
  EXPECT_EQ(LiveBytes(storage()), 1'000 + base::kVersionRecordBytes + base::kClientRecordBytes);
  latest = MustAppend(storage(), client, latest, Noise(50'000)).version_id;
  EXPECT_EQ(LiveBytes(storage()),
            51'000 + 2 * base::kVersionRecordBytes + base::kClientRecordBytes);
  ASSERT_TRUE(ConflictOf(Append(storage(), client, kNil, Noise(7'000))));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage())) << "a refused version counts";

  ASSERT_EQ(StoreSnapshot(storage(), client, latest, Noise(30'000)), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(LiveBytes(storage()),
            81'000 + 2 * base::kVersionRecordBytes + base::kClientRecordBytes);
  latest = MustAppend(storage(), client, latest, "").version_id;
  ASSERT_EQ(StoreSnapshot(storage(), client, latest, Noise(100)), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(LiveBytes(storage()), 51'100 + 3 * base::kVersionRecordBytes + base::kClientRecordBytes)
      << "a replaced snapshot counts";

  const Uuid imported = Uuid::Random();
  MustImport(storage(), imported, ForeignChain(kNil, 3));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));
  ASSERT_EQ(RemoveBelow(storage(), client, 3), 51'000u);
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));

  // An accepted replica replaces the whole history here.
  ASSERT_TRUE(*storage().administration().AcceptDiverged(client, true));
  MustAppend(storage(), client, Uuid::Random(), Noise(10));
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));

  ASSERT_TRUE(Delete(storage(), imported));
  EXPECT_EQ(LiveBytes(storage()), 10 + base::kVersionRecordBytes + base::kClientRecordBytes);
  ASSERT_TRUE(Delete(storage(), client));
  EXPECT_EQ(LiveBytes(storage()), 0u);
}

// If this fails, unfinished uploads fill a disk and count as nothing.
TEST_P(StorageSuite, UploadsCountTowardsLiveBytes) {
  const Uuid client = Uuid::Random();
  std::unique_ptr<Upload> abandoned =
      MustBeginUpload(storage(), UploadRequestFor(Uuid::Random(), kNil));
  AddAll(*abandoned, Noise(300'000), base::kPieceBytesMax);
  EXPECT_EQ(LiveBytes(storage()), 300'000u);
  AppendRequest append =
      UploadedAppendFor(storage(), client, kNil, Noise(400'000), base::kPieceBytesMax);
  EXPECT_EQ(LiveBytes(storage()), 700'000u);
  const auto outcome = TryAppend(storage(), std::move(append));
  ASSERT_TRUE(outcome.ok() && std::holds_alternative<Appended>(*outcome));
  const Uuid first = std::get<Appended>(*outcome).version_id;
  EXPECT_EQ(LiveBytes(storage()), 700'000 + base::kVersionRecordBytes + base::kClientRecordBytes);
  abandoned.reset();
  // Its remains are removed soon.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (LiveBytes(storage()) != SumOverClients(storage())) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  const Uuid second = MustAppend(storage(), client, first, Noise(500)).version_id;
  RewindRequest request{.client_id = client, .version_id = first};
  request.latest_version_id = second;
  ASSERT_TRUE(storage().administration().Rewind(request).ok());
  EXPECT_EQ(LiveBytes(storage()), 400'000 + base::kVersionRecordBytes + base::kClientRecordBytes);
  EXPECT_EQ(LiveBytes(storage()), SumOverClients(storage()));
}

// If this fails, a flood of empty versions fills a disk and counts as nothing.
TEST_P(StorageSuite, EmptyVersionsCountTowardsLiveBytes) {
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  for (int i = 0; i < 10; ++i) latest = MustAppend(storage(), client, latest, "").version_id;
  EXPECT_EQ(LiveBytes(storage()), 10 * base::kVersionRecordBytes + base::kClientRecordBytes);
}

}  // namespace
}  // namespace tcsync
