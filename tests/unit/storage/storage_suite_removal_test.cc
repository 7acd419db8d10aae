// The storage suite, removals: deleted clients, shortened histories, and the diverged replica that
// is accepted with a history of its own.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

bool IsUnknown(Storage& storage, const Uuid& client) {
  return std::holds_alternative<NoSuchClient>(GetChild(storage, client, kNil)) &&
         !SnapshotOf(storage, client).has_value();
}

bool AcceptsDiverged(const ChildOutcome& outcome) {
  const auto* no_child = std::get_if<NoChild>(&outcome);
  return no_child != nullptr && no_child->accepts_diverged;
}

// A client with records of every kind, among them one with a foreign parent and large segments.
std::vector<Uuid> MakeRichClient(Storage& storage, const Uuid& client, const Uuid& parent) {
  Uuid latest = parent;
  std::vector<Uuid> version_ids;
  for (const size_t size : {10, 20'000, 10, 100'000, 10}) {
    latest = MustAppend(storage, client, latest, Noise(size)).version_id;
    version_ids.push_back(latest);
  }
  EXPECT_EQ(StoreSnapshot(storage, client, latest, Noise(30'000)), StoreSnapshotOutcome::kStored);
  storage.NoteReplicaSeen(client, latest, 1'700'000'000);
  storage.NoteReplicaAhead(client, Uuid::Random(), 1'700'000'000);
  return version_ids;
}

// If this fails, a person gets the confirmation of an erasure that did not happen, or another
// user's data is erased as well.
TEST_P(StorageSuite, DeletingAClientKeepsItsNeighbours) {
  const Uuid before = *Uuid::Parse("11111111-1111-4111-8111-111111111110");
  const Uuid client = *Uuid::Parse("11111111-1111-4111-8111-111111111111");
  const Uuid after = *Uuid::Parse("11111111-1111-4111-8111-111111111112");
  const Uuid foreign = Uuid::Random();
  const std::vector<Uuid> of_before = MakeRichClient(storage(), before, kNil);
  const std::vector<Uuid> of_client = MakeRichClient(storage(), client, foreign);
  const std::vector<Uuid> of_after = MakeRichClient(storage(), after, kNil);
  Change(storage(), Ban{client, "why", 1});

  EXPECT_TRUE(Delete(storage(), client));
  EXPECT_TRUE(IsUnknown(storage(), client));
  EXPECT_FALSE(Delete(storage(), client)) << "it was deleted twice";
  EXPECT_FALSE(Delete(storage(), Uuid::Random()));
  AppendRequest request = AppendRequestFor(client, of_client.back());
  request.create_client = false;
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*TryAppend(storage(), request)));
  EXPECT_EQ(StoreSnapshot(storage(), client, of_client.back()),
            StoreSnapshotOutcome::kNoSuchClient);
  EXPECT_EQ(Access(storage()).bans.size(), 1u) << "a ban is the operator's";

  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), before, kNil)), of_before);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), after, kNil)), of_after);
  EXPECT_TRUE(SnapshotOf(storage(), before).has_value());
  EXPECT_TRUE(SnapshotOf(storage(), after).has_value());
}

// If this fails, a client that begins again finds parts of its old history in the new one.
TEST_P(StorageSuite, ADeletedClientCanBeginAgain) {
  const Uuid client = Uuid::Random();
  const Uuid foreign = Uuid::Random();
  const std::vector<Uuid> old_ids = MakeRichClient(storage(), client, foreign);
  ASSERT_TRUE(Delete(storage(), client));
  const Appended first = MustAppend(storage(), client, kNil, "new");
  EXPECT_TRUE(first.created_client);
  EXPECT_FALSE(first.snapshot.has_value());
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  EXPECT_EQ(base::NumberHint(first.version_id), 1u) << "it does not begin at number 1";
  std::vector<Uuid> parents = old_ids;
  parents.push_back(foreign);
  for (const Uuid& parent : parents) {
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, parent)), first.version_id);
    EXPECT_EQ(ConflictOf(Append(storage(), client, parent)), first.version_id);
    EXPECT_EQ(StoreSnapshot(storage(), client, parent), StoreSnapshotOutcome::kNotWanted);
  }
  const Uuid second = MustAppend(storage(), client, first.version_id, "newer").version_id;
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)),
            std::vector<Uuid>({first.version_id, second}));
  const ClientSummary summary = Find(storage(), client);
  EXPECT_EQ(summary.first_number, 1u);
  EXPECT_EQ(summary.latest_number, 2u);
  EXPECT_EQ(summary.history_bytes, 8u);
  EXPECT_EQ(summary.last_seen_unix_seconds, 0);
  EXPECT_TRUE(summary.replicas_ahead.empty());
  EXPECT_TRUE(storage().administration().ReadPositions(client, 0)->empty());
}

