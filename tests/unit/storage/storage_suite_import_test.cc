// The storage suite, imports: histories that come from another server with their version IDs.
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

std::vector<StoredVersion> Part(const std::vector<StoredVersion>& versions, size_t begin,
                                size_t end) {
  return {versions.begin() + static_cast<ptrdiff_t>(begin),
          versions.begin() + static_cast<ptrdiff_t>(end)};
}

ImportRequest RequestOf(const Uuid& client, std::vector<StoredVersion> versions) {
  ImportRequest request;
  request.client_id = client;
  request.versions = std::move(versions);
  return request;
}

// If this fails, replicas notice that their server has moved: their versions are missing, or
// changed.
TEST_P(StorageSuite, AnImportKeepsVersionIds) {
  for (const Uuid& parent : {kNil, Uuid::Random(), base::RandomUuidWithNumber(5)}) {
    const Uuid client = Uuid::Random();
    std::vector<StoredVersion> versions = ForeignChain(parent, 20);
    versions[7].version.segment = Noise(base::kInlineBytesMax);
    versions[8].version.segment = Noise(100'000);
    const Imported imported = MustImport(storage(), client, versions);
    EXPECT_EQ(imported.versions_added, 20u);
    EXPECT_EQ(imported.versions_present, 0u);
    EXPECT_FALSE(imported.snapshot_stored);
    const std::vector<Version> chain = ReadChain(storage(), client, parent);
    ASSERT_EQ(VersionIdsOf(chain), VersionIdsOf(versions));
    for (size_t i = 0; i < chain.size(); ++i) {
      EXPECT_TRUE(chain[i].segment == versions[i].version.segment) << i;
    }
    const ClientSummary summary = Find(storage(), client);
    EXPECT_EQ(summary.created_unix_seconds, 1'400'000'000);
    EXPECT_EQ(summary.latest_appended_unix_seconds, 1'500'000'019);
    uint64_t bytes = 0;
    for (const StoredVersion& stored : versions) bytes += stored.version.segment.size();
    EXPECT_EQ(summary.history_bytes, bytes);
    // The replicas then continue.
    const Uuid latest = versions.back().version.version_id;
    const std::vector<Uuid> more = AppendChain(storage(), client, latest, 3);
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, latest)), more);
    EXPECT_EQ(StoreSnapshot(storage(), client, latest), StoreSnapshotOutcome::kStored);
  }
}

// If this fails, an ID from another server counts as the place that its first bits name: replicas
// get another replica's child, or the answer that they are up to date.
TEST_P(StorageSuite, ImportedIdsWithMisleadingNumbersAreFound) {
  const Uuid client = Uuid::Random();
  // In turn: the hint of its own number, of the previous one, of the next one, and of the first.
  std::vector<StoredVersion> versions = ForeignChain(kNil, 40);
  for (size_t i = 0; i < versions.size(); ++i) {
    const uint64_t number = i + 1;
    const uint64_t hints[] = {number, number - 1, number + 1, 1};
    versions[i].version.version_id = base::RandomUuidWithNumber(hints[i % 4]);
    if (i > 0) versions[i].version.parent_version_id = versions[i - 1].version.version_id;
  }
  MustImport(storage(), client, Part(versions, 0, 17));
  MustImport(storage(), client, Part(versions, 17, 40));
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), VersionIdsOf(versions));
  const Uuid latest = versions.back().version.version_id;
  for (uint64_t number = 0; number < 42; ++number) {
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, base::RandomUuidWithNumber(number))), latest);
  }
  // The same for snapshots: of the latest five, each from the oldest on.
  for (size_t back = 7; back > 0; --back) {
    EXPECT_EQ(StoreSnapshot(storage(), client, versions[40 - back].version.version_id),
              back <= 5 ? StoreSnapshotOutcome::kStored : StoreSnapshotOutcome::kNotWanted)
        << back;
  }
  EXPECT_EQ(MustAppend(storage(), client, latest).snapshot->versions_since, 1u);
  // They are removed with all keys that lead to them.
  EXPECT_GT(RemoveBelow(storage(), client, 40), 0u);
  for (size_t i = 0; i + 2 < versions.size(); ++i) {
    EXPECT_FALSE(ChildOf(storage(), client, versions[i].version.version_id).has_value()) << i;
  }
  EXPECT_EQ(ChildOf(storage(), client, versions[38].version.version_id)->version_id, latest);
}

