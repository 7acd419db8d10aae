// A disk that is full or broken. If these fail, a user gets the acknowledgement of unsafe data, or
// a server does not recover when there is room again.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using rocksdb::IOStatus;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

// A storage with a client of three versions and a snapshot.
class RocksdbFaultTest : public testing::Test {
 protected:
  RocksdbFaultTest() {
    Reopen();
    version_ids_ = AppendChain(*storage_, kClient, kNil, 3);
    EXPECT_EQ(StoreSnapshot(*storage_, kClient, version_ids_[1], "snapshot"),
              StoreSnapshotOutcome::kStored);
  }

  void Reopen() {
    storage_.reset();
    auto storage = TryToOpen();
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }
  absl::StatusOr<std::unique_ptr<Storage>> TryToOpen() {
    return OpenRocksdbStorage({.data_dir = directory_.path() + "/data",
                               .memtable_bytes = kMemtableBytes,
                               .disk_wait_max = std::chrono::hours(1),
                               .env = faults_.env()},
                              base::Logger(
                                  [this](const LogRecord& record) {
                                    const std::lock_guard lock(log_mutex_);
                                    errors_.push_back(ToText(record));
                                  },
                                  LogLevel::kError));
  }

  absl::Status TryToAppend() {
    return TryAppend(*storage_, AppendRequestFor(kClient, version_ids_.back())).status();
  }
  absl::Status TryToAppendTo(const Uuid& new_client) {
    return TryAppend(*storage_, AppendRequestFor(new_client, kNil)).status();
  }
  absl::Status TryToStoreSnapshot() {
    return TryStoreSnapshot(*storage_,
                            StoreSnapshotRequestFor(kClient, version_ids_.back(), "newer"))
        .status();
  }
  void AppendOne() {
    const Uuid version_id = MustAppend(*storage_, kClient, version_ids_.back()).version_id;
    if (!version_id.IsNil()) version_ids_.push_back(version_id);
  }
  void AppendUntilTheDiskIsFull() {
    for (;;) {
      const absl::StatusOr<AppendOutcome> outcome = TryAppend(
          *storage_, AppendRequestFor(kClient, version_ids_.back(), Noise(kMemtableBytes / 4)));
      if (!outcome.ok()) {
        EXPECT_EQ(outcome.status().code(), absl::StatusCode::kResourceExhausted)
            << outcome.status();
        return;
      }
      version_ids_.push_back(std::get<Appended>(*outcome).version_id);
    }
  }

  // Expects that a read returns the acknowledged data, and nothing else.
  void ExpectUnchanged() {
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, kClient, kNil)), version_ids_);
    const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, kClient);
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->version_id, version_ids_[1]);
    EXPECT_EQ(snapshot->bytes, "snapshot");
  }

  std::string Errors() {
    const std::lock_guard lock(log_mutex_);
    return absl::StrJoin(errors_, "\n");
  }

  static constexpr uint64_t kMemtableBytes = 64 * 1024;  // RocksDB's minimum

  const TemporaryDirectory directory_;
  std::mutex log_mutex_;
  std::vector<std::string> errors_;
  FaultEnv faults_;
  std::unique_ptr<Storage> storage_;
  std::vector<Uuid> version_ids_;
};

struct FullDisk {
  const char* name;
  FaultEnv::Files files;
  bool torn;

  friend std::ostream& operator<<(std::ostream& out, const FullDisk& disk) {
    return out << disk.name;
  }
};

class FullDiskTest : public RocksdbFaultTest, public testing::WithParamInterface<FullDisk> {
 protected:
  void Fill() {
    faults_.FailAppends(GetParam().files, IOStatus::NoSpace("the disk is full"), GetParam().torn);
  }
};

INSTANTIATE_TEST_SUITE_P(Disks, FullDiskTest,
                         testing::Values(FullDisk{"Log", FaultEnv::Files::kWriteAheadLog, false},
                                         FullDisk{"TornLog", FaultEnv::Files::kWriteAheadLog, true},
                                         FullDisk{"All", FaultEnv::Files::kAll, false},
                                         FullDisk{"TornAll", FaultEnv::Files::kAll, true}),
                         [](const testing::TestParamInfo<FullDisk>& info) {
                           return info.param.name;
                         });

