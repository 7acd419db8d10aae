// A thread that takes all writes that arrived while it was busy, and has them committed together,
// with one sync for the batch instead of one for each write.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/rocksdb/storage_instruments.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

class BatchBuilder;

struct PendingAppend {
  AppendRequest request;
  AppendCallback done;
};
struct PendingSnapshot {
  StoreSnapshotRequest request;
  StoreSnapshotCallback done;
};
// A write of an operator or of storage itself. It is committed in a batch of its own, so that the
// database contains all earlier writes when it is decided.
struct PendingChange {
  // Adds the change to the batch; after an error nothing is written. Runs on the committer's
  // thread.
  using Decide = absl::AnyInvocable<absl::Status(BatchBuilder& batch)>;
  Decide decide;
  // Whether it may take the reserved room (reserve.h). Then it may be decided again when the first
  // write fails.
  bool may_use_reserve = false;
  // Gets the error of `decide`, or the result of the write.
  absl::AnyInvocable<void(absl::Status)> done;
};
// A piece of an upload, or the removal of an upload's pieces.
struct PendingPiece {
  // Adds it to the batch; after an error that one piece is not written. Runs on the committer's
  // thread.
  absl::AnyInvocable<absl::Status(BatchBuilder& batch)> decide;
  uint64_t bytes = 0;
  // Gets the error of `decide`, or the result of the write.
  absl::AnyInvocable<void(absl::Status)> done;
};
using PendingWrite = std::variant<PendingAppend, PendingSnapshot, PendingChange, PendingPiece>;

// The bytes of the write's segment, snapshot or piece.
uint64_t PayloadBytes(const PendingWrite& write);

// The writes that wait to be committed.
struct CommitterQueue {
  uint64_t writes = 0;
  uint64_t bytes = 0;
};

// Thread-safe.
class Committer {
 public:
  // Commits a batch in its order, and calls all of its callbacks. Runs on the committer's thread.
  using CommitFunction = std::function<void(std::vector<PendingWrite>& batch)>;

  Committer(uint64_t queue_bytes_max, std::chrono::milliseconds wait_max, CommitFunction commit,
            const StorageInstruments* instruments = nullptr);

  // Waits until all submitted writes are committed.
  ~Committer();

  // Queues a write. Returns false and leaves `write` alone when the queue is full or IsLate().
  bool Submit(PendingWrite& write);

  // Queues a piece. Pieces have a queue of their own, bounded by their senders, each of which has
  // one piece in it. Other writes precede them and wait for at most kPieceBatchBytesMax of them; a
  // waiting piece never makes another write late.
  void SubmitPiece(PendingPiece piece);

  // For the commit function, on its thread: its batch is written, and only the callbacks remain.
  // Without this call, a client whose callback has run could be refused its next write because the
  // previous one took long.
  void NoteWritten();

  // Whether the oldest uncommitted write has waited for longer than `wait_max`. That holds for a
  // disk that stands still as well as under overload, and ends by itself as the queue is served.
  bool IsLate() const;

  CommitterQueue queue() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Queued {
    PendingWrite write;
    Instant since;
  };

  void Run();
  void Measure(const std::vector<PendingWrite>& batch, const std::vector<Instant>& since) const;
  // Moves the next batch out of the queue; empty when closing and nothing is left.
  std::vector<PendingWrite> TakeBatch();

  const uint64_t queue_bytes_max_;
  const std::chrono::milliseconds wait_max_;
  const CommitFunction commit_;
  const StorageInstruments* const instruments_;
  // The arrival of the oldest uncommitted write; kNone when there is none. Changed under mutex_.
  static constexpr Instant kNone = Instant::max();
  std::atomic<Instant> oldest_since_{kNone};
  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable has_work_;
  std::deque<Queued> queue_;
  uint64_t queue_bytes_ = 0;
  std::deque<PendingPiece> pieces_;
  bool closing_ = false;
  std::thread thread_;  // last: it uses the members above
};

// Has the change committed, and waits for it; its `done` is not used. Must not be called from a
// callback of storage.
absl::Status CommitAndWait(Committer& committer, PendingChange change);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_COMMITTER_H_