// If this fails, an interrupted import cannot be repeated, or doubles the present data.
TEST_P(StorageSuite, AnImportSkipsPresentVersions) {
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = ForeignChain(Uuid::Random(), 30);
  EXPECT_EQ(MustImport(storage(), client, Part(versions, 0, 10)).versions_added, 10u);
  // The same part, one that overlaps, one from the middle, and the rest.
  Imported imported = MustImport(storage(), client, Part(versions, 0, 10));
  EXPECT_EQ(imported.versions_added, 0u);
  EXPECT_EQ(imported.versions_present, 10u);
  imported = MustImport(storage(), client, Part(versions, 5, 15));
  EXPECT_EQ(imported.versions_added, 5u);
  EXPECT_EQ(imported.versions_present, 5u);
  imported = MustImport(storage(), client, Part(versions, 3, 7));
  EXPECT_EQ(imported.versions_present, 4u);
  imported = MustImport(storage(), client, versions);
  EXPECT_EQ(imported.versions_added, 15u);
  EXPECT_EQ(imported.versions_present, 15u);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, versions[0].version.parent_version_id)),
            VersionIdsOf(versions));
  EXPECT_EQ(MustImport(storage(), client, {}).versions_added, 0u);
}

// If this fails, two histories are mixed, or a part that does not fit is stored in part.
TEST_P(StorageSuite, AnImportThatDoesNotContinueTheChainChangesNothing) {
  const Uuid client = Uuid::Random();
  std::vector<StoredVersion> versions = ForeignChain(kNil, 10);
  MustImport(storage(), client, Part(versions, 0, 5));
  const Uuid latest = versions[4].version.version_id;
  const auto expect_refusal = [&](std::vector<StoredVersion> part, size_t misfit) {
    const Version expected = part[misfit].version;
    const ImportOutcome outcome =
        TryImport(storage(), {.client_id = client,
                              .versions = part,
                              .snapshot = {{.snapshot = {latest, "of the latest"}}}});
    const auto* refusal = std::get_if<DoesNotContinue>(&outcome);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->latest_version_id, latest);
    EXPECT_EQ(refusal->first_version_id, expected.version_id);
    EXPECT_EQ(refusal->parent_version_id, expected.parent_version_id);
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), VersionIdsOf(Part(versions, 0, 5)));
    EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  };
  expect_refusal(Part(versions, 6, 10), 0);                            // a gap
  expect_refusal(ForeignChain(kNil, 3), 0);                            // another history
  expect_refusal(ForeignChain(versions[2].version.version_id, 3), 0);  // a fork
  std::vector<StoredVersion> broken = Part(versions, 3, 10);
  broken.erase(broken.begin() + 4);  // a gap behind some that fit
  expect_refusal(broken, 4);
  std::vector<StoredVersion> other_parent = Part(versions, 3, 10);
  other_parent[1].version.parent_version_id = Uuid::Random();  // the same ID, another parent
  expect_refusal(other_parent, 1);
  MustImport(storage(), client, Part(versions, 5, 10));
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), VersionIdsOf(versions));
}

