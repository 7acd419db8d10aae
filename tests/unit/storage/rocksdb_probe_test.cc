// Probing whether storage works. If these fail, a health check reports a broken server as healthy,
// or the other way round.
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using rocksdb::IOStatus;
using ::testing::HasSubstr;
using ProbeWaiter = Waiter<absl::Status>;

class RocksdbProbeTest : public testing::Test {
 protected:
  RocksdbProbeTest() { Open(); }
  // A test that failed must not leave a thread waiting.
  ~RocksdbProbeTest() override {
    faults_.ReleaseLogAppends();
    faults_.ReleaseReads();
    faults_.Heal();
    storage_.reset();
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage(
        {.data_dir = directory_.path() + "/data", .env = faults_.env()}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  absl::Status Probe() {
    ProbeWaiter probe;
    storage_->Probe(probe.Callback());
    return probe.Wait();
  }

  const TemporaryDirectory directory_;
  FaultEnv faults_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, a probe does not show whether a write would be safe.
TEST_F(RocksdbProbeTest, WritesAndSyncs) {
  const int before = faults_.log_syncs();
  EXPECT_EQ(Probe(), absl::OkStatus());
  EXPECT_GT(faults_.log_syncs(), before);
}

TEST_F(RocksdbProbeTest, AFullDiskIsReported) {
  faults_.FailAppends(FaultEnv::Files::kWriteAheadLog, IOStatus::NoSpace("the disk is full"));
  const absl::Status status = Probe();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(), HasSubstr("the disk is full"));
}

TEST_F(RocksdbProbeTest, AReadOnlyDiskIsReported) {
  faults_.FailAppends(FaultEnv::Files::kAll, IOStatus::IOError("Read-only file system"));
  EXPECT_THAT(Probe().message(), HasSubstr("Read-only file system"));
}

TEST_F(RocksdbProbeTest, AFailedSyncIsReported) {
  faults_.FailSyncs(FaultEnv::Files::kWriteAheadLog, IOStatus::IOError("a bad sector"));
  EXPECT_THAT(Probe().message(), HasSubstr("a bad sector"));
}

// If this fails, a disk that cannot be read counts as healthy as long as it can be written.
TEST_F(RocksdbProbeTest, AFailedReadIsReported) {
  // Every random place is between these two, and behind it is a block that has not been read:
  // opening reads the first one.
  for (const char* client_id :
       {"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"}) {
    Uuid latest = kNil;
    for (int i = 0; i < 3; ++i) {
      latest = MustAppend(*storage_, *Uuid::Parse(client_id), latest, Noise(8'000)).version_id;
    }
  }
  Open();  // with empty caches, and the content of the log in a table file
  EXPECT_EQ(Probe(), absl::OkStatus());
  faults_.FailReads(IOStatus::IOError("a bad sector"));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Probe().message(), HasSubstr("a bad sector"));
  faults_.Heal();
  EXPECT_EQ(Probe(), absl::OkStatus());
}

// If this fails, a stuck committer is not noticed, because the probe bypassed it.
TEST_F(RocksdbProbeTest, WaitsForAStuckDisk) {
  faults_.HoldLogAppends();
  ProbeWaiter probe;
  storage_->Probe(probe.Callback());
  faults_.AwaitHeldAppend();
  EXPECT_FALSE(probe.WasCalled());
  faults_.ReleaseLogAppends();
  EXPECT_EQ(probe.Wait(), absl::OkStatus());
}

// If this fails, simultaneous probes look like damage to each other.
TEST_F(RocksdbProbeTest, ManyProbesAtOnceSucceed) {
  std::vector<ProbeWaiter> probes(50);
  for (ProbeWaiter& probe : probes) storage_->Probe(probe.Callback());
  for (ProbeWaiter& probe : probes) EXPECT_EQ(probe.Wait(), absl::OkStatus());
  Open();
  EXPECT_EQ(Probe(), absl::OkStatus()) << "after a restart";
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