// If this fails, shortened histories lose too much, or the freed bytes are reported wrong.
TEST_P(StorageSuite, VersionsBelowANumberAreRemoved) {
  const Uuid client = Uuid::Random();
  Uuid latest = Uuid::Random();  // made by another server
  const Uuid foreign = latest;
  std::vector<Uuid> version_ids;
  for (size_t i = 1; i <= 10; ++i) {
    latest = MustAppend(storage(), client, latest, Noise(i % 3 == 0 ? 20'000 + i : i)).version_id;
    version_ids.push_back(latest);
  }
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[7], "of the eighth"),
            StoreSnapshotOutcome::kStored);

  EXPECT_EQ(RemoveBelow(storage(), client, 1), 0u);
  EXPECT_EQ(RemoveBelow(storage(), client, 4), 1u + 2u + 20'003u);
  EXPECT_EQ(RemoveBelow(storage(), client, 4), 0u) << "they were removed already";
  EXPECT_EQ(RemoveBelow(storage(), client, 3), 0u);
  for (const Uuid& parent : {foreign, version_ids[0], version_ids[1]}) {
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, parent)), latest) << "it is still there";
  }
  // The parent of the oldest kept version leads to it, as a replica at that parent needs.
  std::vector<Version> chain = ReadChain(storage(), client, version_ids[2]);
  ASSERT_EQ(chain.size(), 7u);
  EXPECT_EQ(chain[0].version_id, version_ids[3]);
  EXPECT_TRUE(chain[2].segment == Noise(20'006));

  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "of the eighth");
  EXPECT_EQ(MustAppend(storage(), client, latest, "more").snapshot->versions_since, 3u);
  const ClientSummary summary = Find(storage(), client);
  EXPECT_EQ(summary.first_number, 4u);
  EXPECT_EQ(summary.latest_number, 11u);
  EXPECT_EQ(summary.history_bytes, 4u + 5u + 20'006u + 7u + 8u + 20'009u + 10u + 4u);
}

// If this fails, a new computer cannot start: the snapshot's version or the whole chain is gone, or
// a version that it would need between the two.
TEST_P(StorageSuite, TheSnapshotsVersionAndTheLatestAreNotRemoved) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 6);
  StorageAdministration& administration = storage().administration();
  EXPECT_EQ(administration.RemoveVersions(client, 2).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[3]), StoreSnapshotOutcome::kStored);
  // Version 5 is needed after the snapshot of version 4.
  EXPECT_EQ(administration.RemoveVersions(client, 6).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), version_ids) << "some were removed";
  EXPECT_EQ(administration.RemoveVersions(Uuid::Random(), 2).status().code(),
            absl::StatusCode::kNotFound);

  EXPECT_GT(RemoveBelow(storage(), client, 5), 0u);
  EXPECT_EQ(Find(storage(), client).first_number, 4u) << "the snapshot's version is gone";
  EXPECT_EQ(ChildOf(storage(), client, version_ids[2])->version_id, version_ids[3]);
  // The snapshot of the latest version.
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[5]), StoreSnapshotOutcome::kStored);
  EXPECT_GT(RemoveBelow(storage(), client, 7), 0u);
  EXPECT_EQ(Find(storage(), client).first_number, 6u);
  EXPECT_EQ(ConflictOf(Append(storage(), client, version_ids[4])), version_ids[5]);
  MustAppend(storage(), client, version_ids[5]);
}

// If this fails, a history longer than one write's limit is removed only in part.
TEST_P(StorageSuite, ManyVersionsAreRemovedInParts) {
  const Uuid client = Uuid::Random();
  const size_t count = 2 * base::kRemovedVersionsPerWrite + 10;
  std::vector<StoredVersion> versions = ForeignChain(kNil, count);
  uint64_t bytes = 0;
  for (size_t i = 0; i + 1 < count; ++i) bytes += versions[i].version.segment.size();
  const Uuid latest = versions.back().version.version_id;
  MustImport(storage(), client, versions, {{.snapshot = {latest, "snapshot"}}});
  EXPECT_EQ(RemoveBelow(storage(), client, count), bytes);
  EXPECT_EQ(Find(storage(), client).version_count(), 1u);
  EXPECT_EQ(NoChildOf(GetChild(storage(), client, kNil)), latest);
  EXPECT_EQ(ChildOf(storage(), client, versions[count - 2].version.version_id)->version_id, latest);
}

