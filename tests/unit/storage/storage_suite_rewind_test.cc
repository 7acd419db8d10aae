// The storage suite, rewinding: the end of a history is removed, and the rest continues.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

using ::testing::IsEmpty;

constexpr int64_t kNow = 1'700'000'000;
constexpr int64_t kDay = 86'400;

// The request describes the client's present state.
RewindRequest RequestTo(Storage& storage, const Uuid& client, const Uuid& version) {
  const ClientSummary summary = Find(storage, client);
  RewindRequest request{.client_id = client, .version_id = version};
  request.latest_version_id = summary.latest_version_id;
  if (summary.snapshot) request.snapshot_version_id = summary.snapshot->version_id;
  return request;
}

Rewound MustRewind(Storage& storage, const RewindRequest& request) {
  const auto rewound = storage.administration().Rewind(request);
  EXPECT_TRUE(rewound.ok()) << rewound.status();
  return rewound.value_or(Rewound());
}

absl::StatusCode CodeOf(Storage& storage, const RewindRequest& request) {
  return storage.administration().Rewind(request).status().code();
}

std::vector<VersionSummary> List(Storage& storage, const Uuid& client, uint64_t after,
                                 size_t limit) {
  const auto versions = storage.administration().ListVersions(client, after, limit);
  EXPECT_TRUE(versions.ok()) << versions.status();
  return versions.value_or(std::vector<VersionSummary>());
}

// If this fails, a rewind removes too much or too little, or leaves a history that is not whole.
TEST_P(StorageSuite, ARewindRemovesTheEndAndTheRestCanBeContinued) {
  const Uuid foreign = Uuid::Random();
  for (const auto& [client, first_parent] :
       {std::pair(kNil, kNil), std::pair(Uuid::Random(), foreign)}) {
    std::vector<Uuid> ids;
    Uuid latest = first_parent;
    for (const size_t bytes :
         {size_t{10}, size_t{20'000}, size_t{30}, size_t{200'000}, size_t{50}}) {
      latest = MustAppend(storage(), client, latest, Noise(bytes)).version_id;
      ids.push_back(latest);
    }
    ASSERT_EQ(StoreSnapshot(storage(), client, ids[3], Noise(300'000)),
              StoreSnapshotOutcome::kStored);
    ASSERT_TRUE(storage().administration().AcceptDiverged(client, true).ok());

    const Rewound rewound = MustRewind(storage(), RequestTo(storage(), client, ids[1]));
    EXPECT_EQ(rewound.versions_removed, 3u);
    EXPECT_EQ(rewound.bytes_removed, 30u + 200'000 + 50 + 300'000);
    EXPECT_TRUE(rewound.snapshot_removed);
    const ClientSummary summary = Find(storage(), client);
    EXPECT_EQ(summary.latest_version_id, ids[1]);
    EXPECT_EQ(summary.history_bytes, 20'010u);
    EXPECT_FALSE(summary.snapshot.has_value());
    EXPECT_FALSE(summary.accepts_diverged);
    EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
    EXPECT_THAT(Verify(storage(), client).problems, IsEmpty());
    for (size_t i = 2; i < ids.size(); ++i) {
      EXPECT_EQ(NoChildOf(GetChild(storage(), client, ids[i])), ids[1]);
      EXPECT_EQ(ConflictOf(Append(storage(), client, ids[i])), ids[1]);
      EXPECT_EQ(StoreSnapshot(storage(), client, ids[i]), StoreSnapshotOutcome::kNotWanted);
    }
    // New versions have numbers that were used before, and must not be mistaken for the removed
    // ones.
    std::vector<Uuid> chain = {ids[0], ids[1]};
    for (int i = 0; i < 4; ++i) {
      chain.push_back(MustAppend(storage(), client, chain.back(), Noise(60)).version_id);
    }
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, first_parent)), chain);
    for (size_t i = 2; i < ids.size(); ++i) {
      EXPECT_EQ(NoChildOf(GetChild(storage(), client, ids[i])), chain.back());
    }
    EXPECT_THAT(Verify(storage(), client).problems, IsEmpty());
  }
}

// If this fails, a snapshot that new computers need is lost, or a bad one cannot be removed.
TEST_P(StorageSuite, ARewindRemovesAnOlderSnapshotOnlyOnRequest) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> ids = AppendChain(storage(), client, kNil, 4);
  ASSERT_EQ(StoreSnapshot(storage(), client, ids[1]), StoreSnapshotOutcome::kStored);
  EXPECT_FALSE(MustRewind(storage(), RequestTo(storage(), client, ids[1])).snapshot_removed);
  EXPECT_EQ(Find(storage(), client).snapshot->versions_since, 0u);
  RewindRequest request = RequestTo(storage(), client, ids[1]);
  EXPECT_EQ(MustRewind(storage(), request).versions_removed, 0u);
  request.remove_snapshot = true;
  EXPECT_TRUE(MustRewind(storage(), request).snapshot_removed);
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  EXPECT_THAT(Verify(storage(), client).problems, IsEmpty());
}