// If this fails, a full disk looks like another error, or stops reading as well, or an operator
// must restart the server after making room.
TEST_P(FullDiskTest, WritesFailAndReadsWorkUntilThereIsSpace) {
  for (int times = 0; times < 3; ++times) {
    Fill();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted) << TryToAppend();
      EXPECT_EQ(TryToStoreSnapshot().code(), absl::StatusCode::kResourceExhausted);
      EXPECT_EQ(TryToAppendTo(Uuid::Random()).code(), absl::StatusCode::kResourceExhausted);
      // A replica that is behind gets a conflict: it can still fetch.
      EXPECT_EQ(ConflictOf(Append(*storage_, kClient, version_ids_[0])), version_ids_.back());
      ExpectUnchanged();
    }
    faults_.Heal();
    ExpectUnchanged();
    AppendOne();
    AppendOne();
    ExpectUnchanged();
  }
  Reopen();
  ExpectUnchanged();
  AppendOne();
  ExpectUnchanged();
}

// If this fails, a server that was started when the disk was full already (so that RocksDB has
// nothing in memory to write out) crashes or stays broken.
TEST_P(FullDiskTest, TheFirstWriteAfterAStartFailsUntilThereIsSpace) {
  Reopen();
  Fill();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    ExpectUnchanged();
  }
  faults_.Heal();
  AppendOne();
  ExpectUnchanged();
  Reopen();
  ExpectUnchanged();
}

// If this fails, a server that is started on a full disk crashes, or makes things worse. A failed
// start is as good as failed writes.
TEST_P(FullDiskTest, AStartOnAFullDiskLosesNothing) {
  storage_.reset();
  for (int times = 0; times < 3; ++times) {
    Fill();
    absl::StatusOr<std::unique_ptr<Storage>> storage = TryToOpen();
    if (storage.ok()) {
      storage_ = *std::move(storage);
      EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
      ExpectUnchanged();
    } else {
      EXPECT_EQ(storage.status().code(), absl::StatusCode::kResourceExhausted) << storage.status();
    }
    faults_.Heal();
    if (storage_ == nullptr) Reopen();
    ExpectUnchanged();
    AppendOne();
    storage_.reset();
  }
  Reopen();
  ExpectUnchanged();
}

// The first write after a flush finds the next memtable empty and the log new. If this fails, a
// server crashes when the disk is full just then, or continues in a torn log, and a restart loses
// the following writes.
TEST_P(FullDiskTest, TheFirstWriteToANewLogMayFail) {
  for (int times = 0; times < 3; ++times) {
    faults_.FailAppendsToANewLog(IOStatus::NoSpace("the disk is full"), GetParam().torn);
    AppendUntilTheDiskIsFull();
    if (GetParam().files == FaultEnv::Files::kAll) Fill();
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    ExpectUnchanged();
    faults_.Heal();
    AppendOne();
    AppendOne();
    ExpectUnchanged();
    if (times == 1) Reopen();
    ExpectUnchanged();
  }
}

// The same when the disk is full again right after it had room: for the log that the reopening
// begins.
TEST_P(FullDiskTest, TheFirstWriteAfterMakingSpaceMayFail) {
  for (int times = 0; times < 5; ++times) {
    Fill();
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    faults_.Heal();
    faults_.FailAppendsToANewLog(IOStatus::NoSpace("the disk is full"), GetParam().torn);
    EXPECT_FALSE(TryToAppend().ok());
    faults_.Heal();
    ExpectUnchanged();
  }
  AppendOne();
  ExpectUnchanged();
  Reopen();
  ExpectUnchanged();
}

// If this fails, a write that was refused for lack of space exists after a restart, and the replica
// sends it a second time.
TEST_P(FullDiskTest, RefusedWritesDoNotAppearAfterARestart) {
  Fill();
  EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
  const Uuid new_client = Uuid::Random();
  EXPECT_FALSE(TryToAppendTo(new_client).ok());
  storage_.reset();  // while the disk is full
  faults_.Heal();
  Reopen();
  ExpectUnchanged();
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(*storage_, new_client, kNil)));
  AppendOne();
  ExpectUnchanged();
}

