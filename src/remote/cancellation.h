// Ends a call from outside it: from another thread, or from a signal handler.
#ifndef TCSYNC_SRC_REMOTE_CANCELLATION_H_
#define TCSYNC_SRC_REMOTE_CANCELLATION_H_

#include <atomic>

#include "base/wake_descriptor.h"

namespace tcsync::remote {

// Stays requested until it is reset: a request that comes just before a call begins is not lost,
// and one that comes just after a call has ended meets the next one only if nobody resets it.
class Cancellation {
 public:
  // std::system_error when the process has no descriptor left.
  Cancellation() = default;

  // Any thread and any signal handler.
  void Request() noexcept {
    is_requested_.store(true);
    wake_.Wake();
  }
  // Any thread; a Request() of the same moment counts as the earlier or as the later one.
  void Reset() noexcept { is_requested_.store(false); }

  bool is_requested() const noexcept { return is_requested_.load(); }

  // Readable after a request, and now and then without one: after it has become readable,
  // ConsumeWake() says which, and it is to be waited for again when there is none.
  int fd() const { return wake_.fd(); }
  bool ConsumeWake() const noexcept {
    // In this order: a request between the two makes it readable again.
    wake_.Drain();
    return is_requested();
  }

  // In a child of a fork: a request in one of the two processes is none in the other one.
  void Renew() { wake_.Renew(); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait");

  std::atomic<bool> is_requested_ = false;
  base::WakeDescriptor wake_;
};

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_CANCELLATION_H_
