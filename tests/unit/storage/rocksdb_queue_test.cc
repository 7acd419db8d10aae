// The queue of writes: its length, its cost, and its end.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using AppendWaiter = Waiter<absl::StatusOr<AppendOutcome>>;

class RocksdbQueueTest : public testing::Test {
 protected:
  RocksdbQueueTest() { Open(); }
  // A test that failed must not leave the committer waiting.
  ~RocksdbQueueTest() override { faults_.ReleaseLogAppends(); }

  void Open(uint64_t queue_bytes_max = uint64_t{48} << 20,
            std::chrono::milliseconds disk_wait_max = std::chrono::hours(1)) {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = directory_.path() + "/data",
                                       .queue_bytes_max = queue_bytes_max,
                                       .disk_wait_max = disk_wait_max,
                                       .env = faults_.env()},
                                      base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // Keeps the committer busy with one append, until ReleaseLogAppends.
  void HoldCommitter() {
    faults_.HoldLogAppends();
    storage_->Append(AppendRequestFor(Uuid::Random(), kNil), held_.Callback());
    faults_.AwaitHeldAppend();
  }

  const TemporaryDirectory directory_;
  FaultEnv faults_;
  AppendWaiter held_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, every write waits for a sync of its own, and the server is as slow as the disk.
TEST_F(RocksdbQueueTest, WaitingAppendsShareOneSync) {
  constexpr size_t kAppends = 64;
  HoldCommitter();
  const int syncs_before = faults_.log_syncs();
  std::vector<Uuid> clients(kAppends);
  std::vector<AppendWaiter> waiters(kAppends);
  for (size_t i = 0; i < kAppends; ++i) {
    clients[i] = Uuid::Random();
    storage_->Append(AppendRequestFor(clients[i], kNil, Noise(1024)), waiters[i].Callback());
  }
  faults_.ReleaseLogAppends();
  for (AppendWaiter& waiter : waiters) EXPECT_TRUE(waiter.Wait().ok());
  // One for the append that was held, one for all others.
  EXPECT_LE(faults_.log_syncs() - syncs_before, 2);
  for (const Uuid& client : clients) {
    EXPECT_TRUE(ChildOf(*storage_, client, kNil).has_value());
  }
}

// If this fails, appends to one client that wait together are not decided one after the other.
TEST_F(RocksdbQueueTest, AppendsOfOneBatchAreDecidedInOrder) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage_, client, kNil).version_id;
  HoldCommitter();
  std::vector<AppendWaiter> waiters(3);
  for (AppendWaiter& waiter : waiters) {
    storage_->Append(AppendRequestFor(client, first), waiter.Callback());
  }
  Waiter<absl::StatusOr<StoreSnapshotOutcome>> snapshot;
  storage_->StoreSnapshot(StoreSnapshotRequestFor(client, first), snapshot.Callback());
  const Uuid new_client = Uuid::Random();
  std::vector<AppendWaiter> new_waiters(2);
  for (AppendWaiter& waiter : new_waiters) {
    storage_->Append(AppendRequestFor(new_client, kNil), waiter.Callback());
  }
  faults_.ReleaseLogAppends();

  const auto winner = waiters[0].Wait();
  ASSERT_TRUE(winner.ok() && std::holds_alternative<Appended>(*winner));
  const Uuid second = std::get<Appended>(*winner).version_id;
  for (size_t i = 1; i < waiters.size(); ++i) {
    const auto conflict = waiters[i].Wait();
    ASSERT_TRUE(conflict.ok()) << conflict.status();
    EXPECT_EQ(ConflictOf(*conflict), second);
  }
  EXPECT_EQ(snapshot.Wait().value_or(StoreSnapshotOutcome::kNoSuchClient),
            StoreSnapshotOutcome::kStored);
  const auto created = new_waiters[0].Wait();
  ASSERT_TRUE(created.ok() && std::holds_alternative<Appended>(*created));
  const auto late = new_waiters[1].Wait();
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(ConflictOf(*late), std::get<Appended>(*created).version_id);
  EXPECT_EQ(MustAppend(*storage_, client, second).snapshot->versions_since, 2u);
}

// If this fails, replicas learn of an unsafe version, and continue from it.
TEST_F(RocksdbQueueTest, AVersionIsNotReadBeforeItIsDurable) {
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage_, client, kNil).version_id;
  faults_.HoldLogAppends();
  AppendWaiter waiter;
  storage_->Append(AppendRequestFor(client, first), waiter.Callback());
  faults_.AwaitHeldAppend();
  // Reading does not wait for writing, either.
  EXPECT_EQ(NoChildOf(GetChild(*storage_, client, first)), first);
  EXPECT_EQ(ChildOf(*storage_, client, kNil)->version_id, first);
  EXPECT_FALSE(waiter.WasCalled());
  faults_.ReleaseLogAppends();
  EXPECT_TRUE(waiter.Wait().ok());
  EXPECT_TRUE(ChildOf(*storage_, client, first).has_value());
}

