// The committer's queue by itself: order, batches, bounds and the end.
#include "storage/rocksdb/committer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr uint64_t kLargeQueue = uint64_t{1} << 30;
constexpr std::chrono::hours kLongWait{1};

// Records the segments of every batch, and can be held up in the middle of one.
class Recorder {
 public:
  void Commit(std::vector<PendingWrite>& batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    std::vector<std::string> segments;
    for (const PendingWrite& write : batch) {
      const auto* append = std::get_if<PendingAppend>(&write);
      segments.push_back(append != nullptr ? append->request.segment
                                           : std::get<PendingSnapshot>(write).request.bytes);
    }
    batches_.push_back(std::move(segments));
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hold_; });
  }

  void Hold() {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_ = true;
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_ = false;
    changed_.notify_all();
  }
  void AwaitBatches(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= count; });
  }
  std::vector<std::vector<std::string>> batches() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return batches_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hold_ = false;
  std::vector<std::vector<std::string>> batches_;
};

PendingWrite AppendOf(std::string segment) {
  PendingAppend append;
  append.request.segment = std::move(segment);
  append.done = [](const auto&) {};
  return append;
}

PendingWrite SnapshotOf(std::string bytes) {
  PendingSnapshot snapshot;
  snapshot.request.bytes = std::move(bytes);
  snapshot.done = [](const auto&) {};
  return snapshot;
}

bool Submit(Committer& committer, PendingWrite write) { return committer.Submit(write); }

class CommitterTest : public testing::Test {
 protected:
  void Start(uint64_t queue_bytes_max = kLargeQueue,
             std::chrono::milliseconds wait_max = kLongWait) {
    committer_ = std::make_unique<Committer>(
        queue_bytes_max, wait_max,
        [this](std::vector<PendingWrite>& batch) { recorder_.Commit(batch); });
  }
  // Keeps the committer busy with a batch of one write.
  void HoldCommitter() {
    recorder_.Hold();
    ASSERT_TRUE(Submit(*committer_, AppendOf("held")));
    recorder_.AwaitBatches(1);
  }
  // Lets all writes be committed, and returns the batches after the held one.
  std::vector<std::vector<std::string>> BatchesAfterTheHeldOne() {
    recorder_.Release();
    committer_.reset();
    std::vector<std::vector<std::string>> batches = recorder_.batches();
    batches.erase(batches.begin());
    return batches;
  }

  Recorder recorder_;
  std::unique_ptr<Committer> committer_;
};

// If this fails, writes are reordered, or each has a batch and so a sync of its own.
TEST_F(CommitterTest, WaitingWritesAreOneBatchInTheirOrder) {
  Start();
  HoldCommitter();
  EXPECT_TRUE(Submit(*committer_, AppendOf("one")));
  EXPECT_TRUE(Submit(*committer_, SnapshotOf("two")));
  EXPECT_TRUE(Submit(*committer_, AppendOf("three")));
  EXPECT_EQ(BatchesAfterTheHeldOne(),
            (std::vector<std::vector<std::string>>{{"one", "two", "three"}}));
}

// If this fails, a batch of large writes takes far too much memory, or a write that is larger than
// a batch is never committed.
TEST_F(CommitterTest, BatchesAreBounded) {
  Start();
  HoldCommitter();
  const std::string large(base::kCommitBatchBytesMax - 1000, 'x');
  const std::string larger(2 * base::kCommitBatchBytesMax, 'y');
  for (const std::string& segment : {large, large, std::string("small"), larger, large}) {
    EXPECT_TRUE(Submit(*committer_, AppendOf(segment)));
  }
  const auto batches = BatchesAfterTheHeldOne();
  std::vector<std::vector<size_t>> sizes;
  for (const auto& batch : batches) {
    sizes.emplace_back();
    for (const std::string& segment : batch) sizes.back().push_back(segment.size());
  }
  EXPECT_EQ(sizes, (std::vector<std::vector<size_t>>{
                       {large.size()}, {large.size(), 5}, {larger.size()}, {large.size()}}));
}

