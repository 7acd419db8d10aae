// A thread that runs one task after another, so that no event loop waits for a disk.
#ifndef TCSYNC_SRC_BASE_WORKER_H_
#define TCSYNC_SRC_BASE_WORKER_H_

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace tcsync::base {

// Thread-safe. The first task starts the thread: most engines never have one.
class Worker {
 public:
  // `name` is the thread's, a constant of at most 15 characters.
  explicit Worker(const char* name) : name_(name) {}
  // Runs the posted tasks, then ends.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False, and `task` is unchanged, if the system has no further thread.
  bool Post(absl::AnyInvocable<void()>&& task);

 private:
  void Run();

  const char* const name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::AnyInvocable<void()>> tasks_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_WORKER_H_
