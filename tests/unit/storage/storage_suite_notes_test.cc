// The storage suite, notes of replicas: their positions, and those that are ahead.
#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kNoon = 19'000 * kDay + kDay / 2;

std::vector<ReplicaPosition> Positions(Storage& storage, const Uuid& client) {
  const auto positions = storage.administration().ReadPositions(client, 0);
  EXPECT_TRUE(positions.ok()) << positions.status();
  return positions.value_or(std::vector<ReplicaPosition>());
}

// If this fails, history that a replica still needs is removed: a later replica of the day hides an
// earlier one that is further behind.
TEST_P(StorageSuite, TheOldestPositionOfADayIsKept) {
  const Uuid client = Uuid::Random();
  // From another server, so that the IDs do not contain the numbers.
  const std::vector<StoredVersion> imported = ForeignChain(kNil, 6);
  MustImport(storage(), client, imported);
  std::vector<Uuid> version_ids = VersionIdsOf(imported);
  version_ids.push_back(MustAppend(storage(), client, version_ids.back()).version_id);
  const auto note = [&](size_t number, int64_t now) {
    storage().NoteReplicaSeen(client, version_ids[number - 1], now);
  };
  for (int i = 0; i < 3; ++i) note(7, kNoon);
  // The import has a position of its own, because those of the replicas are unknown.
  ASSERT_EQ(Positions(storage(), client).size(), 2u);
  EXPECT_EQ(Positions(storage(), client)[0].oldest_number, 1u);
  EXPECT_EQ(Positions(storage(), client)[1].oldest_number, 7u);
  note(3, kNoon + 1);
  note(5, kNoon + 2);
  note(7, kNoon + 3);
  note(2, kNoon + kDay);
  note(6, kNoon - kDay);
  const std::vector<ReplicaPosition> positions = Positions(storage(), client);
  ASSERT_EQ(positions.size(), 4u);
  EXPECT_EQ(positions[1].day_unix_seconds, 18'999 * kDay);
  EXPECT_EQ(positions[1].oldest_number, 6u);
  EXPECT_EQ(positions[2].day_unix_seconds, 19'000 * kDay);
  EXPECT_EQ(positions[2].oldest_number, 3u);
  EXPECT_EQ(positions[3].oldest_number, 2u);
  EXPECT_EQ(Find(storage(), client).last_seen_unix_seconds, 19'001 * kDay);
}

// If this fails, anyone can keep a client's history from being removed, or an unused client from
// being found, by asking with an invalid ID.
TEST_P(StorageSuite, UnknownVersionsAreNotPositions) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 4);
  const Uuid other_client = Uuid::Random();
  const Uuid of_other = MustAppend(storage(), other_client, kNil).version_id;
  for (const Uuid& version_id : {kNil, of_other, Uuid::Random(), base::RandomUuidWithNumber(2),
                                 base::RandomUuidWithNumber(4), base::RandomUuidWithNumber(5)}) {
    storage().NoteReplicaSeen(client, version_id, kNoon);
    storage().NoteReplicaSeen(Uuid::Random(), version_id, kNoon);
  }
  EXPECT_TRUE(Positions(storage(), client).empty());
  EXPECT_EQ(Find(storage(), client).last_seen_unix_seconds, 0);
}

// If this fails, the operator does not learn of the replicas that are ahead, or requests with
// random IDs fill the memory and the disk.
TEST_P(StorageSuite, ReplicasAheadAreKeptUpToALimit) {
  const Uuid client = Uuid::Random();
  MustAppend(storage(), client, kNil);
  std::vector<Uuid> ahead;
  for (size_t i = 0; i < base::kReplicasAheadMax + 5; ++i) {
    ahead.push_back(Uuid::Random());
    storage().NoteReplicaAhead(client, ahead.back(), kNoon + static_cast<int64_t>(i));
  }
  storage().NoteReplicaAhead(client, ahead[6], kNoon + 100);  // it was seen again
  storage().NoteReplicaAhead(client, kNil, kNoon + 200);      // ahead of no client
  storage().NoteReplicaAhead(Uuid::Random(), ahead[0], kNoon);
  const std::vector<ReplicaAhead> kept = Find(storage(), client).replicas_ahead;
  ASSERT_EQ(kept.size(), base::kReplicasAheadMax);
  EXPECT_EQ(kept[0].version_id, ahead[6]);
  EXPECT_EQ(kept[0].last_seen_unix_seconds, kNoon + 100);
  EXPECT_EQ(kept[1].version_id, ahead.back());
  EXPECT_EQ(kept[2].version_id, ahead[ahead.size() - 2]);
}

// If this fails, notes of a deleted client appear in the next one with its ID, and keep its history
// from being removed.
TEST_P(StorageSuite, NotesOfADeletedClientAreForgotten) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(storage(), client, kNil).version_id;
  storage().NoteReplicaSeen(client, first, kNoon);
  storage().NoteReplicaAhead(client, Uuid::Random(), kNoon);
  ASSERT_TRUE(Delete(storage(), client));
  const Uuid second = MustAppend(storage(), client, kNil).version_id;
  EXPECT_TRUE(Positions(storage(), client).empty());
  EXPECT_TRUE(Find(storage(), client).replicas_ahead.empty());
  storage().NoteReplicaSeen(client, second, kNoon);
  EXPECT_EQ(Positions(storage(), client).size(), 1u);
}

}  // namespace
}  // namespace tcsync
