// Appends versions, many clients' in one statement with one commit: while one batch is being
// committed, the next one forms.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_APPENDER_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_APPENDER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "storage/commit_instruments.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/usage.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// An append on its way.
struct PendingAppend {
  AppendRequest request;
  AppendCallback done;
  // The version's ID but for its number: it is chosen before the first attempt, and tells an
  // attempt whose answer was lost from another replica's version.
  Uuid random_id;
  std::chrono::steady_clock::time_point since;
  Deadline deadline;
  int unknown_attempts = 0;
  bool may_have_created = false;  // one of those attempts was to create the client
};

// Whether the two IDs differ at most in their numbers.
bool IsSameButForNumber(const Uuid& a, const Uuid& b);

// Thread-safe.
class Appender {
 public:
  // Takes over an append that needs statements of its own: one that may create its client, replace
  // a history, has had an attempt whose outcome is unknown, or would wait for a lock.
  using AloneFunction = absl::AnyInvocable<void(PendingAppend append)>;

  struct Figures {
    uint64_t writes = 0;
    uint64_t bytes = 0;
  };

  // `instruments` may be null.
  Appender(Sessions& sessions, Usage& usage, int threads, uint64_t queue_bytes_max,
           const storage::CommitInstruments* instruments, AloneFunction append_alone);

  // Calls Stop().
  ~Appender();

  // Calls back, with kUnavailable if the queue is full.
  void Append(PendingAppend append);

  Figures queued() const;
  bool is_full() const;

  // Waits until every accepted append was called back or handed on; refuses all others.
  void Stop();

 private:
  void Work();
  // With mutex_: the next appends of clients without one under way. Empty when there are none.
  std::vector<PendingAppend> TakeBatch();
  void RunBatch(std::vector<PendingAppend> batch);
  void MeasureBatch(const std::vector<PendingAppend>& batch) const;

  Sessions& sessions_;
  Usage& usage_;
  const uint64_t queue_bytes_max_;
  const storage::CommitInstruments* const instruments_;
  AloneFunction append_alone_;
  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable has_work_;
  std::deque<PendingAppend> queue_;
  uint64_t queue_bytes_ = 0;
  absl::flat_hash_set<Uuid> under_way_;  // the clients of the batches being committed
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use the members above
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_APPENDER_H_