// If this fails, a batch of many clients' writes succeeds for some of them when the disk is full.
TEST_P(FullDiskTest, AWholeBatchFailsTogether) {
  constexpr size_t kAppends = 20;
  faults_.HoldLogAppends();
  std::vector<Uuid> clients(kAppends);
  std::vector<Waiter<absl::StatusOr<AppendOutcome>>> waiters(kAppends);
  for (size_t i = 0; i < kAppends; ++i) {
    clients[i] = Uuid::Random();
    storage_->Append(AppendRequestFor(clients[i], kNil), waiters[i].Callback());
  }
  faults_.AwaitHeldAppend();
  Fill();
  faults_.ReleaseLogAppends();
  for (size_t i = 0; i < kAppends; ++i) {
    EXPECT_EQ(waiters[i].Wait().status().code(), absl::StatusCode::kResourceExhausted);
  }
  faults_.Heal();
  Reopen();
  for (const Uuid& client : clients) {
    EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(*storage_, client, kNil)));
  }
  ExpectUnchanged();
}

// If this fails, a failed write is acknowledged, or has another effect than being stored or not.
TEST_F(RocksdbFaultTest, AFailedWriteIsNeverAcknowledged) {
  constexpr auto kLog = FaultEnv::Files::kWriteAheadLog;
  const std::vector<std::function<void()>> faults = {
      [this] { faults_.FailAppends(kLog, IOStatus::IOError("broken")); },
      [this] { faults_.FailAppends(kLog, IOStatus::IOError("broken"), /*torn=*/true); },
      [this] { faults_.FailSyncs(kLog, IOStatus::IOError("broken")); },
      [this] { faults_.FailSyncs(FaultEnv::Files::kAll, IOStatus::IOError("broken")); }};
  for (const auto& fault : faults) {
    fault();
    const Uuid parent = version_ids_.back();
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(TryToAppend().ok());
      EXPECT_FALSE(TryToStoreSnapshot().ok());
      EXPECT_EQ(NoChildOf(GetChild(*storage_, kClient, parent)), parent);
      EXPECT_EQ(SnapshotOf(*storage_, kClient)->bytes, "snapshot");
    }
    faults_.Heal();
    Reopen();
    // The version that failed may be there, whole, or not.
    const std::vector<Version> chain = ReadChain(*storage_, kClient, kNil);
    ASSERT_GE(chain.size(), version_ids_.size());
    ASSERT_LE(chain.size(), version_ids_.size() + 1);
    for (size_t i = 0; i < version_ids_.size(); ++i) {
      EXPECT_EQ(chain[i].version_id, version_ids_[i]);
    }
    version_ids_ = VersionIdsOf(chain);
    AppendOne();
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, kClient, kNil)), version_ids_);
  }
}

// RocksDB writes a memtable out and removes its log while the database is checked before it is
// reopened. If this fails, the server refuses writes for a while although the disk has room.
TEST_F(RocksdbFaultTest, ALogThatIsRemovedDuringTheCheckDoesNotKeepItFromReopening) {
  faults_.FailAppends(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
  EXPECT_FALSE(TryToAppend().ok());
  faults_.Heal();
  faults_.LoseNextLog();
  AppendOne();
  ExpectUnchanged();
}

// The disk seems to have room, and has none when the database is reopened. If this fails, a server
// must be restarted by hand, or treats unreadable data as missing.
TEST_F(RocksdbFaultTest, AFailedReopeningIsRepeated) {
  for (const bool reads_first : {true, false}) {
    faults_.FailAppends(FaultEnv::Files::kDatabase, IOStatus::NoSpace("the disk is full"));
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
      EXPECT_EQ(TryToAppendTo(Uuid::Random()).code(), absl::StatusCode::kResourceExhausted);
    }
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(TryGetSnapshot(*storage_, kClient).status().code(), absl::StatusCode::kUnavailable);
      EXPECT_EQ(TryGetChild(*storage_, kClient, kNil).status().code(),
                absl::StatusCode::kUnavailable);
      EXPECT_EQ(TryToStoreSnapshot().code(), absl::StatusCode::kResourceExhausted);
    }
    faults_.Heal();
    if (reads_first) ExpectUnchanged();
    AppendOne();
    ExpectUnchanged();
  }
  Reopen();
  ExpectUnchanged();
}