// If this fails, the queue grows without a bound, or a write that did not fit is lost or changed.
TEST_F(CommitterTest, AFullQueueRefusesAWriteUnchanged) {
  Start(/*queue_bytes_max=*/10'000);
  HoldCommitter();
  ASSERT_TRUE(Submit(*committer_, AppendOf(std::string(9'000, 'x'))));
  PendingWrite refused = AppendOf(std::string(2'000, 'y'));
  EXPECT_FALSE(committer_->Submit(refused));
  EXPECT_EQ(std::get<PendingAppend>(refused).request.segment, std::string(2'000, 'y'));
  EXPECT_TRUE(std::get<PendingAppend>(refused).done != nullptr);
  refused = SnapshotOf(std::string(2'000, 'z'));
  EXPECT_FALSE(committer_->Submit(refused));
  EXPECT_EQ(std::get<PendingSnapshot>(refused).request.bytes, std::string(2'000, 'z'));
  // A smaller one still fits.
  EXPECT_TRUE(Submit(*committer_, AppendOf("small")));
  const auto batches = BatchesAfterTheHeldOne();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].size(), 2u);
}

// If this fails, the bound counts writes that have left the queue, and nothing fits after a while.
TEST_F(CommitterTest, CommittedWritesMakeRoomInTheQueue) {
  Start(/*queue_bytes_max=*/10'000);
  for (size_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(Submit(*committer_, AppendOf(std::string(9'000, 'x')))) << i;
    recorder_.AwaitBatches(i);
  }
}

// If this fails, a body that was admitted can never be written.
TEST_F(CommitterTest, AnEmptyQueueAcceptsAWriteLargerThanItsBound) {
  Start(/*queue_bytes_max=*/10'000);
  HoldCommitter();
  EXPECT_TRUE(Submit(*committer_, AppendOf(std::string(50'000, 'x'))));
  EXPECT_FALSE(Submit(*committer_, AppendOf("small")));
  EXPECT_EQ(BatchesAfterTheHeldOne().size(), 1u);
}

// If this fails, many small writes take memory that the bound does not see.
TEST_F(CommitterTest, SmallWritesCountWithTheirOverhead) {
  Start(/*queue_bytes_max=*/10'000);
  HoldCommitter();
  int accepted = 0;
  while (accepted < 10'000 && Submit(*committer_, AppendOf("x"))) ++accepted;
  EXPECT_GT(accepted, 0);
  EXPECT_LE(accepted, 10'000 / static_cast<int>(sizeof(PendingWrite)));
  recorder_.Release();
}

// If this fails, a stalled disk gathers writes until their clients give up; or accepted
// writes are lost; or the queue stays closed when the disk has recovered and nothing waits.
TEST_F(CommitterTest, WritesAreRefusedWhileTheOldestWaitsTooLong) {
  Start(kLargeQueue, std::chrono::milliseconds(1));
  EXPECT_FALSE(committer_->IsLate()) << "nothing waits";
  HoldCommitter();
  size_t taken = 0;
  while (!committer_->IsLate()) {
    if (Submit(*committer_, AppendOf("taken"))) ++taken;
  }
  PendingWrite refused = AppendOf("refused");
  EXPECT_FALSE(committer_->Submit(refused));
  EXPECT_EQ(std::get<PendingAppend>(refused).request.segment, "refused");
  recorder_.Release();
  while (committer_->IsLate()) std::this_thread::yield();
  EXPECT_TRUE(Submit(*committer_, AppendOf("late")));
  committer_.reset();
  size_t committed = 0;
  for (const auto& batch : recorder_.batches()) committed += batch.size();
  EXPECT_EQ(committed, 1 + taken + 1);
}

// If this fails, a stop loses writes.
TEST_F(CommitterTest, TheDestructorCommitsWaitingWrites) {
  Start();
  HoldCommitter();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Submit(*committer_, AppendOf("x")));
  std::thread release_thread([this] { recorder_.Release(); });
  committer_.reset();
  release_thread.join();
  size_t writes = 0;
  for (const auto& batch : recorder_.batches()) writes += batch.size();
  EXPECT_EQ(writes, 101u);
}

// If this fails, a server that was never written to cannot stop.
TEST_F(CommitterTest, CanBeDestroyedWithoutAWrite) {
  Start();
  committer_.reset();
  EXPECT_TRUE(recorder_.batches().empty());
}

// If this fails, writes of many threads are lost, doubled, or reordered within one thread.
TEST_F(CommitterTest, WritesOfManyThreadsKeepTheirOrder) {
  constexpr int kThreads = 8;
  constexpr int kWrites = 500;
  Start();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < kWrites; ++j) {
        EXPECT_TRUE(Submit(
            *committer_, AppendOf(std::string(1, static_cast<char>('a' + i)) + std::to_string(j))));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  committer_.reset();
  std::vector<int> next(kThreads, 0);
  for (const auto& batch : recorder_.batches()) {
    EXPECT_FALSE(batch.empty());
    for (const std::string& segment : batch) {
      const auto thread = static_cast<size_t>(segment[0] - 'a');
      EXPECT_EQ(segment.substr(1), std::to_string(next[thread]++));
    }
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kWrites));
}

// If this fails, a write that a callback submits waits for ever, or locks the committer.
TEST(CommitterCallbackTest, ACallbackMaySubmitAWrite) {
  std::atomic<int> commits{0};
  std::unique_ptr<Committer> committer;
  std::mutex mutex;
  std::condition_variable changed;
  const auto commit = [&](std::vector<PendingWrite>& batch) {
    for (size_t i = 0; i < batch.size(); ++i) {
      if (++commits >= 10) continue;
      EXPECT_TRUE(Submit(*committer, AppendOf("again")));
    }
    const std::lock_guard<std::mutex> lock(mutex);
    changed.notify_all();
  };
  committer = std::make_unique<Committer>(kLargeQueue, kLongWait, commit);
  ASSERT_TRUE(Submit(*committer, AppendOf("first")));
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return commits >= 10; });
  lock.unlock();
  committer.reset();
  EXPECT_EQ(commits, 10);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
