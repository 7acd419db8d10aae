// A thread of the host's that waits for one result of the engine's threads.
#ifndef TCSYNC_CAPI_SRC_WAITER_H_
#define TCSYNC_CAPI_SRC_WAITER_H_

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace tcsync::capi {

// May be destroyed once Wait has returned. Needs no memory.
template <typename T>
class Waiter {
 public:
  // Once, on any thread.
  void Give(T result) noexcept {
    const std::lock_guard lock(mutex_);
    result_.emplace(std::move(result));
    // Under the lock: after its release the waiter may be destroyed.
    given_.notify_one();
  }

  T Wait() {
    std::unique_lock lock(mutex_);
    given_.wait(lock, [this] { return result_.has_value(); });
    return *std::move(result_);
  }

 private:
  std::mutex mutex_;  // of the members below
  std::condition_variable given_;
  std::optional<T> result_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_WAITER_H_