// If this fails, the replica that is ahead of a restored server is refused although the operator
// permitted it.
TEST_P(StorageSuite, AReplicaAtAnUnknownVersionIsAcceptedOnce) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> old_ids = MakeRichClient(storage(), client, kNil);
  // Made by this server before an older backup was restored: its number leads astray, or nowhere.
  for (const Uuid& ahead : {base::RandomUuidWithNumber(9), Uuid::Random()}) {
    const Uuid latest = *NoChildOf(GetChild(storage(), client, ahead));
    EXPECT_FALSE(AcceptsDiverged(GetChild(storage(), client, ahead)));
    EXPECT_TRUE(ConflictOf(Append(storage(), client, ahead)).has_value());
    ASSERT_TRUE(AcceptDiverged(storage(), client));
    EXPECT_TRUE(AcceptsDiverged(GetChild(storage(), client, ahead)));
    EXPECT_FALSE(AcceptsDiverged(GetChild(storage(), client, latest))) << "which is here";

    const Appended accepted = MustAppend(storage(), client, ahead, "accepted");
    EXPECT_FALSE(accepted.created_client);
    EXPECT_FALSE(accepted.snapshot.has_value()) << "of a history that is gone";
    EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
    EXPECT_EQ(ChildOf(storage(), client, ahead)->version_id, accepted.version_id);
    for (const Uuid& old : old_ids) {
      EXPECT_EQ(NoChildOf(GetChild(storage(), client, old)), accepted.version_id);
    }
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, kNil)), accepted.version_id);

    const ClientSummary summary = Find(storage(), client);
    EXPECT_EQ(summary.version_count(), 1u);
    EXPECT_EQ(summary.history_bytes, 8u);
    EXPECT_FALSE(summary.accepts_diverged);
    EXPECT_TRUE(summary.replicas_ahead.empty());
    // Once: the next one has to accept the present history.
    EXPECT_FALSE(AcceptsDiverged(GetChild(storage(), client, Uuid::Random())));
    EXPECT_EQ(ConflictOf(Append(storage(), client, Uuid::Random())), accepted.version_id);
    const Uuid next = MustAppend(storage(), client, accepted.version_id, "next").version_id;
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, ahead)),
              std::vector<Uuid>({accepted.version_id, next}));
    EXPECT_EQ(StoreSnapshot(storage(), client, next), StoreSnapshotOutcome::kStored);
  }
}

// If this fails, a number is used twice, and a version ID leads to another version than its child.
TEST_P(StorageSuite, NumbersContinueAfterADivergedReplicaIsAccepted) {
  const Uuid client = Uuid::Random();
  AppendChain(storage(), client, kNil, 5);
  ASSERT_TRUE(AcceptDiverged(storage(), client));
  MustAppend(storage(), client, Uuid::Random());
  EXPECT_EQ(Find(storage(), client).first_number, 6u);
  EXPECT_EQ(Find(storage(), client).latest_number, 6u);
}

