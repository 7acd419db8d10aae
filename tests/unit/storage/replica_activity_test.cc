// Notes of replicas in memory.
#include "storage/rocksdb/replica_activity.h"

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"

namespace tcsync::rocksdb_storage {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

// If this fails, every "anything new?" with the answer no looks up the chain's head again, or is
// written again.
TEST(ReplicaActivityTest, EachNoteIsTakenOnce) {
  ReplicaActivity notes;
  const Uuid version_id = base::RandomUuidWithNumber(7);
  EXPECT_FALSE(notes.IsNoted(kClient, version_id, 100));
  notes.Note(kClient, version_id, 7, 100);
  EXPECT_TRUE(notes.IsNoted(kClient, version_id, 100));
  EXPECT_FALSE(notes.IsNoted(kClient, version_id, 101));
  EXPECT_FALSE(notes.IsNoted(kClient, base::RandomUuidWithNumber(7), 100));
  EXPECT_FALSE(notes.IsNoted(Uuid::Random(), version_id, 100));
  EXPECT_EQ(notes.Changed().positions.size(), 1u);
  const ReplicaActivity::Changes taken = notes.Take();
  ASSERT_EQ(taken.positions.size(), 1u);
  EXPECT_EQ(taken.positions[0].client_id, kClient);
  EXPECT_EQ(taken.positions[0].day, 100u);
  EXPECT_EQ(taken.positions[0].oldest_number, 7u);
  EXPECT_TRUE(notes.Take().empty());
  EXPECT_TRUE(notes.IsNoted(kClient, version_id, 100)) << "it was forgotten by being written";
  notes.Note(kClient, base::RandomUuidWithNumber(8), 8, 100);
  EXPECT_TRUE(notes.Changed().empty()) << "a newer version of the same day says nothing new";
  notes.Note(kClient, base::RandomUuidWithNumber(5), 5, 100);
  EXPECT_EQ(notes.Take().positions.at(0).oldest_number, 5u);
}

// If this fails, notes that could not be written are lost although the server continues.
TEST(ReplicaActivityTest, UnwrittenNotesAreTakenAgain) {
  ReplicaActivity notes;
  notes.Note(kClient, base::RandomUuidWithNumber(7), 7, 100);
  const Uuid ahead = Uuid::Random();
  notes.NoteAhead(kClient, ahead, 50);
  const ReplicaActivity::Changes taken = notes.Take();
  notes.Note(kClient, base::RandomUuidWithNumber(9), 9, 100);
  notes.Note(kClient, base::RandomUuidWithNumber(10), 10, 101);
  notes.NoteAhead(kClient, Uuid::Random(), 60);
  notes.Restore(taken);
  const ReplicaActivity::Changes again = notes.Take();
  ASSERT_EQ(again.positions.size(), 2u);
  for (const ReplicaActivity::Position& position : again.positions) {
    EXPECT_EQ(position.oldest_number, position.day == 100 ? 7u : 10u);
  }
  ASSERT_EQ(again.ahead.size(), 1u);
  ASSERT_EQ(again.ahead[0].replicas.size(), 2u);
  EXPECT_EQ(again.ahead[0].replicas[1].version_id, ahead);
}

// If this fails, many clients, or invented client IDs, fill the server's memory.
TEST(ReplicaActivityTest, MemoryIsBounded) {
  ReplicaActivity notes;
  for (size_t i = 0; i < base::kReplicaActivityMax * 2; ++i) {
    notes.Note(Uuid::Random(), base::RandomUuidWithNumber(1), 1, 100);
    notes.NoteAhead(Uuid::Random(), Uuid::Random(), 1);
    notes.NoteUnresolved({Uuid::Random(), Uuid::Random(), 100});
  }
  EXPECT_LE(notes.TakeUnresolved().size(), base::kUnresolvedNotesMax);
  const ReplicaActivity::Changes taken = notes.Take();
  EXPECT_LE(taken.positions.size(), base::kReplicaActivityMax);
  EXPECT_GE(taken.positions.size(), base::kReplicaActivityMax / 2);
  EXPECT_LE(taken.ahead.size(), base::kAheadNotesMax);
  // Written notes make room for others.
  const Uuid version_id = base::RandomUuidWithNumber(1);
  notes.Note(kClient, version_id, 1, 100);
  EXPECT_TRUE(notes.IsNoted(kClient, version_id, 100));
}

// If this fails, days that are over stay in memory for ever.
TEST(ReplicaActivityTest, EarlierDaysAreForgottenOnceWritten) {
  ReplicaActivity notes;
  const Uuid version_id = base::RandomUuidWithNumber(7);
  notes.Note(kClient, version_id, 7, 100);
  notes.Note(kClient, version_id, 7, 101);
  EXPECT_EQ(notes.Take().positions.size(), 2u);
  EXPECT_FALSE(notes.IsNoted(kClient, version_id, 100));
  EXPECT_TRUE(notes.IsNoted(kClient, version_id, 101));
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
