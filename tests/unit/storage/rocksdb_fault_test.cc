// A disk that is full or broken. If these fail, a user is told that something is safe which is not,
// or a server does not recover when there is room again.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {
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
    auto storage = OpenRocksdbStorage(
        {.data_dir = directory_.path() + "/data", .env = faults_.env()}, Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
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
  // The same when the disk was full: the database may need a moment to find that it has room.
  void AppendOnceThereIsRoom() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (absl::IsResourceExhausted(TryToAppendTo(Uuid::Random()))) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "there is room, and it refuses";
      std::this_thread::yield();
    }
    AppendOne();
  }

  // Expects that reading gives what was acknowledged, and nothing else.
  void ExpectUnchanged() {
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, kClient, kNil)), version_ids_);
    const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, kClient);
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->version_id, version_ids_[1]);
    EXPECT_EQ(snapshot->bytes, "snapshot");
  }

  const TemporaryDirectory directory_;
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
TEST_P(FullDiskTest, WritesFailReadsGoOnAndThenEverythingGoesOn) {
  for (int times = 0; times < 3; ++times) {
    Fill();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted) << TryToAppend();
      EXPECT_EQ(TryToStoreSnapshot().code(), absl::StatusCode::kResourceExhausted);
      EXPECT_EQ(TryToAppendTo(Uuid::Random()).code(), absl::StatusCode::kResourceExhausted);
      ExpectUnchanged();
    }
    faults_.Heal();
    ExpectUnchanged();
    AppendOnceThereIsRoom();
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
TEST_P(FullDiskTest, TheSameForTheFirstWriteAfterAStart) {
  Reopen();
  Fill();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    ExpectUnchanged();
  }
  faults_.Heal();
  AppendOnceThereIsRoom();
  ExpectUnchanged();
  Reopen();
  ExpectUnchanged();
}

// If this fails, what was refused for want of room is there after a restart, and the replica, which
// sends it again, has it twice.
TEST_P(FullDiskTest, WhatWasRefusedIsNotThereAfterARestart) {
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

// If this fails, a failed write is acknowledged, or does more than may or may not be stored.
TEST_F(RocksdbFaultTest, AFailedWriteIsNeverASuccess) {
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

// If this fails, a version that was refused comes back in place of one that was acknowledged.
TEST_F(RocksdbFaultTest, WhatIsAcknowledgedAfterAFullDiskIsKept) {
  for (int times = 0; times < 3; ++times) {
    faults_.FailSyncs(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
    EXPECT_EQ(TryToAppend().code(), absl::StatusCode::kResourceExhausted);
    faults_.Heal();
    AppendOnceThereIsRoom();
    ExpectUnchanged();
    Reopen();
    ExpectUnchanged();
  }
}

// If this fails, a server that is not restarted after an error acknowledges what it then loses.
TEST_F(RocksdbFaultTest, WhatIsAcknowledgedAfterAnErrorIsKept) {
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
}  // namespace tcsync