// If this fails, a replica that is behind counts as ahead, and an operator accepts it in place of
// the others' history.
TEST_P(StorageSuite, AHistoryIsNumberedFromItsParent) {
  struct Case {
    Uuid parent;
    uint64_t of_new_client;
    uint64_t after_five;
  };
  const Case cases[] = {
      {base::RandomUuidWithNumber(100), 101, 101},
      {base::RandomUuidWithNumber(3), 4, 6},
      {base::RandomUuidWithNumber(base::kVersionNumberMax / 2), (base::kVersionNumberMax / 2) + 1,
       (base::kVersionNumberMax / 2) + 1},
      // Absurd ones, which a client may choose, would leave no number for the next version.
      {base::RandomUuidWithNumber(base::kVersionNumberMax / 2 + 1), 1, 6},
      {base::RandomUuidWithNumber(base::kVersionNumberMax), 1, 6},
      {*Uuid::Parse("00000000-0064-4111-8111-111111111111"), 1, 6},  // of version 4
  };
  for (const Case& of : cases) {
    SCOPED_TRACE(of.parent.ToString());
    const Uuid created = Uuid::Random();
    const Uuid imported = Uuid::Random();
    const Uuid accepted = Uuid::Random();
    AppendChain(storage(), accepted, kNil, 5);
    ASSERT_TRUE(AcceptDiverged(storage(), accepted));
    const Uuid first = MustAppend(storage(), created, of.parent).version_id;
    EXPECT_EQ(base::NumberHint(first), of.of_new_client);
    MustAppend(storage(), accepted, of.parent);
    MustImport(storage(), imported,
               {{.appended_unix_seconds = 1, .version = {first, of.parent, "segment"}}});
    const std::pair<Uuid, uint64_t> expected[] = {
        {created, of.of_new_client}, {imported, of.of_new_client}, {accepted, of.after_five}};
    for (const auto& [client, number] : expected) {
      ClientSummary summary = Find(storage(), client);
      EXPECT_EQ(summary.first_number, number);
      EXPECT_EQ(summary.latest_number, number);
      EXPECT_EQ(ChildOf(storage(), client, of.parent)->version_id, summary.latest_version_id);
      const Uuid next = MustAppend(storage(), client, summary.latest_version_id).version_id;
      EXPECT_EQ(base::NumberHint(next), number + 1);
      EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, of.parent)),
                std::vector<Uuid>({summary.latest_version_id, next}));
      EXPECT_EQ(StoreSnapshot(storage(), client, next), StoreSnapshotOutcome::kStored);
      const auto report = storage().administration().VerifyChain(client);
      ASSERT_TRUE(report.ok());
      EXPECT_TRUE(report->problems.empty());
      EXPECT_EQ(report->versions, 2u);
      EXPECT_TRUE(Delete(storage(), client));
    }
  }
}

// If this fails, a replica that is merely behind, or a new and empty one, wipes out the history.
TEST_P(StorageSuite, AReplicaThatIsBehindIsNotAccepted) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 5);
  ASSERT_EQ(StoreSnapshot(storage(), client, version_ids[4]), StoreSnapshotOutcome::kStored);
  RemoveBelow(storage(), client, 3);
  ASSERT_TRUE(AcceptDiverged(storage(), client));
  // Of a version that is here, of the parent of the first one, and of the nil version.
  for (const Uuid& parent : {version_ids[2], version_ids[3], version_ids[1], kNil}) {
    EXPECT_EQ(ConflictOf(Append(storage(), client, parent)), version_ids[4]);
    EXPECT_FALSE(AcceptsDiverged(GetChild(storage(), client, parent)));
  }
  // A fitting append is unaffected, and leaves the permission to the replica that it is for.
  const Uuid next = MustAppend(storage(), client, version_ids[4]).version_id;
  EXPECT_TRUE(AcceptsDiverged(GetChild(storage(), client, Uuid::Random())));
  EXPECT_EQ(ChildOf(storage(), client, version_ids[1])->version_id, version_ids[2]);
  // It can be revoked.
  ASSERT_TRUE(AcceptDiverged(storage(), client, false));
  EXPECT_FALSE(AcceptsDiverged(GetChild(storage(), client, Uuid::Random())));
  EXPECT_EQ(ConflictOf(Append(storage(), client, Uuid::Random())), next);
  EXPECT_FALSE(AcceptDiverged(storage(), Uuid::Random())) << "there is no such client";
}

// If this fails, an accepted replica is refused because of the history that it replaces, or exceeds
// the limit.
TEST_P(StorageSuite, AnAcceptedReplicaIsLimitedByTheRemainingBytes) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(storage(), client, kNil, Noise(1'000)).version_id;
  ASSERT_TRUE(AcceptDiverged(storage(), client));
  AppendRequest request = AppendRequestFor(client, Uuid::Random(), Noise(1'001));
  request.limits = {.bytes_max = 1'000, .versions_max = 1};
  const auto over = OverLimitOf(*TryAppend(storage(), request));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->bytes, 1'001u);
  EXPECT_EQ(NoChildOf(GetChild(storage(), client, first)), first)
      << "the version that was here is gone";
  request.segment = Noise(1'000);
  EXPECT_TRUE(std::holds_alternative<Appended>(*TryAppend(storage(), request)));
}

}  // namespace
}  // namespace tcsync