// RocksDB has no room for a flush on a thread of its own. If this fails, acknowledged data that is
// only in the log is lost, or a server must be restarted by hand.
TEST_F(RocksdbFaultTest, DataThatCannotBeFlushedIsKept) {
  for (int times = 0; times < 2; ++times) {
    faults_.FailAppends(FaultEnv::Files::kTables, IOStatus::NoSpace("the disk is full"));
    AppendUntilTheDiskIsFull();
    faults_.Heal();
    AppendOne();
    ExpectUnchanged();
  }
  Reopen();
  ExpectUnchanged();
}

// If this fails, reads are lost or wait for ever while the database is reopened, or it is closed
// during a read.
TEST_F(RocksdbFaultTest, ReadsWorkDuringAReopening) {
  constexpr int kReaders = 3;
  Reopen();  // then there is something to read from files
  std::atomic<bool> stop = false;
  std::vector<std::atomic<int>> rounds(kReaders);
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      while (!stop) {
        EXPECT_GE(ReadChain(*storage_, kClient, kNil).size(), size_t{3});
        const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, kClient);
        EXPECT_TRUE(snapshot.has_value() && snapshot->bytes == "snapshot");
        ++rounds[i];
      }
    });
  }
  for (int times = 0; times < 10; ++times) {
    faults_.FailAppends(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"),
                        /*torn=*/times % 2 == 0);
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    faults_.Heal();
    AppendOne();
    for (std::atomic<int>& round : rounds) {
      const int before = round;
      while (round == before) std::this_thread::yield();
    }
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  ExpectUnchanged();
}

