// An operator's changes in a RocksDB directory: the data on the disk afterwards, after a restart,
// and after a kill in the middle.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/child_process.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr int64_t kDay = 86'400;

class RocksdbChangesTest : public testing::Test {
 protected:
  RocksdbChangesTest() {
    options_.data_dir = directory_.path() + "/data";
    options_.memtable_bytes = 64 * 1024;
    options_.env = faults_.env();
    Open();
  }
  ~RocksdbChangesTest() override { faults_.ReleaseLogAppends(); }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage(options_, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // Every key in the directory, which is closed for that.
  std::vector<std::string> AllKeys() {
    storage_.reset();
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::OpenForReadOnly(rocksdb::Options(), options_.data_dir + "/rocksdb", &opened);
    EXPECT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> database(opened);
    return KeysIn(*database);
  }

  std::vector<std::string> KeysOf(const Uuid& client_id) {
    std::vector<std::string> keys;
    for (const std::string& key : AllKeys()) {
      if (ParseClientOfKey(key) == client_id) keys.push_back(key);
    }
    return keys;
  }

  // Records of every kind.
  std::vector<StoredVersion> MakeRichClient(const Uuid& client_id) {
    std::vector<StoredVersion> versions = ForeignChain(Uuid::Random(), 8);
    versions[2].version.segment = Noise(20'000);
    const Uuid latest = versions.back().version.version_id;
    MustImport(*storage_, client_id, versions, {{.snapshot = {latest, Noise(30'000)}}});
    storage_->NoteReplicaSeen(client_id, latest, 100 * kDay);
    storage_->NoteReplicaAhead(client_id, Uuid::Random(), 100 * kDay);
    return versions;
  }

  const TemporaryDirectory directory_;
  FaultEnv faults_;
  RocksdbStorageOptions options_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, erased data of a person is still on the disk, or occupies it.
TEST_F(RocksdbChangesTest, NothingIsLeftOfADeletedClient) {
  const Uuid client = Uuid::Random();
  const Uuid other = Uuid::Random();
  MakeRichClient(client);
  MakeRichClient(other);
  Open();  // writes the notes
  EXPECT_EQ(KeysOf(client).size(), 1u + 8u + 1u + 8u + 1u + 2u + 1u) << "the test's own client";
  Open();
  storage_->NoteReplicaSeen(client, *NoChildOf(GetChild(*storage_, client, Uuid::Random())),
                            101 * kDay);
  ASSERT_TRUE(Delete(*storage_, client));
  EXPECT_TRUE(KeysOf(client).empty());
  EXPECT_EQ(KeysOf(other).size(), 22u);
}

// If this fails, the directory grows although its histories are shortened.
TEST_F(RocksdbChangesTest, NothingIsLeftOfRemovedVersions) {
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = MakeRichClient(client);
  EXPECT_GT(RemoveBelow(*storage_, client, 8), 0u);
  std::set<std::string> expected = {ClientKey(client),
                                    VersionKey(client, 8),
                                    ParentKey(client, versions[7].version.parent_version_id),
                                    SnapshotKey(client),
                                    PositionKey(client, 0),  // the import's
                                    PositionKey(client, 100),
                                    ReplicasAheadKey(client)};
  const std::vector<std::string> keys = KeysOf(client);
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()), expected);
}

// If this fails, a history that was replaced by a replica's stays on the disk.
TEST_F(RocksdbChangesTest, NothingIsLeftOfAHistoryThatAnAcceptedReplicaReplaced) {
  const Uuid client = Uuid::Random();
  MakeRichClient(client);
  ASSERT_TRUE(AcceptDiverged(*storage_, client));
  const Uuid ahead = Uuid::Random();
  MustAppend(*storage_, client, ahead, Noise(20'000));
  const std::vector<std::string> keys = KeysOf(client);
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()),
            std::set<std::string>({ClientKey(client), VersionKey(client, 9), SegmentKey(client, 9),
                                   ParentKey(client, ahead)}));
}

// If this fails, an operator's changes are undone by a restart.
TEST_F(RocksdbChangesTest, ChangesSurviveARestart) {
  const Uuid kept = Uuid::Random();
  const Uuid deleted = Uuid::Random();
  const std::vector<StoredVersion> versions = MakeRichClient(kept);
  MakeRichClient(deleted);
  ASSERT_TRUE(Delete(*storage_, deleted));
  RemoveBelow(*storage_, kept, 5);
  ASSERT_TRUE(AcceptDiverged(*storage_, kept));
  Change(*storage_, Ban{deleted, "why", 1});
  Change(*storage_, ClientToken{kept, DigestOf('t'), 2});
  Change(*storage_, Invite{.digest = DigestOf('i'), .label = "for a friend", .uses_max = 1});
  AppendRequest request = AppendRequestFor(Uuid::Random(), kNil);
  request.invite = DigestOf('i');
  ASSERT_TRUE(std::holds_alternative<Appended>(*TryAppend(*storage_, request)));
  const std::string key = *storage_->administration().PseudonymKey();
  Open();

  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(*storage_, deleted, kNil)));
  ChildOutcome unknown = GetChild(*storage_, kept, Uuid::Random());
  ASSERT_TRUE(NoChildOf(unknown).has_value());
  EXPECT_TRUE(std::get<NoChild>(unknown).accepts_diverged);
  EXPECT_EQ(ReadChain(*storage_, kept, versions[3].version.version_id).size(), 4u);
  EXPECT_EQ(NoChildOf(GetChild(*storage_, kept, versions[2].version.version_id)),
            versions[7].version.version_id);
  const AccessRecords records = Access(*storage_);
  EXPECT_EQ(records.bans.at(0).reason, "why");
  EXPECT_EQ(records.tokens.at(0).digest, DigestOf('t'));
  EXPECT_EQ(records.invites.at(0).label, "for a friend");
  EXPECT_EQ(records.invites.at(0).uses, 1u);
  EXPECT_EQ(*storage_->administration().PseudonymKey(), key);
  request.client_id = Uuid::Random();
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*TryAppend(*storage_, request)));
  MustAppend(*storage_, kept, Uuid::Random());
  Open();
  EXPECT_FALSE(std::get<NoChild>(GetChild(*storage_, kept, Uuid::Random())).accepts_diverged);
}

// If this fails, a restart forgets the positions of replicas, and history that they need is
// removed; or a later note of the same day covers an earlier one.
TEST_F(RocksdbChangesTest, NotesSurviveARestart) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(*storage_, client, kNil, 5);
  const Uuid ahead = Uuid::Random();
  storage_->NoteReplicaSeen(client, version_ids[2], 100 * kDay);
  storage_->NoteReplicaAhead(client, ahead, 100 * kDay + 5);
  Open();
  storage_->NoteReplicaSeen(client, version_ids[4], 100 * kDay + 10);
  storage_->NoteReplicaSeen(client, version_ids[4], 101 * kDay);
  storage_->NoteReplicaAhead(client, Uuid::Random(), 100 * kDay + 1);
  Open();
  const auto positions = storage_->administration().ReadPositions(client, 0);
  ASSERT_TRUE(positions.ok()) << positions.status();
  ASSERT_EQ(positions->size(), 2u);
  EXPECT_EQ((*positions)[0].oldest_number, 3u);
  EXPECT_EQ((*positions)[1].oldest_number, 5u);
  const std::vector<ReplicaAhead> replicas = Find(*storage_, client).replicas_ahead;
  ASSERT_EQ(replicas.size(), 2u);
  EXPECT_EQ(replicas[0].version_id, ahead);
}

// If this fails, the most frequent request of replicas costs a sync of the disk.
TEST_F(RocksdbChangesTest, NotesAreWrittenWithoutASync) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage_, client, kNil).version_id;
  const int syncs_before = faults_.log_syncs();
  storage_->NoteReplicaSeen(client, first, 100 * kDay);
  EXPECT_EQ(storage_->administration().ReadPositions(client, 0)->size(), 1u);
  EXPECT_EQ(faults_.log_syncs(), syncs_before);
}

