// One thread that takes all writes which came while it was busy, and has them committed together:
// with one sync for the batch instead of one for each write.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

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

// The bytes of its segment or snapshot.
uint64_t PayloadBytes(const PendingWrite& write);

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

  const uint64_t queue_bytes_max_;
  const CommitFunction commit_;
  std::mutex mutex_;  // of what follows
  std::condition_variable has_work_;
  std::deque<PendingWrite> queue_;
  uint64_t queue_bytes_ = 0;
  bool closing_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
