// Reads that must wait for the disk, and callers that must not wait with them. If these fail, one
// bad sector or one cold client holds up all clients of an event loop, or all writes.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using AppendWaiter = Waiter<absl::StatusOr<AppendOutcome>>;
using ChildWaiter = Waiter<absl::StatusOr<ChildOutcome>>;
using SnapshotWaiter = Waiter<absl::StatusOr<std::optional<Snapshot>>>;
using StoreSnapshotWaiter = Waiter<absl::StatusOr<StoreSnapshotOutcome>>;

constexpr int kReaderThreads = 2;
constexpr std::chrono::hours kLongWait{1};
constexpr size_t kSmallBytes = 8'000;    // more than a block, so that no two clients share one
constexpr size_t kLargeBytes = 100'000;  // in a blob file

// A client's records in the database.
struct Known {
  Uuid client_id;
  std::vector<Uuid> version_ids;
};

// A storage whose clients are in table files, and not in memory.
class RocksdbReadTest : public testing::Test {
 protected:
  RocksdbReadTest() {
    Open();
    for (int i = 0; i < 20; ++i) {
      const Uuid client_id = Uuid::Random();
      Known client{client_id, {}};
      Uuid latest = kNil;
      for (const size_t bytes : {kSmallBytes, kSmallBytes, kSmallBytes, kLargeBytes}) {
        latest = MustAppend(*storage_, client_id, latest, Noise(bytes)).version_id;
        client.version_ids.push_back(latest);
      }
      EXPECT_EQ(StoreSnapshot(*storage_, client_id, client.version_ids.back(), Noise(kLargeBytes)),
                StoreSnapshotOutcome::kStored);
      clients_.push_back(std::move(client));
    }
    Open();  // with empty caches: opening writes the content of the log to a table file
  }
  // A test that failed must not leave a thread waiting.
  ~RocksdbReadTest() override {
    faults_.ReleaseReads();
    storage_.reset();
  }

  void Open(std::chrono::milliseconds disk_wait_max = kLongWait) {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = directory_.path() + "/data",
                                       .reader_threads = kReaderThreads,
                                       .disk_wait_max = disk_wait_max,
                                       .env = faults_.env()},
                                      base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }
  // Keeps every reader thread busy with a read of one of the last clients, until ReleaseReads.
  void HoldReaders() {
    faults_.HoldReads();
    held_ = std::vector<SnapshotWaiter>(kReaderThreads);
    for (int i = 0; i < kReaderThreads; ++i) {
      storage_->GetSnapshot(clients_[clients_.size() - 1 - static_cast<size_t>(i)].client_id,
                            held_[static_cast<size_t>(i)].Callback());
    }
    faults_.AwaitHeldReads(kReaderThreads);
  }

  const TemporaryDirectory directory_;
  FaultEnv faults_;
  std::vector<Known> clients_;
  std::vector<SnapshotWaiter> held_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, the calling thread, which serves thousands of others, waits for the disk.
TEST_F(RocksdbReadTest, TheCallingThreadNeverReadsAFile) {
  // This test's own thread opens the storage, which reads; an event loop does not.
  std::thread loop([&] {
    for (const Known& client : clients_) {
      const Uuid latest = client.version_ids.back();
      EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, client.client_id, kNil)), client.version_ids);
      EXPECT_EQ(SnapshotOf(*storage_, client.client_id)->bytes, Noise(kLargeBytes));
      EXPECT_EQ(ConflictOf(Append(*storage_, client.client_id, Uuid::Random())), latest);
      EXPECT_EQ(StoreSnapshot(*storage_, client.client_id, client.version_ids[1]),
                StoreSnapshotOutcome::kNotWanted);
      EXPECT_EQ(NoChildOf(GetChild(*storage_, client.client_id, Uuid::Random())), latest);
      MustAppend(*storage_, client.client_id, latest);
      EXPECT_FALSE(ChildOf(*storage_, Uuid::Random(), kNil).has_value());
      MustAppend(*storage_, Uuid::Random(), Uuid::Random());
    }
    EXPECT_FALSE(faults_.HasRead(std::this_thread::get_id()));
  });
  const int reads_before = faults_.reads();
  loop.join();
  EXPECT_GT(faults_.reads(), reads_before) << "nothing was cold, and so nothing was tested";
}

