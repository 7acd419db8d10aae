// The storage suite, an operator's view: clients, versions, positions, and the integrity of chains.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kDay = 86'400;
constexpr int64_t kNow = 1'700'000'000;
constexpr uint64_t kAnyBytes = uint64_t{1} << 40;

std::vector<uint64_t> NumbersOf(const std::vector<StoredVersion>& versions) {
  std::vector<uint64_t> numbers;
  for (const StoredVersion& version : versions) numbers.push_back(version.number);
  return numbers;
}

// If this fails, an operator does not see a client, or sees one twice, and work over all clients
// leaves some out.
TEST_P(StorageSuite, EveryClientIsListedOnceInTheOrderOfIds) {
  EXPECT_THAT(ListAll(storage()), IsEmpty());
  std::vector<Uuid> clients;
  for (int i = 0; i < 7; ++i) {
    clients.push_back(Uuid::Random());
    AppendChain(storage(), clients.back(), kNil, i + 1);
  }
  // Client IDs at the ends; the nil one shares its keys' beginning with storage's own records.
  for (const char* id :
       {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}) {
    clients.push_back(*Uuid::Parse(id));
    AppendChain(storage(), clients.back(), kNil, 2);
  }
  std::sort(clients.begin(), clients.end(), [](const Uuid& left, const Uuid& right) {
    return left.AsStringView() < right.AsStringView();
  });
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{9}, size_t{100}}) {
    std::vector<Uuid> listed;
    for (const ClientSummary& client : ListAll(storage(), limit)) {
      EXPECT_EQ(client.problem, "");
      listed.push_back(client.client_id);
    }
    EXPECT_EQ(listed, clients) << "in pages of " << limit;
  }
  const auto after_the_last =
      storage().administration().ListClients(Uuid::FromBytes(std::string(16, '\x7f').data()), 1);
  ASSERT_TRUE(after_the_last.ok()) << after_the_last.status();
  for (const ClientSummary& client : *after_the_last) {
    EXPECT_GT(client.client_id.AsStringView(), std::string(16, '\x7f'));
  }
}

// If this fails, an operator decides by wrong figures.
TEST_P(StorageSuite, AClientIsSummarized) {
  const Uuid client = Uuid::Random();
  const auto nobody = storage().administration().FindClient(client);
  ASSERT_TRUE(nobody.ok()) << nobody.status();
  EXPECT_FALSE(nobody->has_value());

  AppendRequest first = AppendRequestFor(client, kNil, std::string(100, 'a'));
  first.now_unix_seconds = kNow;
  const Uuid first_id = std::get<Appended>(*TryAppend(storage(), first)).version_id;
  AppendRequest second = AppendRequestFor(client, first_id, Noise(base::kInlineBytesMax + 5));
  second.now_unix_seconds = kNow + 10;
  const Uuid second_id = std::get<Appended>(*TryAppend(storage(), second)).version_id;
  StoreSnapshotRequest snapshot = StoreSnapshotRequestFor(client, first_id, Noise(1234));
  snapshot.now_unix_seconds = kNow + 20;
  ASSERT_EQ(StoreSnapshot(storage(), snapshot), StoreSnapshotOutcome::kStored);
  storage().NoteReplicaSeen(client, first_id, kNow + 3 * kDay);

  const ClientSummary found = Find(storage(), client);
  EXPECT_EQ(found.client_id, client);
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.created_unix_seconds, kNow);
  EXPECT_EQ(found.first_number, 1u);
  EXPECT_EQ(found.latest_number, 2u);
  EXPECT_EQ(found.version_count(), 2u);
  EXPECT_EQ(found.latest_version_id, second_id);
  EXPECT_EQ(found.latest_appended_unix_seconds, kNow + 10);
  EXPECT_EQ(found.history_bytes, 100 + base::kInlineBytesMax + 5);
  ASSERT_TRUE(found.snapshot.has_value());
  EXPECT_EQ(found.snapshot->version_id, first_id);
  EXPECT_EQ(found.snapshot->stored_unix_seconds, kNow + 20);
  EXPECT_EQ(found.snapshot->versions_since, 1u);
  EXPECT_EQ(found.snapshot_number, 1u);
  EXPECT_EQ(found.snapshot_bytes, 1234u);
  EXPECT_EQ(found.last_seen_unix_seconds, (kNow + 3 * kDay) / kDay * kDay);
  EXPECT_FALSE(found.accepts_diverged);
  EXPECT_THAT(found.replicas_ahead, IsEmpty());

  const std::vector<ClientSummary> listed = ListAll(storage());
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].history_bytes, found.history_bytes);
  EXPECT_EQ(listed[0].latest_version_id, found.latest_version_id);
  EXPECT_EQ(listed[0].snapshot_bytes, found.snapshot_bytes);
}