// If this fails, one read that hangs on the disk makes an event loop, and all of its clients, wait
// for it: a reopening waits for that read, and others must not wait with it on their own thread.
TEST_F(RocksdbFaultTest, AReadThatHangsDelaysNoOtherRequest) {
  const Uuid large = Uuid::Random();
  MustAppend(*storage_, large, kNil, Noise(100'000));
  Reopen();  // then the segment is in a file, and no longer in memory
  EXPECT_EQ(NoChildOf(GetChild(*storage_, kClient, version_ids_.back())), version_ids_.back());
  faults_.HoldReads();
  Waiter<absl::StatusOr<ChildOutcome>> held;
  storage_->GetChild(large, kNil, held.Callback());
  faults_.AwaitHeldReads(1);
  faults_.FailAppends(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
  EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
  faults_.Heal();
  Waiter<absl::StatusOr<AppendOutcome>> append;
  storage_->Append(AppendRequestFor(kClient, version_ids_.back()), append.Callback());
  std::vector<Waiter<absl::StatusOr<ChildOutcome>>> others(10);
  for (auto& other : others) storage_->GetChild(Uuid::Random(), kNil, other.Callback());
  EXPECT_FALSE(append.WasCalled());
  EXPECT_FALSE(held.WasCalled());
  faults_.ReleaseReads();
  EXPECT_TRUE(held.Wait().ok());
  const absl::StatusOr<AppendOutcome> appended = append.Wait();
  ASSERT_TRUE(appended.ok()) << appended.status();
  version_ids_.push_back(std::get<Appended>(*appended).version_id);
  for (auto& other : others) EXPECT_TRUE(other.Wait().ok());
  ExpectUnchanged();
}

// Data that a disk has lost cannot be recovered. If this fails, the server continues without it
// silently, or stops even the reading of the rest.
TEST_F(RocksdbFaultTest, LostLogDataIsReported) {
  faults_.FailAppends(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
  EXPECT_FALSE(TryToAppend().ok());
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_.path() + "/data/rocksdb")) {
    if (entry.path().extension() == ".log") std::filesystem::resize_file(entry.path(), 0);
  }
  faults_.Heal();
  EXPECT_FALSE(absl::StrContains(Errors(), "is damaged"));
  for (int i = 0; i < 2; ++i) {
    const absl::Status refusal = TryToAppend();
    EXPECT_EQ(refusal.code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(absl::StrContains(refusal.message(), "versions that were acknowledged")) << refusal;
    ExpectUnchanged();
  }
  EXPECT_TRUE(absl::StrContains(Errors(), "tcsync-server repair-log")) << Errors();
  storage_.reset();
  EXPECT_EQ(TryToOpen().status().code(), absl::StatusCode::kDataLoss);
}

// If this fails, a refused version returns in place of an acknowledged one.
TEST_F(RocksdbFaultTest, WritesAcknowledgedAfterAFullDiskAreKept) {
  for (int times = 0; times < 3; ++times) {
    faults_.FailSyncs(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    faults_.Heal();
    AppendOne();
    ExpectUnchanged();
    Reopen();
    ExpectUnchanged();
  }
}

// If this fails, a server that is not restarted after an error acknowledges data and then loses it.
TEST_F(RocksdbFaultTest, WritesAcknowledgedAfterAnErrorAreKept) {
  faults_.FailSyncs(FaultEnv::Files::kWriteAheadLog, IOStatus::IOError("broken"));
  EXPECT_FALSE(TryToAppend().ok());
  faults_.Heal();
  std::vector<Uuid> clients;
  for (int i = 0; i < 10; ++i) {
    const Uuid client = Uuid::Random();
    if (TryToAppendTo(client).ok()) clients.push_back(client);
  }
  Reopen();
  for (const Uuid& client : clients) {
    EXPECT_TRUE(ChildOf(*storage_, client, kNil).has_value()) << "an acknowledged version is lost";
  }
}

// RocksDB continues with a new manifest even if CURRENT, which names the valid one for the next
// opening, could not be replaced. If this fails, a disk that was full at such a moment keeps the
// server from ever starting again: the newer one, or the one that CURRENT names, is missing.
TEST_F(RocksdbFaultTest, AFullDiskDoesNotSeparateCurrentFromItsManifest) {
  const std::filesystem::path database = directory_.path() + "/data/rocksdb";
  const auto files_with = [&](absl::string_view part) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(database)) {
      const std::string name = entry.path().filename();
      if (absl::StrContains(name, part)) names.insert(name);
    }
    return names;
  };
  // Appends until a flush of the memtable begins, which continues in the background.
  const auto begin_flush = [&] {
    const std::set<std::string> logs = files_with(".log");
    while (files_with(".log") == logs) {
      const Uuid parent = version_ids_.back();
      version_ids_.push_back(
          MustAppend(*storage_, kClient, parent, Noise(kMemtableBytes / 4)).version_id);
    }
  };
  // Each start writes a table, and so does a flush. Eight of them are compacted.
  for (int i = 0; i < 5; ++i) {
    Reopen();
    AppendOne();
  }
  faults_.HoldCompactions();
  for (int i = 0; i < 4; ++i) {
    begin_flush();
    // A log is removed when its memtable was flushed.
    while (files_with(".log").size() > 1) std::this_thread::yield();
  }
  faults_.AwaitHeldReads(1);
  faults_.FailAppends(FaultEnv::Files::kManifests, IOStatus::NoSpace("the disk is full"));
  begin_flush();
  while (Errors().empty()) std::this_thread::yield();
  const std::string current = BytesOf(database / "CURRENT");
  const std::set<std::string> manifests = files_with("MANIFEST-");
  // The compaction begins a new manifest, since the one before failed.
  faults_.FailAppends(FaultEnv::Files::kCurrent, IOStatus::NoSpace("the disk is full"));
  faults_.ReleaseReads();
  while (files_with("MANIFEST-") == manifests) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(TryToAppend().ok());
  EXPECT_EQ(BytesOf(database / "CURRENT"), current);
  faults_.Heal();
  ExpectUnchanged();
  AppendOne();
  ExpectUnchanged();
  Reopen();
  ExpectUnchanged();
}

// If this fails, an answer can come before its data is safe from a loss of power.
TEST_F(RocksdbFaultTest, EveryWriteIsSynced) {
  for (int i = 0; i < 5; ++i) {
    const int before = faults_.log_syncs();
    AppendOne();
    EXPECT_GT(faults_.log_syncs(), before);
  }
  const int before = faults_.log_syncs();
  EXPECT_EQ(StoreSnapshot(*storage_, kClient, version_ids_.back()), StoreSnapshotOutcome::kStored);
  EXPECT_GT(faults_.log_syncs(), before);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
