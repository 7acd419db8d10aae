// The time of day, behind an interface so that tests can move it.
#ifndef TCSYNC_SRC_BASE_CLOCK_H_
#define TCSYNC_SRC_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace tcsync::base {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The operating system's clock; lives as long as the process.
  static const Clock& System();

  // A clock that never steps, whatever happens to the time of day: only differences of its times
  // have a meaning. Lives as long as the process.
  static const Clock& Steady();
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_CLOCK_H_