// If this fails, an operator does not learn whose replicas are ahead.
TEST_P(StorageSuite, TheSummaryNamesReplicasAhead) {
  const Uuid client = Uuid::Random();
  MustAppend(storage(), client, kNil);
  const Uuid lost = base::RandomUuidWithNumber(17);
  storage().NoteReplicaAhead(client, lost, kNow);
  const ClientSummary found = Find(storage(), client);
  ASSERT_EQ(found.replicas_ahead.size(), 1u);
  EXPECT_EQ(found.replicas_ahead[0].version_id, lost);
  EXPECT_EQ(found.replicas_ahead[0].last_seen_unix_seconds, kNow);
  const auto allowed = storage().administration().AcceptDiverged(client, true);
  ASSERT_TRUE(allowed.ok()) << allowed.status();
  EXPECT_TRUE(Find(storage(), client).accepts_diverged);
}

// If this fails, an export loses versions or has them twice.
TEST_P(StorageSuite, VersionRecordsAreReadInPages) {
  const Uuid client = Uuid::Random();
  MustAppend(storage(), Uuid::Random(), kNil);
  EXPECT_THAT(ReadVersions(storage(), client, 0, kAnyBytes), IsEmpty());
  std::vector<Version> chain;
  for (const size_t bytes :
       {size_t{10}, size_t{20}, base::kInlineBytesMax - 1, size_t{100'000}, size_t{1}}) {
    const Uuid parent = chain.empty() ? kNil : chain.back().version_id;
    const std::string segment = Noise(bytes);
    chain.push_back({MustAppend(storage(), client, parent, segment).version_id, parent, segment});
  }
  const std::vector<StoredVersion> all = ReadVersions(storage(), client, 0, kAnyBytes);
  ASSERT_EQ(all.size(), chain.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].number, i + 1);
    EXPECT_EQ(all[i].appended_unix_seconds, kNow);
    EXPECT_EQ(all[i].version.version_id, chain[i].version_id);
    EXPECT_EQ(all[i].version.parent_version_id, chain[i].parent_version_id);
    EXPECT_TRUE(all[i].version.segment == chain[i].segment) << "version " << i + 1;
  }
  EXPECT_THAT(NumbersOf(ReadVersions(storage(), client, 0, 30)), ElementsAre(1, 2));
  EXPECT_THAT(NumbersOf(ReadVersions(storage(), client, 0, 29)), ElementsAre(1));
  EXPECT_THAT(NumbersOf(ReadVersions(storage(), client, 2, 0)), ElementsAre(3));
  EXPECT_THAT(NumbersOf(ReadVersions(storage(), client, 3, 100'001)), ElementsAre(4, 5));
  EXPECT_THAT(ReadVersions(storage(), client, 5, kAnyBytes), IsEmpty());
  EXPECT_THAT(ReadVersions(storage(), client, UINT64_MAX, kAnyBytes), IsEmpty());
}

// If this fails, versions that a replica still needs are removed, or none ever are.
TEST_P(StorageSuite, PositionsAreReadByDay) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> ids = AppendChain(storage(), client, kNil, 4);
  storage().NoteReplicaSeen(client, ids[2], kNow);
  storage().NoteReplicaSeen(client, ids[1], kNow);
  storage().NoteReplicaSeen(client, ids[3], kNow + 2 * kDay);
  const int64_t first_day = kNow / kDay * kDay;
  const auto positions_since = [&](int64_t since) {
    auto positions = storage().administration().ReadPositions(client, since);
    EXPECT_TRUE(positions.ok()) << positions.status();
    std::vector<std::pair<int64_t, uint64_t>> pairs;
    if (!positions.ok()) return pairs;
    for (const ReplicaPosition& position : *positions) {
      pairs.emplace_back(position.day_unix_seconds, position.oldest_number);
    }
    return pairs;
  };
  const std::pair<int64_t, uint64_t> first(first_day, 2);
  const std::pair<int64_t, uint64_t> second(first_day + 2 * kDay, 4);
  EXPECT_THAT(positions_since(0), ElementsAre(first, second));
  EXPECT_THAT(positions_since(kNow), ElementsAre(first, second));
  EXPECT_THAT(positions_since(kNow + kDay), ElementsAre(second));
  EXPECT_THAT(positions_since(kNow + 3 * kDay), IsEmpty());
  EXPECT_THAT(*storage().administration().ReadPositions(Uuid::Random(), 0), IsEmpty());
}

// If this fails, an operator looks for damage that does not exist.
TEST_P(StorageSuite, AnUndamagedChainHasNoProblems) {
  EXPECT_EQ(storage().administration().VerifyChain(Uuid::Random()).status().code(),
            absl::StatusCode::kNotFound);
  // The nil client, whose keys begin like storage's own; and one that began at another server.
  const Uuid foreign_parent = Uuid::Random();
  for (const auto& [client, parent] : {std::pair(kNil, kNil), std::pair(Uuid::Random(), kNil),
                                       std::pair(Uuid::Random(), foreign_parent)}) {
    std::vector<Uuid> ids = AppendChain(storage(), client, parent, 5);
    ids.push_back(MustAppend(storage(), client, ids.back(), Noise(100'000)).version_id);
    ids.push_back(MustAppend(storage(), client, ids.back(), Noise(20'000)).version_id);
    ASSERT_EQ(StoreSnapshot(storage(), client, ids.back(), Noise(50'000)),
              StoreSnapshotOutcome::kStored);
    storage().NoteReplicaSeen(client, ids[3], kNow);
    storage().NoteReplicaAhead(client, Uuid::Random(), kNow);
    const ChainReport report = Verify(storage(), client);
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_FALSE(report.new_replica_cannot_start);
    EXPECT_EQ(report.versions, 7u);
    const ClientSummary summary = Find(storage(), client);
    EXPECT_EQ(report.bytes, summary.history_bytes + summary.snapshot_bytes);
  }
}

// If this fails, removing old versions damages a chain, or makes it count as damaged.
TEST_P(StorageSuite, AChainWithoutItsFirstVersionsHasNoProblems) {
  const Uuid client = Uuid::Random();
  std::vector<Uuid> ids = AppendChain(storage(), client, Uuid::Random(), 6);
  ids.push_back(MustAppend(storage(), client, ids.back(), Noise(100'000)).version_id);
  ASSERT_EQ(StoreSnapshot(storage(), client, ids[4]), StoreSnapshotOutcome::kStored);
  for (const uint64_t first_number : {3u, 5u, 6u}) {
    const auto removed = storage().administration().RemoveVersions(client, first_number);
    ASSERT_TRUE(removed.ok()) << removed.status();
    EXPECT_THAT(Verify(storage(), client).problems, IsEmpty()) << "from " << first_number;
    const std::vector<StoredVersion> kept = ReadVersions(storage(), client, 0, kAnyBytes);
    const ClientSummary summary = Find(storage(), client);
    EXPECT_EQ(kept.size(), summary.version_count());
    EXPECT_EQ(kept.front().number, summary.first_number);
  }
}

// If this fails, history from another server counts as damaged, or is.
TEST_P(StorageSuite, AnImportedChainHasNoProblems) {
  const Uuid client = Uuid::Random();
  ImportRequest request;
  request.client_id = client;
  request.created_unix_seconds = kNow;
  Uuid parent = kNil;
  for (const size_t bytes : {size_t{10}, size_t{100'000}, size_t{30}}) {
    StoredVersion& version = request.versions.emplace_back();
    version.appended_unix_seconds = kNow;
    version.version = {Uuid::Random(), parent, Noise(bytes)};
    parent = version.version.version_id;
  }
  request.snapshot = {.snapshot = {parent, Noise(40'000)}, .stored_unix_seconds = kNow};
  const auto outcome = storage().administration().Import(request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  MustAppend(storage(), client, parent);
  const ChainReport report = Verify(storage(), client);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.versions, 4u);
  EXPECT_EQ(ReadVersions(storage(), client, 0, kAnyBytes).size(), 4u);
}

// If this fails, an operator does not learn that a history can be continued, but that no new
// computer can start from it.
TEST_P(StorageSuite, AHistoryWithoutItsBeginningOrASnapshotIsReported) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(storage(), client, Uuid::Random()).version_id;
  ChainReport report = Verify(storage(), client);
  EXPECT_TRUE(report.new_replica_cannot_start);
  EXPECT_THAT(report.problems, IsEmpty()) << "any stranger may do that";
  EXPECT_EQ(report.notes.size(), 1u);
  ASSERT_EQ(StoreSnapshot(storage(), client, first), StoreSnapshotOutcome::kStored);
  report = Verify(storage(), client);
  EXPECT_FALSE(report.new_replica_cannot_start);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
}

// If this fails, the check reports damage after an operator accepted a diverged replica.
TEST_P(StorageSuite, AnAcceptedReplicasHistoryHasNoProblems) {
  const Uuid client = Uuid::Random();
  AppendChain(storage(), client, kNil, 3);
  ASSERT_TRUE(storage().administration().AcceptDiverged(client, true).ok());
  const Uuid accepted = MustAppend(storage(), client, base::RandomUuidWithNumber(9)).version_id;
  ASSERT_EQ(StoreSnapshot(storage(), client, accepted), StoreSnapshotOutcome::kStored);
  EXPECT_THAT(Verify(storage(), client).problems, IsEmpty());
  EXPECT_EQ(Find(storage(), client).version_count(), 1u);
}

// If this fails, an operator plans with wrong figures.
TEST_P(StorageSuite, StatsCountClientsAndQueue) {
  const auto read = [this] {
    auto stats = storage().administration().ReadStats();
    EXPECT_TRUE(stats.ok()) << stats.status();
    return stats.value_or(StorageStats());
  };
  EXPECT_EQ(read().clients, 0u);
  const Uuid client = Uuid::Random();
  AppendChain(storage(), client, kNil, 3);
  MustAppend(storage(), Uuid::Random(), kNil);
  EXPECT_EQ(read().clients, 2u);
  EXPECT_EQ(read().queued_writes, 0u);
  EXPECT_EQ(read().queued_bytes, 0u);
  ASSERT_TRUE(storage().administration().DeleteClient(client).ok());
  EXPECT_EQ(read().clients, 1u);
  EXPECT_FALSE(read().backend.empty());
}

// If this fails, a health check reports a working server as broken.
TEST_P(StorageSuite, AProbeOfWorkingStorageSucceeds) {
  for (int i = 0; i < 3; ++i) {
    Waiter<absl::Status> probe;
    storage().Probe(probe.Callback());
    EXPECT_EQ(probe.Wait(), absl::OkStatus());
  }
  EXPECT_THAT(ListAll(storage()), IsEmpty()) << "a probe's record counts as a client";
  MustAppend(storage(), kNil, kNil);
  EXPECT_THAT(Verify(storage(), kNil).problems, IsEmpty());
}

}  // namespace
}  // namespace tcsync