// If this fails, a slow disk lets the queue exhaust the memory, or a refused write is stored after
// all.
TEST_F(RocksdbQueueTest, AFullQueueIsUnavailable) {
  constexpr size_t kSegmentBytes = 10'000;
  constexpr size_t kAppends = 20;
  Open(/*queue_bytes_max=*/100'000);
  HoldCommitter();
  std::vector<Uuid> clients(kAppends);
  std::vector<AppendWaiter> waiters(kAppends);
  size_t refused = 0;
  for (size_t i = 0; i < kAppends; ++i) {
    clients[i] = Uuid::Random();
    storage_->Append(AppendRequestFor(clients[i], kNil, Noise(kSegmentBytes)),
                     waiters[i].Callback());
    if (waiters[i].WasCalled()) ++refused;
  }
  EXPECT_GE(refused, kAppends - 10);
  EXPECT_LE(refused, kAppends - 8);
  Waiter<absl::StatusOr<StoreSnapshotOutcome>> snapshot;
  storage_->StoreSnapshot(StoreSnapshotRequestFor(clients[0], kNil, Noise(kSegmentBytes)),
                          snapshot.Callback());
  EXPECT_EQ(snapshot.Wait().status().code(), absl::StatusCode::kUnavailable);

  faults_.ReleaseLogAppends();
  for (size_t i = 0; i < kAppends; ++i) {
    const auto outcome = waiters[i].Wait();
    const bool is_stored = ChildOf(*storage_, clients[i], kNil).has_value();
    EXPECT_EQ(outcome.ok(), is_stored) << i;
    EXPECT_TRUE(outcome.ok() || absl::IsUnavailable(outcome.status())) << outcome.status();
  }
  // There is room again.
  for (const Uuid& client : clients) Append(*storage_, client, kNil, Noise(kSegmentBytes));
}

// If this fails, a stalled disk keeps every client waiting until its time limit, or is
// not used when it works again.
TEST_F(RocksdbQueueTest, NewWritesAreUnavailableWhileTheDiskIsStuck) {
  Open(uint64_t{48} << 20, std::chrono::milliseconds(1));
  EXPECT_FALSE(storage_->RefusesWrites());
  HoldCommitter();
  AppendWaiter waiting;
  storage_->Append(AppendRequestFor(Uuid::Random(), kNil), waiting.Callback());
  while (!storage_->RefusesWrites()) std::this_thread::yield();
  const Uuid refused = Uuid::Random();
  EXPECT_TRUE(absl::IsUnavailable(TryAppend(*storage_, AppendRequestFor(refused, kNil)).status()));
  EXPECT_TRUE(absl::IsUnavailable(
      TryStoreSnapshot(*storage_, StoreSnapshotRequestFor(refused, kNil)).status()));
  EXPECT_FALSE(ChildOf(*storage_, refused, kNil).has_value()) << "reads still work";
  EXPECT_FALSE(held_.WasCalled());

  faults_.ReleaseLogAppends();
  EXPECT_TRUE(held_.Wait().ok());
  // It may itself have come too late, if this thread did not run for a millisecond.
  const auto outcome = waiting.Wait();
  EXPECT_TRUE(outcome.ok() || absl::IsUnavailable(outcome.status())) << outcome.status();
  while (storage_->RefusesWrites()) std::this_thread::yield();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!TryAppend(*storage_, AppendRequestFor(refused, kNil)).ok()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_EQ(ReadChain(*storage_, refused, kNil).size(), 1u);
}

// If this fails, a body that the engine admits can never be stored, however empty the queue is.
TEST_F(RocksdbQueueTest, AWriteLargerThanTheQueueIsAcceptedAlone) {
  Open(/*queue_bytes_max=*/1000);
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  for (int i = 0; i < 3; ++i) {
    latest = MustAppend(*storage_, client, latest, Noise(100'000)).version_id;
  }
}

// If this fails, a stop loses writes, or leaves requests without an answer.
TEST_F(RocksdbQueueTest, TheDestructorCompletesWaitingWrites) {
  constexpr size_t kAppends = 10;
  HoldCommitter();
  std::vector<Uuid> clients(kAppends);
  std::vector<AppendWaiter> waiters(kAppends);
  for (size_t i = 0; i < kAppends; ++i) {
    clients[i] = Uuid::Random();
    storage_->Append(AppendRequestFor(clients[i], kNil), waiters[i].Callback());
  }
  std::thread destroyer([this] { storage_.reset(); });
  faults_.ReleaseLogAppends();
  destroyer.join();
  for (AppendWaiter& waiter : waiters) {
    ASSERT_TRUE(waiter.WasCalled()) << "the storage is gone, and this was never answered";
    EXPECT_TRUE(waiter.Wait().ok());
  }
  Open();
  for (const Uuid& client : clients) EXPECT_TRUE(ChildOf(*storage_, client, kNil).has_value());
}

// If this fails, a caller that continues from a callback, as a server does, waits for itself.
TEST_F(RocksdbQueueTest, ACallbackMayUseTheStorage) {
  const Uuid client = Uuid::Random();
  AppendWaiter second;
  std::optional<Uuid> first;
  storage_->Append(AppendRequestFor(client, kNil), [&](absl::StatusOr<AppendOutcome> outcome) {
    first = std::get<Appended>(*outcome).version_id;
    EXPECT_TRUE(ChildOf(*storage_, client, kNil).has_value()) << "acknowledged and not seen";
    storage_->Append(AppendRequestFor(client, *first), second.Callback());
  });
  EXPECT_TRUE(second.Wait().ok());
  EXPECT_EQ(ReadChain(*storage_, client, kNil).size(), 2u);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