// If this fails, reads from memory pay for a change of threads, or wait for the disk.
TEST_F(RocksdbReadTest, CachedDataIsReadAtOnceWhileTheDiskIsStuck) {
  const Known& warm = clients_[0];
  EXPECT_EQ(ReadChain(*storage_, warm.client_id, kNil).size(), warm.version_ids.size());
  HoldReaders();
  ChildWaiter head;
  storage_->GetChild(warm.client_id, warm.version_ids.back(), head.Callback());
  ASSERT_TRUE(head.WasCalled());
  EXPECT_EQ(NoChildOf(*head.Wait()), warm.version_ids.back());
  ChildWaiter child;
  storage_->GetChild(warm.client_id, kNil, child.Callback());
  ASSERT_TRUE(child.WasCalled());
  EXPECT_EQ(std::get<Version>(*child.Wait()).version_id, warm.version_ids[0]);
  ChildWaiter blob;
  storage_->GetChild(warm.client_id, warm.version_ids[2], blob.Callback());
  EXPECT_FALSE(blob.WasCalled()) << "large segments are not cached";

  faults_.ReleaseReads();
  EXPECT_EQ(std::get<Version>(*blob.Wait()).segment, Noise(kLargeBytes));
  for (SnapshotWaiter& waiter : held_) EXPECT_EQ((*waiter.Wait())->bytes, Noise(kLargeBytes));
}

// If this fails, one client whose data are not in memory holds up the writes of all others.
TEST_F(RocksdbReadTest, WritesOfOtherClientsSucceedWhileReadsAreStuck) {
  const Known& warm = clients_[0];
  const Known& cold = clients_[1];
  EXPECT_EQ(NoChildOf(GetChild(*storage_, warm.client_id, warm.version_ids.back())),
            warm.version_ids.back());
  const Uuid new_client = Uuid::Random();
  EXPECT_FALSE(
      ChildOf(*storage_, new_client, kNil).has_value());  // the filters have been read by now

  faults_.HoldReads();
  AppendWaiter cold_append;
  storage_->Append(AppendRequestFor(cold.client_id, cold.version_ids.back()),
                   cold_append.Callback());
  StoreSnapshotWaiter cold_snapshot;
  storage_->StoreSnapshot(StoreSnapshotRequestFor(cold.client_id, cold.version_ids.back()),
                          cold_snapshot.Callback());
  faults_.AwaitHeldReads(2);
  Uuid latest = warm.version_ids.back();
  Uuid latest_of_new = kNil;
  for (int i = 0; i < 5; ++i) {
    latest = MustAppend(*storage_, warm.client_id, latest).version_id;
    latest_of_new = MustAppend(*storage_, new_client, latest_of_new).version_id;
  }
  EXPECT_EQ(StoreSnapshot(*storage_, warm.client_id, latest), StoreSnapshotOutcome::kStored);
  EXPECT_FALSE(cold_append.WasCalled());
  EXPECT_FALSE(cold_snapshot.WasCalled());

  faults_.ReleaseReads();
  const auto appended = cold_append.Wait();
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_TRUE(std::holds_alternative<Appended>(*appended));
  EXPECT_TRUE(cold_snapshot.Wait().ok());
  EXPECT_EQ(ReadChain(*storage_, cold.client_id, kNil).size(), cold.version_ids.size() + 1);
}

// If this fails, a stranger can make the server read from its disk, again and again, by asking for
// clients that do not exist.
TEST_F(RocksdbReadTest, UnknownClientsAreAnsweredFromFilters) {
  GetChild(*storage_, Uuid::Random(), kNil);  // reads the filters
  const int before = faults_.reads();
  constexpr int kStrangers = 10'000;
  for (int i = 0; i < kStrangers; ++i) {
    EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(*storage_, Uuid::Random(), kNil)));
    EXPECT_FALSE(SnapshotOf(*storage_, Uuid::Random()).has_value());
  }
  EXPECT_LE(faults_.reads() - before, kStrangers / 10);
}

// If this fails, a head that was read before a write counts as the latest after it.
TEST_F(RocksdbReadTest, AppendsDuringAReadAreVisibleAfterwards) {
  for (Known& client : clients_) {
    faults_.HoldReads();
    std::vector<AppendWaiter> appends(2);
    for (AppendWaiter& append : appends) {
      storage_->Append(AppendRequestFor(client.client_id, client.version_ids.back()),
                       append.Callback());
    }
    ChildWaiter child;
    storage_->GetChild(client.client_id, client.version_ids.back(), child.Callback());
    faults_.ReleaseReads();
    int winners = 0;
    for (AppendWaiter& append : appends) {
      const auto outcome = append.Wait();
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      const auto* appended = std::get_if<Appended>(&*outcome);
      if (appended == nullptr) continue;
      ++winners;
      client.version_ids.push_back(appended->version_id);
    }
    EXPECT_EQ(winners, 1);
    EXPECT_TRUE(child.Wait().ok());
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, client.client_id, kNil)), client.version_ids);
  }
}

