// Keeps a number of appends to a storage in flight, as an event loop does: each writer's next
// append begins when its last one is acknowledged, and none of them holds a thread.
#ifndef TCSYNC_BENCH_MICRO_APPEND_DRIVER_H_
#define TCSYNC_BENCH_MICRO_APPEND_DRIVER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "load/histogram.h"
#include "micro/counting_env.h"
#include "tcsync/storage.h"

namespace tcsync::micro {

enum class Clients {
  kOwn,   // one chain for each writer
  kSame,  // one chain for all: in each round one append wins, and the others learn the new parent
  kNew,   // each append is the first version of another client
};

// The child of `parent`, read while the caller waits.
absl::StatusOr<ChildOutcome> ReadChild(Storage& storage, const Uuid& client_id, const Uuid& parent);

// Used by one thread. Destroy it, or Drain it, before the storage.
class AppendDriver {
 public:
  AppendDriver(Storage& storage, const CountingEnv& env, size_t segment_bytes, size_t writers,
               Clients clients);
  // One writer, which continues at `latest` of an existing chain.
  AppendDriver(Storage& storage, const CountingEnv& env, size_t segment_bytes,
               const Uuid& client_id, const Uuid& latest);
  ~AppendDriver() { Drain(); }

  // Begins every writer's first append.
  void Start();

  // Waits until one append is answered, and begins that writer's next one.
  void Step();

  // Waits for the appends in flight; nothing new begins.
  void Drain();

  // The first error of an append, if any.
  const absl::Status& status() const { return status_; }

  size_t under_way() const { return under_way_; }
  // All clients that have been written to.
  const std::vector<Uuid>& client_ids() const { return client_ids_; }
  // The latest version that a writer knows.
  const Uuid& latest(size_t writer) const { return writers_[writer].parent; }

  uint64_t appended() const { return appended_; }
  uint64_t conflicts() const { return conflicts_; }
  const load::Histogram& latency() const { return latency_; }  // of appends, not of conflicts

  // The number of appends that each sync of the log served, in order.
  const std::vector<uint32_t>& batches() const { return batches_; }

  // The number of versions that storage returns, walking every chain from its beginning.
  absl::StatusOr<uint64_t> CountStored() const;

 private:
  struct Writer {
    Uuid client_id;
    Uuid parent;
    uint64_t began_ns = 0;
  };
  struct Answer {
    size_t writer = 0;
    absl::StatusOr<AppendOutcome> outcome;
    uint64_t log_syncs = 0;  // so far: shows which appends shared one
  };

  void Begin(size_t writer);
  Answer Take();
  void Record(const Answer& answer);

  Storage& storage_;
  const CountingEnv& env_;
  const std::string segment_;
  const Clients clients_;
  std::vector<Writer> writers_;
  std::vector<Uuid> client_ids_;
  size_t under_way_ = 0;

  std::vector<Answer> taken_;  // answers in the caller's hands, the next one at taken_position_
  size_t taken_position_ = 0;

  absl::Status status_;
  uint64_t appended_ = 0;
  uint64_t conflicts_ = 0;
  load::Histogram latency_;
  std::vector<uint32_t> batches_;
  uint64_t batch_sync_ = 0;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<Answer> answers_;  // under mutex_
};

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_APPEND_DRIVER_H_