// If this fails, an operator reads of a success that a loss of power undoes, or of a failure that
// was a success.
TEST_F(RocksdbChangesTest, AChangeThatCannotBeWrittenIsNotMade) {
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = MakeRichClient(client);
  StorageAdministration& administration = storage_->administration();
  faults_.FailAppends(FaultEnv::Files::kAll, rocksdb::IOStatus::NoSpace("the disk is full"));
  EXPECT_EQ(administration.DeleteClient(client).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(administration.RemoveVersions(client, 5).ok());
  EXPECT_FALSE(administration.AcceptDiverged(client, true).ok());
  EXPECT_FALSE(administration.ChangeAccess(Ban{client, "why", 1}).ok());
  ImportRequest import;
  import.client_id = Uuid::Random();
  import.versions = ForeignChain(kNil, 1);
  EXPECT_FALSE(administration.Import(import).ok());
  // Readers see the unchanged client.
  EXPECT_EQ(ReadChain(*storage_, client, versions[0].version.parent_version_id).size(), 8u);
  EXPECT_FALSE(std::get<NoChild>(GetChild(*storage_, client, Uuid::Random())).accepts_diverged);
  EXPECT_TRUE(SnapshotOf(*storage_, client).has_value());
  EXPECT_TRUE(Access(*storage_).bans.empty());
  faults_.Heal();
  Open();
  EXPECT_EQ(ReadChain(*storage_, client, versions[0].version.parent_version_id).size(), 8u);
  EXPECT_EQ(storage_->administration().ReadStats()->clients, 1u);
  EXPECT_TRUE(Delete(*storage_, client));
  EXPECT_EQ(storage_->administration().ReadStats()->clients, 0u);
}

// If this fails, a client that is deleted while its writes are queued keeps them, or the writes
// that wait with it are decided as if it still existed.
TEST_F(RocksdbChangesTest, QueuedWritesAndChangesAreAppliedInOrder) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage_, client, kNil).version_id;
  Waiter<absl::StatusOr<AppendOutcome>> held;
  faults_.HoldLogAppends();
  storage_->Append(AppendRequestFor(Uuid::Random(), kNil), held.Callback());
  faults_.AwaitHeldAppend();
  Waiter<absl::StatusOr<AppendOutcome>> before;
  storage_->Append(AppendRequestFor(client, first), before.Callback());
  std::thread deletion([&] { EXPECT_TRUE(Delete(*storage_, client)); });
  // Until the deletion is queued behind the append.
  while (storage_->administration().ReadStats()->queued_writes < 2) std::this_thread::yield();
  Waiter<absl::StatusOr<AppendOutcome>> after;
  AppendRequest request = AppendRequestFor(client, kNil, "new");
  storage_->Append(request, after.Callback());
  faults_.ReleaseLogAppends();
  EXPECT_TRUE(held.Wait().ok());
  const absl::StatusOr<AppendOutcome> appended = before.Wait();
  ASSERT_TRUE(appended.ok() && std::holds_alternative<Appended>(*appended));
  EXPECT_FALSE(std::get<Appended>(*appended).created_client);
  deletion.join();
  const absl::StatusOr<AppendOutcome> created = after.Wait();
  ASSERT_TRUE(created.ok() && std::holds_alternative<Appended>(*created));
  EXPECT_TRUE(std::get<Appended>(*created).created_client);
  EXPECT_EQ(ReadChain(*storage_, client, kNil).size(), 1u);
  EXPECT_EQ(KeysOf(client).size(), 2u);
}

