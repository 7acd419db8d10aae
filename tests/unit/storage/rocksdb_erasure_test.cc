// The erasure of removed data from the files. If these fail, an operator promises an erasure that
// does not happen, or a disk stays full of data that belongs to nobody.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/raw_files.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

absl::StatusOr<CompactionReport> TryCompact(Storage& storage, bool everything = false) {
  return storage.administration().Compact(
      {.everything = everything}, [](absl::string_view, uint64_t, uint64_t) { return true; });
}

CompactionReport Compact(Storage& storage, bool everything = false) {
  const absl::StatusOr<CompactionReport> report = TryCompact(storage, everything);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.value_or(CompactionReport());
}

BackupInfo Backup(Storage& storage, const std::string& directory) {
  const auto backup = storage.administration().Backup({.directory = directory, .keep = 0},
                                                      [](uint64_t, uint64_t) { return true; });
  EXPECT_TRUE(backup.ok()) << backup.status();
  return backup.value_or(BackupInfo());
}

class RocksdbErasureTest : public testing::Test {
 protected:
  RocksdbErasureTest() {
    options_.data_dir = directory_.path() + "/data";
    options_.memtable_bytes = 256 * 1024;  // so that there are many files, and compactions
    // A busy machine's disk is slow.
    options_.disk_wait_max = std::chrono::hours(1);
    Open();
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage(options_, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // Bytes with a unique marker at their beginning, in their middle and at their end.
  std::string Marked(size_t size) {
    const std::string marker = "marker " + Uuid::Random().ToString();
    markers_.push_back(marker);
    std::string bytes = Noise(size, static_cast<uint32_t>(markers_.size()));
    for (const size_t place : {size_t{0}, size / 2, size - marker.size()}) {
      bytes.replace(place, marker.size(), marker);
    }
    return bytes;
  }

  // Versions of others of the sizes that share files with a client's.
  void WriteToOtherClients(int rounds, size_t large_bytes = 30'000) {
    if (other_clients_.empty()) {
      for (int i = 0; i < 16; ++i) other_clients_[Uuid::Random()] = kNil;
    }
    for (int round = 0; round < rounds; ++round) {
      for (auto& [client, latest] : other_clients_) {
        const size_t bytes = (round + latest.bytes()[15]) % 16 == 0 ? large_bytes : 900;
        latest = MustAppend(*storage_, client, latest, Noise(bytes, ++seed_)).version_id;
      }
    }
    for (auto& [client, latest] : other_clients_) {
      if (latest.bytes()[14] % 4 == 0) {
        ASSERT_EQ(StoreSnapshot(*storage_, client, latest, Noise(40'000, ++seed_)),
                  StoreSnapshotOutcome::kStored);
      }
    }
  }

  // A client with every kind of data, in every form in which it is stored, with others' versions in
  // between.
  Uuid MakeClient() {
    const Uuid client = Uuid::Random();
    Uuid latest = kNil;
    for (const size_t size : {500, 16'000, 17'000, 20'480, 100'000, 1'048'576}) {
      latest = MustAppend(*storage_, client, latest, Marked(size)).version_id;
      WriteToOtherClients(1);
      // Each but the last is replaced.
      EXPECT_EQ(StoreSnapshot(*storage_, client, latest, Marked(size + 100)),
                StoreSnapshotOutcome::kStored);
      WriteToOtherClients(1);
    }
    return client;
  }

  void ExpectOtherClientsAreIntact() {
    for (const auto& [client, latest] : other_clients_) {
      const ChainReport report = Verify(*storage_, client);
      EXPECT_THAT(report.problems, IsEmpty());
      EXPECT_EQ(NoChildOf(GetChild(*storage_, client, latest)), latest);
    }
    EXPECT_EQ(VerifyFiles(*storage_), absl::OkStatus());
  }

  std::string database() const { return options_.data_dir + "/rocksdb"; }

  const TemporaryDirectory directory_;
  RocksdbStorageOptions options_;
  std::unique_ptr<Storage> storage_;
  std::map<Uuid, Uuid> other_clients_;  // to their latest versions
  std::vector<std::string> markers_;
  uint32_t seed_ = 1000;
};

// If this fails, a deleted user's data can still be read on the disk or in a new backup.
TEST_F(RocksdbErasureTest, ACompactionErasesADeletedClientFromFilesAndLaterBackups) {
  WriteToOtherClients(20);
  const Uuid client = MakeClient();
  WriteToOtherClients(40);  // so that its values are deep down, among many of others
  ASSERT_THAT(FilesWith(options_.data_dir, markers_), Not(IsEmpty())) << "nothing to be erased";
  ASSERT_TRUE(Delete(*storage_, client));
  EXPECT_TRUE(storage_->administration().NeedsCompaction());
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), Not(IsEmpty()))
      << "removing alone is enough, so that this test shows nothing";
  const CompactionReport report = Compact(*storage_);
  EXPECT_EQ(report.removals, 1u);
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  EXPECT_FALSE(storage_->administration().NeedsCompaction());
  const std::string backups = directory_.path() + "/backups";
  Backup(*storage_, backups);
  EXPECT_THAT(FilesWith(backups, markers_), IsEmpty());
  ExpectOtherClientsAreIntact();
  Open();
  ExpectOtherClientsAreIntact();
}

// If this fails, data that was written just before its deletion stays in the log.
// Data that was just written: it is in the log and the memtable, or in files that a start wrote.
TEST_F(RocksdbErasureTest, ACompactionErasesDataInTheLog) {
  for (const bool reopen : {false, true}) {
    const Uuid client = Uuid::Random();
    const Uuid version = MustAppend(*storage_, client, kNil, Marked(700)).version_id;
    ASSERT_EQ(StoreSnapshot(*storage_, client, version, Marked(90'000)),
              StoreSnapshotOutcome::kStored);
    ASSERT_THAT(FilesWith(database(), markers_), Not(IsEmpty()));
    if (reopen) Open();
    ASSERT_TRUE(Delete(*storage_, client));
    Compact(*storage_);
    EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty())
        << (reopen ? "re" : "") << "opened";
  }
}

// The machine stops after the removal. If this fails, the bytes stay for ever.
TEST_F(RocksdbErasureTest, APendingCompactionSurvivesARestart) {
  WriteToOtherClients(5);
  const Uuid client = MakeClient();
  ASSERT_TRUE(Delete(*storage_, client));
  Open();
  EXPECT_TRUE(storage_->administration().NeedsCompaction());
  EXPECT_EQ(Compact(*storage_).removals, 1u);
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  Open();
  EXPECT_FALSE(storage_->administration().NeedsCompaction());
  EXPECT_EQ(Compact(*storage_).removals, 0u);
  ExpectOtherClientsAreIntact();
}

// If this fails, an erasure destroys the new history of a user who began again.
// A client can begin again with the same ID at any moment.
TEST_F(RocksdbErasureTest, ACompactionKeepsDataWrittenAfterTheDeletion) {
  WriteToOtherClients(5);
  const Uuid client = MakeClient();
  ASSERT_TRUE(Delete(*storage_, client));
  const std::vector<Uuid> new_version_ids = AppendChain(*storage_, client, kNil, 20);
  const std::string snapshot = Noise(50'000, 4);
  ASSERT_EQ(StoreSnapshot(*storage_, client, new_version_ids.back(), snapshot),
            StoreSnapshotOutcome::kStored);
  Compact(*storage_);
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, client, kNil)), new_version_ids);
  EXPECT_TRUE(SnapshotOf(*storage_, client)->bytes == snapshot);
}

// If this fails, the history that an accepted replica replaced stays on the disk for ever.
// So can a replica that is accepted after a restored backup.
TEST_F(RocksdbErasureTest, ACompactionErasesAReplacedHistory) {
  WriteToOtherClients(5);
  const Uuid client = MakeClient();
  ASSERT_TRUE(AcceptDiverged(*storage_, client));
  const Uuid ahead = Uuid::Random();
  MustAppend(*storage_, client, ahead, "what comes instead");
  Compact(*storage_);
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  EXPECT_EQ(ReadChain(*storage_, client, ahead).size(), 1u);
}

// If this fails, the deletion of many clients keeps the disk busy for hours.
TEST_F(RocksdbErasureTest, OneCompactionErasesManyClients) {
  WriteToOtherClients(10);
  std::vector<Uuid> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(Uuid::Random());
    MustAppend(*storage_, clients.back(), kNil, Marked(i % 4 == 0 ? 18'000 : 800));
  }
  WriteToOtherClients(10);
  for (const Uuid& client : clients) ASSERT_TRUE(Delete(*storage_, client));
  EXPECT_EQ(Compact(*storage_).removals, clients.size());
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  ExpectOtherClientsAreIntact();
}

// A stranger sends large bodies and breaks each off before its end. If this fails, the disk stays
// full of them.
TEST_F(RocksdbErasureTest, AbortedUploadsReleaseTheirSpace) {
  const Uuid stranger = Uuid::Random();
  for (const bool reopen : {false, true}) {
    SCOPED_TRACE(reopen);
    std::unique_ptr<Upload> upload = MustBeginUpload(*storage_, UploadRequestFor(stranger, kNil));
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(TryAdd(*upload, Marked(base::kPieceBytesMax)).ok());
    }
    ASSERT_EQ(storage_->administration().LiveBytes(), 10 * base::kPieceBytesMax);
    upload.reset();
    if (reopen) Open();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!storage_->administration().NeedsCompaction()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    EXPECT_EQ(storage_->administration().LiveBytes(), 0u);
    EXPECT_EQ(Compact(*storage_).removals, 1u);
    EXPECT_THAT(FilesWith(database(), markers_), IsEmpty());
    EXPECT_FALSE(storage_->administration().NeedsCompaction());
  }
}

// If this fails, a rewound history takes its space for ever.
TEST_F(RocksdbErasureTest, ARewindReleasesItsSpace) {
  const Uuid client = Uuid::Random();
  const Uuid kept = MustAppend(*storage_, client, kNil, Noise(1'000)).version_id;
  Uuid latest = kept;
  for (int i = 0; i < 3; ++i) {
    const auto outcome = TryAppend(
        *storage_, UploadedAppendFor(*storage_, client, latest, Marked(5 * base::kPieceBytesMax),
                                     base::kPieceBytesMax));
    ASSERT_TRUE(outcome.ok() && std::holds_alternative<Appended>(*outcome));
    latest = std::get<Appended>(*outcome).version_id;
  }
  RewindRequest request{.client_id = client, .version_id = kept};
  request.latest_version_id = latest;
  ASSERT_TRUE(storage_->administration().Rewind(request).ok());
  EXPECT_TRUE(storage_->administration().NeedsCompaction());
  EXPECT_EQ(Compact(*storage_).removals, 1u);
  EXPECT_THAT(FilesWith(database(), markers_), IsEmpty());
  EXPECT_THAT(Verify(*storage_, client).problems, IsEmpty());
}

// If this fails, pruning frees nothing until as much data is written again.
TEST_F(RocksdbErasureTest, RemovedVersionsReleaseTheirSpace) {
  for (const size_t size : {size_t{1'000}, size_t{100'000}}) {
    SCOPED_TRACE(size);
    const Uuid client = Uuid::Random();
    Uuid latest = kNil;
    const int count = static_cast<int>(4'000'000 / size);
    for (int i = 0; i < count; ++i) {
      latest = MustAppend(*storage_, client, latest, Noise(size, ++seed_)).version_id;
    }
    ASSERT_EQ(StoreSnapshot(*storage_, client, latest, Noise(1'000)),
              StoreSnapshotOutcome::kStored);
    ASSERT_GE(BytesIn(database()), 4'000'000u);
    ASSERT_GT(RemoveBelow(*storage_, client, static_cast<uint64_t>(count)), 3'500'000u);
    const CompactionReport report = Compact(*storage_);
    EXPECT_EQ(report.removals, 1u);
    EXPECT_LE(report.bytes_after + 2'500'000, report.bytes_before);
    EXPECT_LE(BytesIn(database()), 1'500'000u);
  }
}

// If this fails, replaced snapshots fill the disk for ever.
TEST_F(RocksdbErasureTest, EverythingCanBeCompacted) {
  WriteToOtherClients(30);
  const Uuid client = MakeClient();
  WriteToOtherClients(30);
  // Its replaced snapshots are the garbage.
  const std::vector<std::string> replaced = {markers_[1], markers_[3], markers_[5], markers_[7],
                                             markers_[9]};
  Compact(*storage_, /*everything=*/true);
  EXPECT_THAT(FilesWith(options_.data_dir, replaced), IsEmpty());
  EXPECT_THAT(Verify(*storage_, client).problems, IsEmpty());
  ExpectOtherClientsAreIntact();
}

// If this fails, a compaction waits for ever for empty logs that RocksDB keeps.
TEST_F(RocksdbErasureTest, ACompactionEndsThoughRestartsLeftEmptyLogs) {
  MakeClient();
  for (int i = 0; i < 3; ++i) {
    Open();
    Compact(*storage_, /*everything=*/true);
  }
}

// If this fails, a restart in the middle of an erasure ends it for good.
// Ctrl-C, or a server that stops.
TEST_F(RocksdbErasureTest, TheNextCompactionCompletesACancelledOne) {
  WriteToOtherClients(10);
  const Uuid client = MakeClient();
  WriteToOtherClients(10);
  ASSERT_TRUE(Delete(*storage_, client));
  int cancelled = 0;
  // At each report in turn, until the compaction completes.
  for (int at = 1;; ++at) {
    ASSERT_LT(at, 10'000);
    int reports = 0;
    const auto report = storage_->administration().Compact(
        {}, [&](absl::string_view, uint64_t, uint64_t) { return ++reports < at; });
    if (report.ok()) break;
    ASSERT_TRUE(absl::IsCancelled(report.status())) << report.status();
    EXPECT_TRUE(storage_->administration().NeedsCompaction());
    ++cancelled;
  }
  EXPECT_GE(cancelled, 3);
  EXPECT_THAT(FilesWith(options_.data_dir, markers_), IsEmpty());
  ExpectOtherClientsAreIntact();
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