// If this fails, a disk that cannot read is reported as a missing client, or affects data in
// memory, or cannot be read when it works again. (Writes may be refused until the next start:
// RocksDB stops them when a compaction fails to read.)
TEST_F(RocksdbReadTest, AFailedReadIsAnErrorUntilTheDiskRecovers) {
  const Known& warm = clients_[0];
  const Known& cold = clients_[1];
  const Uuid latest = warm.version_ids.back();
  EXPECT_EQ(NoChildOf(GetChild(*storage_, warm.client_id, latest)), latest);
  faults_.FailReads(rocksdb::IOStatus::IOError("a bad sector"));
  for (const absl::Status& status :
       {TryGetChild(*storage_, cold.client_id, kNil).status(),
        TryGetSnapshot(*storage_, cold.client_id).status(),
        TryAppend(*storage_, AppendRequestFor(cold.client_id, kNil)).status(),
        TryStoreSnapshot(*storage_, StoreSnapshotRequestFor(cold.client_id, cold.version_ids[3]))
            .status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnknown) << status;
  }
  EXPECT_EQ(NoChildOf(GetChild(*storage_, warm.client_id, latest)), latest);
  faults_.Heal();
  EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, cold.client_id, kNil)), cold.version_ids);
}

// If this fails, a stalled disk gathers requests until their clients give up, or accepted
// ones are lost.
TEST_F(RocksdbReadTest, ReadsAreUnavailableWhileTheOldestWaitsTooLong) {
  Open(std::chrono::milliseconds(1));
  const Known& cold = clients_[0];
  HoldReaders();
  ChildWaiter waiting;
  storage_->GetChild(cold.client_id, kNil, waiting.Callback());
  EXPECT_FALSE(waiting.WasCalled());
  // Until a millisecond has passed, others are taken.
  std::vector<ChildWaiter> taken;
  for (;;) {
    ChildWaiter next;
    storage_->GetChild(cold.client_id, cold.version_ids[0], next.Callback());
    if (next.WasCalled()) {
      EXPECT_TRUE(absl::IsUnavailable(next.Wait().status()));
      break;
    }
    taken.push_back(std::move(next));
  }
  // So are writes that need a read first.
  EXPECT_TRUE(absl::IsUnavailable(
      TryAppend(*storage_, AppendRequestFor(cold.client_id, cold.version_ids.back())).status()));
  EXPECT_FALSE(storage_->RefusesWrites()) << "writes that need no read are welcome";

  faults_.ReleaseReads();
  EXPECT_EQ(std::get<Version>(*waiting.Wait()).version_id, cold.version_ids[0]);
  for (ChildWaiter& waiter : taken) {
    EXPECT_EQ(std::get<Version>(*waiter.Wait()).version_id, cold.version_ids[1]);
  }
  for (const Known& client : clients_) {
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, client.client_id, kNil)), client.version_ids);
  }
}

// If this fails, a stop leaves requests without an answer, or frees objects that they use.
TEST_F(RocksdbReadTest, TheDestructorCompletesWaitingReads) {
  HoldReaders();
  const Known& cold = clients_[0];
  ChildWaiter child;
  storage_->GetChild(cold.client_id, kNil, child.Callback());
  AppendWaiter append;
  storage_->Append(AppendRequestFor(cold.client_id, cold.version_ids.back()), append.Callback());
  std::thread destroyer([this] { storage_.reset(); });
  faults_.ReleaseReads();
  destroyer.join();
  for (SnapshotWaiter& waiter : held_) {
    ASSERT_TRUE(waiter.WasCalled());
    EXPECT_TRUE(waiter.Wait().ok());
  }
  ASSERT_TRUE(child.WasCalled());
  EXPECT_TRUE(child.Wait().ok());
  ASSERT_TRUE(append.WasCalled());
  EXPECT_TRUE(append.Wait().ok());
  Open();
  EXPECT_EQ(ReadChain(*storage_, cold.client_id, kNil).size(), cold.version_ids.size() + 1);
}

// If this fails, a caller that continues from a callback, as a server does, waits for itself; at
// the end of the storage, too.
TEST_F(RocksdbReadTest, ACallbackMayUseTheStorage) {
  const Known& cold = clients_[0];
  const Known& other = clients_[1];
  ChildWaiter second;
  AppendWaiter third;
  storage_->GetChild(cold.client_id, kNil, [&](absl::StatusOr<ChildOutcome> outcome) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    storage_->GetChild(other.client_id, kNil, second.Callback());
    storage_->Append(AppendRequestFor(other.client_id, kNil), third.Callback());
  });
  EXPECT_EQ(std::get<Version>(*second.Wait()).version_id, other.version_ids[0]);
  EXPECT_EQ(ConflictOf(*third.Wait()), other.version_ids.back());

  faults_.HoldLogAppends();
  AppendWaiter held;
  ChildWaiter late;
  Storage& storage = *storage_;
  storage_->Append(AppendRequestFor(Uuid::Random(), kNil),
                   [&, done = held.Callback()](absl::StatusOr<AppendOutcome> outcome) {
                     storage.GetChild(clients_[2].client_id, kNil, late.Callback());
                     done(std::move(outcome));
                   });
  faults_.AwaitHeldAppend();
  std::thread destroyer([this] { storage_.reset(); });
  faults_.ReleaseLogAppends();
  destroyer.join();
  EXPECT_TRUE(held.Wait().ok());
  const auto outcome = late.Wait();
  EXPECT_TRUE(outcome.ok() || absl::IsUnavailable(outcome.status())) << outcome.status();
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