// If this fails, a replica that is accepted in the same batch as another one's append leaves that
// version behind, as the end of a chain that does not exist.
TEST_F(RocksdbChangesTest, AcceptingAReplicaRemovesAppendsOfTheSameBatch) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage_, client, kNil).version_id;
  ASSERT_TRUE(AcceptDiverged(*storage_, client));
  Waiter<absl::StatusOr<AppendOutcome>> held;
  faults_.HoldLogAppends();
  storage_->Append(AppendRequestFor(Uuid::Random(), kNil), held.Callback());
  faults_.AwaitHeldAppend();
  const Uuid ahead = Uuid::Random();
  Waiter<absl::StatusOr<AppendOutcome>> before;
  Waiter<absl::StatusOr<AppendOutcome>> diverged;
  Waiter<absl::StatusOr<AppendOutcome>> late;
  storage_->Append(AppendRequestFor(client, first, Noise(20'000)), before.Callback());
  storage_->Append(AppendRequestFor(client, ahead), diverged.Callback());
  storage_->Append(AppendRequestFor(client, Uuid::Random()), late.Callback());
  faults_.ReleaseLogAppends();
  ASSERT_TRUE(std::holds_alternative<Appended>(*before.Wait()));
  const absl::StatusOr<AppendOutcome> accepted = diverged.Wait();
  ASSERT_TRUE(std::holds_alternative<Appended>(*accepted));
  EXPECT_EQ(ConflictOf(*late.Wait()), std::get<Appended>(*accepted).version_id);
  EXPECT_EQ(ReadChain(*storage_, client, ahead).size(), 1u);
  const std::vector<std::string> keys = KeysOf(client);
  EXPECT_EQ(
      std::set<std::string>(keys.begin(), keys.end()),
      std::set<std::string>({ClientKey(client), VersionKey(client, 3), ParentKey(client, ahead)}));
}

// If this fails, a kill in the middle of an operator's work leaves incomplete histories, or a wrong
// count of clients for ever.
TEST(RocksdbChangesKillTest, ChangesAreCompleteAfterAKill) {
  constexpr int kKills = 3;
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  for (int kills = 0; kills < kKills; ++kills) {
    {
      ChildProcess child(kChangeUntilKilled, data_dir);
      for (int rounds = 0; rounds < 20; ++rounds) {
        const std::optional<std::string> line = child.ReadLine();
        ASSERT_TRUE(line.has_value()) << "the child ended by itself";
        ASSERT_EQ(*line, "changed");
      }
      child.Kill();
    }
    const auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    uint64_t clients = 0;
    for (int number = 0; number < kKilledClients; ++number) {
      const Uuid client = KilledClient(number);
      if (std::holds_alternative<NoSuchClient>(GetChild(**storage, client, kNil))) {
        EXPECT_FALSE(SnapshotOf(**storage, client).has_value());
        continue;
      }
      ++clients;
      const ChainReport report = Verify(**storage, client);
      EXPECT_TRUE(report.problems.empty()) << report.problems[0];
      EXPECT_EQ(report.versions, Find(**storage, client).version_count());
    }
    EXPECT_EQ((*storage)->administration().ReadStats()->clients, clients);
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
