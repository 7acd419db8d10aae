// One thread that takes all writes which came while it was busy, and has them committed together:
// with one sync for the batch instead of one for each write.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tcsync/storage.h"

namespace tcsync {

struct PendingAppend {
  AppendRequest request;
  AppendCallback done;
};
struct PendingSnapshot {
  StoreSnapshotRequest request;
  StoreSnapshotCallback done;
};
using PendingWrite = std::variant<PendingAppend, PendingSnapshot>;

// Thread-safe.
class Committer {
 public:
  // Commits a batch, in its order, and calls every callback in it. Runs on the committer's thread.
  using CommitFunction = std::function<void(std::vector<PendingWrite>& batch)>;

  Committer(uint64_t queue_bytes_max, CommitFunction commit);

  // Waits until everything that was submitted is committed.
  ~Committer();

  // Queues a write; false, and `write` is left alone, when the queue is full.
  bool Submit(PendingWrite& write);

 private:
  void Run();
  // Moves the next batch out of the queue; empty when closing and nothing is left.
  std::vector<PendingWrite> TakeBatch();
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || !queue_.empty(); }

  const uint64_t queue_bytes_max_;
  const CommitFunction commit_;
  absl::Mutex mutex_;
  std::deque<PendingWrite> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
