// Ends a call from outside it: from another thread, or from a signal handler.
#ifndef TCSYNC_SRC_REMOTE_CANCELLATION_H_
#define TCSYNC_SRC_REMOTE_CANCELLATION_H_

#include <atomic>

#include "base/wake_descriptor.h"

namespace tcsync::remote {

// A request stays until it is reset. So a request just before a call is not lost, and one just
// after a call cancels the next one unless it is reset before.
class Cancellation {
 public:
  // std::system_error when the process has no descriptor left.
  Cancellation() = default;

  // Any thread and any signal handler.
  void Request() noexcept {
    is_requested_.store(true);
    wake_.Wake();
  }
  // Any thread; a Request() at the same moment counts as the earlier or as the later one.
  void Reset() noexcept { is_requested_.store(false); }

  bool is_requested() const noexcept { return is_requested_.load(); }

  // Readable after a request, and sometimes without one. Call ConsumeWake() when it has become
  // readable, and wait again if that returns false.
  int fd() const { return wake_.fd(); }
  bool ConsumeWake() const noexcept {
    // In this order: a request between the two makes it readable again.
    wake_.Drain();
    return is_requested();
  }

  // In a child of a fork: a request in one of the two processes has no effect in the other.
  void Renew() { wake_.Renew(); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait");

  std::atomic<bool> is_requested_ = false;
  base::WakeDescriptor wake_;
};

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_CANCELLATION_H_