// If this fails, a version that was not exported is removed, or a history is rewound to nowhere.
TEST_P(StorageSuite, ARewindDoesNotRemoveVersionsThatTheCallerHasNotSeen) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> ids = AppendChain(storage(), client, Uuid::Random(), 3);
  const RewindRequest request = RequestTo(storage(), client, ids[0]);
  ASSERT_EQ(StoreSnapshot(storage(), client, ids[0]), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(CodeOf(storage(), request), absl::StatusCode::kFailedPrecondition)
      << "there is a snapshot";
  const RewindRequest with_snapshot = RequestTo(storage(), client, ids[0]);
  const Uuid latest = MustAppend(storage(), client, ids[2]).version_id;
  EXPECT_EQ(CodeOf(storage(), with_snapshot), absl::StatusCode::kFailedPrecondition)
      << "there is a version";
  for (const Uuid& version : {kNil, Uuid::Random(), base::RandomUuidWithNumber(2)}) {
    EXPECT_EQ(CodeOf(storage(), RequestTo(storage(), client, version)),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(CodeOf(storage(), {.client_id = Uuid::Random()}), absl::StatusCode::kNotFound);
  EXPECT_EQ(Find(storage(), client).latest_version_id, latest);
  EXPECT_TRUE(SnapshotOf(storage(), client).has_value());
}

// If this fails, a client that was used yesterday looks idle, or its positions have no version.
TEST_P(StorageSuite, ARewindMovesPositionsBackToItsVersion) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> ids = AppendChain(storage(), client, kNil, 2);
  storage().NoteReplicaSeen(client, ids[0], kNow - kDay);
  storage().NoteReplicaSeen(client, ids[1], kNow - kDay);
  const Uuid third = MustAppend(storage(), client, ids[1]).version_id;
  storage().NoteReplicaSeen(client, third, kNow);
  storage().NoteReplicaAhead(client, base::RandomUuidWithNumber(9), kNow);
  MustRewind(storage(), RequestTo(storage(), client, ids[1]));
  const ClientSummary summary = Find(storage(), client);
  EXPECT_EQ(summary.last_seen_unix_seconds, kNow / kDay * kDay);
  EXPECT_EQ(summary.replicas_ahead.size(), 1u);
  const auto positions = storage().administration().ReadPositions(client, 0);
  ASSERT_TRUE(positions.ok()) << positions.status();
  ASSERT_EQ(positions->size(), 2u);
  EXPECT_EQ((*positions)[1].oldest_number, 2u);
  EXPECT_THAT(Verify(storage(), client).problems, IsEmpty());
}

// If this fails, an operator looks for a bad version in a list that has gaps or wrong sizes.
TEST_P(StorageSuite, VersionsAreListedInPages) {
  const Uuid client = Uuid::Random();
  std::vector<Uuid> ids;
  Uuid latest = Uuid::Random();
  const std::vector<size_t> sizes = {10, 100'000, 20, 20'000, 30, 40};
  for (const size_t size : sizes) {
    latest = MustAppend(storage(), client, latest, Noise(size)).version_id;
    ids.push_back(latest);
  }
  ASSERT_EQ(StoreSnapshot(storage(), client, ids[4]), StoreSnapshotOutcome::kStored);
  ASSERT_TRUE(storage().administration().RemoveVersions(client, 3).ok());
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{100}}) {
    std::vector<VersionSummary> listed;
    for (;;) {
      const uint64_t after = listed.empty() ? 0 : listed.back().number;
      const std::vector<VersionSummary> page = List(storage(), client, after, limit);
      EXPECT_LE(page.size(), limit);
      if (page.empty()) break;
      listed.insert(listed.end(), page.begin(), page.end());
    }
    ASSERT_EQ(listed.size(), 4u);
    for (size_t i = 0; i < listed.size(); ++i) {
      EXPECT_EQ(listed[i].number, i + 3);
      EXPECT_EQ(listed[i].version_id, ids[i + 2]);
      EXPECT_EQ(listed[i].parent_version_id, ids[i + 1]);
      EXPECT_EQ(listed[i].bytes, sizes[i + 2]);
    }
  }
  EXPECT_THAT(List(storage(), client, 6, 100), IsEmpty());
  EXPECT_THAT(List(storage(), client, 0, 0), IsEmpty());
  EXPECT_THAT(List(storage(), Uuid::Random(), 0, 100), IsEmpty());
}

}  // namespace
}  // namespace tcsync