// If this fails, a damaged export makes a chain with a cycle, which every replica follows for ever.
TEST_P(StorageSuite, AnImportWithACycleIsRefused) {
  std::vector<StoredVersion> versions = ForeignChain(Uuid::Random(), 6);
  const Uuid first_parent = versions[0].version.parent_version_id;
  for (const Uuid& repeated :
       {first_parent, versions[3].version.version_id, versions[4].version.version_id, kNil}) {
    std::vector<StoredVersion> circle = versions;
    circle[5].version.version_id = repeated;
    const Uuid client = Uuid::Random();
    const auto at_once = storage().administration().Import(RequestOf(client, circle));
    EXPECT_EQ(at_once.status().code(), absl::StatusCode::kInvalidArgument) << repeated.ToString();
    EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));
    // In parts, of which the first is good.
    MustImport(storage(), client, Part(circle, 0, 5));
    const auto in_parts = storage().administration().Import(RequestOf(client, Part(circle, 5, 6)));
    EXPECT_FALSE(in_parts.ok() && std::holds_alternative<Imported>(*in_parts))
        << repeated.ToString();
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, first_parent)),
              VersionIdsOf(Part(versions, 0, 5)));
  }
}

// If this fails, a moved client's new computers start from nothing, or a newer snapshot gives way
// to an older one.
TEST_P(StorageSuite, AnImportedSnapshotIsKeptWhenItIsNewer) {
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = ForeignChain(kNil, 20);
  const auto of = [&](size_t index, std::string bytes) {
    return ImportRequest::ImportedSnapshot{
        .snapshot = {versions[index].version.version_id, std::move(bytes)},
        .stored_unix_seconds = 1'234'567'890};
  };
  // Older than the latest five, and of this part.
  EXPECT_TRUE(MustImport(storage(), client, versions, of(2, Noise(50'000))).snapshot_stored);
  EXPECT_EQ(SnapshotOf(storage(), client)->version_id, versions[2].version.version_id);
  EXPECT_TRUE(SnapshotOf(storage(), client)->bytes == Noise(50'000));
  // Of a version that came before, without versions.
  EXPECT_TRUE(MustImport(storage(), client, {}, of(9, "newer")).snapshot_stored);
  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "newer");
  EXPECT_FALSE(MustImport(storage(), client, {}, of(9, "as new")).snapshot_stored);
  EXPECT_FALSE(MustImport(storage(), client, {}, of(3, "older")).snapshot_stored);
  EXPECT_FALSE(MustImport(storage(), client, {}, {{.snapshot = {Uuid::Random(), "of none"}}})
                   .snapshot_stored);
  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "newer");
  const Appended appended = MustAppend(storage(), client, versions.back().version.version_id);
  EXPECT_EQ(appended.snapshot->versions_since, 11u);
  EXPECT_EQ(appended.snapshot->stored_unix_seconds, 1'234'567'890);
  EXPECT_EQ(Find(storage(), client).snapshot_bytes, 5u);
}

// If this fails, a history whose owner removed the old versions arrives without the snapshot that
// replaces them, and no new computer can start.
TEST_P(StorageSuite, AnImportedSnapshotMayBeOfTheVersionRightBeforeTheFirst) {
  for (const Uuid& base :
       {Uuid::Random(), base::RandomUuidWithNumber(5), base::RandomUuidWithNumber(1)}) {
    for (const bool in_parts : {false, true}) {
      const Uuid client = Uuid::Random();
      const std::vector<StoredVersion> versions = ForeignChain(base, 3);
      const ImportRequest::ImportedSnapshot of_base{.snapshot = {base, "of the base"},
                                                    .stored_unix_seconds = 1'234'567'890};
      if (in_parts) MustImport(storage(), client, versions);
      EXPECT_TRUE(MustImport(storage(), client, in_parts ? Part(versions, 0, 0) : versions, of_base)
                      .snapshot_stored);
      ASSERT_TRUE(SnapshotOf(storage(), client).has_value());
      EXPECT_EQ(SnapshotOf(storage(), client)->version_id, base);
      EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "of the base");
      const ClientSummary summary = Find(storage(), client);
      EXPECT_EQ(summary.snapshot_number + 1, summary.first_number);
      EXPECT_EQ(summary.snapshot->versions_since, 3u);
      // A new computer follows the chain from there.
      EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, base)), VersionIdsOf(versions));
      const auto report = storage().administration().VerifyChain(client);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_TRUE(report->problems.empty()) << report->problems.front();
      EXPECT_FALSE(report->new_replica_cannot_start);
      // A repetition is harmless; the nil version has no snapshot, nor has one further back.
      EXPECT_FALSE(MustImport(storage(), client, versions, of_base).snapshot_stored);
      EXPECT_FALSE(
          MustImport(storage(), client, {}, {{.snapshot = {kNil, "of nil"}}}).snapshot_stored);
      EXPECT_FALSE(MustImport(storage(), client, {}, {{.snapshot = {Uuid::Random(), "of none"}}})
                       .snapshot_stored);
      // No version that a new computer needs can be removed; a newer snapshot replaces it.
      const uint64_t third = summary.first_number + 2;
      EXPECT_FALSE(storage().administration().RemoveVersions(client, third).ok());
      const Appended appended = MustAppend(storage(), client, versions[2].version.version_id);
      EXPECT_EQ(appended.snapshot->versions_since, 4u);
      EXPECT_EQ(StoreSnapshot(storage(), client, appended.version_id),
                StoreSnapshotOutcome::kStored);
      EXPECT_GT(RemoveBelow(storage(), client, third), 0u);
    }
  }
  // It never replaces a newer one.
  const Uuid client = Uuid::Random();
  const Uuid base = Uuid::Random();
  const std::vector<StoredVersion> versions = ForeignChain(base, 3);
  MustImport(storage(), client, versions, {{.snapshot = {versions[0].version.version_id, "new"}}});
  EXPECT_FALSE(MustImport(storage(), client, {}, {{.snapshot = {base, "old"}}}).snapshot_stored);
  EXPECT_EQ(SnapshotOf(storage(), client)->bytes, "new");
  // A history that begins here has no such version.
  const Uuid native = Uuid::Random();
  AppendChain(storage(), native, kNil, 3);
  EXPECT_FALSE(MustImport(storage(), native, {}, {{.snapshot = {kNil, "nil"}}}).snapshot_stored);
}

std::vector<std::pair<int64_t, uint64_t>> PositionsOf(Storage& storage, const Uuid& client) {
  const auto read = storage.administration().ReadPositions(client, 0);
  EXPECT_TRUE(read.ok()) << read.status();
  std::vector<std::pair<int64_t, uint64_t>> positions;
  for (const ReplicaPosition& position : read.value_or(std::vector<ReplicaPosition>())) {
    positions.emplace_back(position.day_unix_seconds, position.oldest_number);
  }
  return positions;
}

// If this fails, retention on a client's new server strands computers that were seen on the old
// one.
TEST_P(StorageSuite, AnImportBringsThePositionsOfReplicas) {
  constexpr int64_t kDay = 86'400;
  constexpr int64_t kNow = 20'000 * kDay + 17;
  const std::vector<StoredVersion> versions = ForeignChain(Uuid::Random(), 6);
  const auto id = [&](size_t number) { return versions[number - 1].version.version_id; };
  const auto import = [&](const Uuid& client, std::vector<StoredVersion> part,
                          std::optional<ImportRequest::ImportedReplicas> replicas,
                          bool replicas_follow = false) {
    ImportRequest request = RequestOf(client, std::move(part));
    request.replicas = std::move(replicas);
    request.replicas_follow = replicas_follow;
    request.now_unix_seconds = kNow;
    EXPECT_TRUE(std::holds_alternative<Imported>(TryImport(storage(), std::move(request))));
  };
  using Positions = std::vector<std::pair<int64_t, uint64_t>>;
  const Positions at_the_oldest = {{20'000 * kDay, 1}};

  // Unknown: as if one had been seen at the import, at the oldest version.
  const Uuid unknown = Uuid::Random();
  import(unknown, Part(versions, 0, 3), std::nullopt);
  EXPECT_EQ(PositionsOf(storage(), unknown), at_the_oldest);
  import(unknown, Part(versions, 3, 6), std::nullopt);
  EXPECT_EQ(PositionsOf(storage(), unknown), at_the_oldest);
  // The same when the other server had no notes, or none of versions that were imported.
  for (const auto& positions :
       {std::vector<ImportRequest::ImportedReplicas::Position>{},
        std::vector<ImportRequest::ImportedReplicas::Position>{{kNow, Uuid::Random()}}}) {
    const Uuid empty = Uuid::Random();
    import(empty, versions, std::nullopt, /*replicas_follow=*/true);
    EXPECT_EQ(PositionsOf(storage(), empty), Positions());
    import(empty, {}, ImportRequest::ImportedReplicas{.positions = positions, .ahead = {}});
    EXPECT_EQ(PositionsOf(storage(), empty), at_the_oldest);
  }

  const Uuid known = Uuid::Random();
  const ImportRequest::ImportedReplicas replicas{
      .positions = {{19'990 * kDay, id(2)},
                    {19'990 * kDay, id(4)},
                    {19'991 * kDay + 5, id(5)},
                    {19'992 * kDay, versions[0].version.parent_version_id},
                    {19'993 * kDay, Uuid::Random()},  // not here
                    {30'000 * kDay, id(6)}},          // by a wrong clock
      .ahead = {{base::RandomUuidWithNumber(9), 500}, {base::RandomUuidWithNumber(8), 400}},
      .accepts_diverged = true};
  import(known, versions, replicas);
  const Positions expected = {
      {19'990 * kDay, 2}, {19'991 * kDay, 5}, {19'992 * kDay, 1}, {20'000 * kDay, 6}};
  EXPECT_EQ(PositionsOf(storage(), known), expected);
  ClientSummary summary = Find(storage(), known);
  EXPECT_EQ(summary.last_seen_unix_seconds, 20'000 * kDay);
  EXPECT_TRUE(summary.accepts_diverged);
  ASSERT_EQ(summary.replicas_ahead.size(), 2u);
  EXPECT_EQ(summary.replicas_ahead[0].version_id, replicas.ahead[0].version_id);
  EXPECT_EQ(summary.replicas_ahead[1].last_seen_unix_seconds, 400);
  // A repetition changes nothing, and the oldest of a day stays.
  import(known, versions, replicas);
  EXPECT_EQ(PositionsOf(storage(), known), expected);
  EXPECT_EQ(Find(storage(), known).replicas_ahead.size(), 2u);
  ImportRequest::ImportedReplicas later;
  later.positions = {{19'991 * kDay, id(6)}, {19'990 * kDay, id(1)}};
  import(known, {}, later);
  EXPECT_EQ(PositionsOf(storage(), known)[0].second, 1u);
  EXPECT_EQ(PositionsOf(storage(), known)[1].second, 5u);
  const auto report = storage().administration().VerifyChain(known);
  EXPECT_TRUE(report.ok() && report->problems.empty());
  // It is removed with the client.
  EXPECT_TRUE(Delete(storage(), known));
  EXPECT_EQ(PositionsOf(storage(), known), Positions());
}

// If this fails, an import without versions makes a client that has none, which nothing can read.
TEST_P(StorageSuite, AnImportWithoutVersionsCreatesNoClient) {
  const Uuid client = Uuid::Random();
  const Imported imported =
      MustImport(storage(), client, {}, {{.snapshot = {Uuid::Random(), "snapshot"}}});
  EXPECT_FALSE(imported.snapshot_stored);
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));
}

// If this fails, a client that has already appended here cannot get the rest of its history's end.
TEST_P(StorageSuite, AnImportCanContinueALocalChain) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> local = AppendChain(storage(), client, kNil, 3);
  const std::vector<StoredVersion> versions = ForeignChain(local.back(), 4);
  EXPECT_EQ(MustImport(storage(), client, versions).versions_added, 4u);
  std::vector<Uuid> all = local;
  for (const Uuid& version_id : VersionIdsOf(versions)) all.push_back(version_id);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), all);
}

}  // namespace
}  // namespace tcsync
