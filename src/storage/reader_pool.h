// Threads for what has to wait for a disk or a database.
#ifndef TCSYNC_SRC_STORAGE_READER_POOL_H_
#define TCSYNC_SRC_STORAGE_READER_POOL_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace tcsync::storage {

// Thread-safe.
class ReaderPool {
 public:
  // Called exactly once: with OK on a thread of the pool, or with kUnavailable before Run returns.
  using Task = absl::AnyInvocable<void(const absl::Status& admission)>;

  // Refuses tasks while the oldest one has waited for longer than `wait_max`, and while
  // kReadsWaitingMax wait.
  ReaderPool(int threads, std::chrono::milliseconds wait_max);

  // Calls Stop().
  ~ReaderPool();

  void Run(Task task);

  // The same for the continuation of an admitted task, such as the next piece of an answer: it is
  // refused only during a stop.
  void Continue(Task task);

  // The number of tasks that wait for a thread.
  size_t waiting() const;

  // Waits until every accepted task has run; refuses all others from now on.
  void Stop();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Waiting {
    Task task;
    Instant since;
  };

  // Takes the task, or leaves it alone and returns the reason.
  absl::Status Admit(Task& task, bool is_continued);
  void Work();

  const std::chrono::milliseconds wait_max_;
  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable has_work_;
  std::deque<Waiting> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use the members above
};

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_READER_POOL_H_
