// The time of an event loop, which is read once for each event and each turn. Deadlines are in
// seconds, and reading the clock takes about a hundredth of the time of a small request.
#ifndef TCSYNC_SRC_LISTENER_LOOP_CLOCK_H_
#define TCSYNC_SRC_LISTENER_LOOP_CLOCK_H_

#include <chrono>

namespace tcsync::listener {

// Used on the loop's thread. Each callback of the io_context begins with Read().
class LoopClock {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  Instant Read() { return now_ = std::chrono::steady_clock::now(); }
  // The last reading.
  Instant now() const { return now_; }

 private:
  Instant now_ = std::chrono::steady_clock::now();
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_LOOP_CLOCK_H_
