// A clock that the test sets.
#ifndef TCSYNC_TESTS_UNIT_SYNC_MANUAL_CLOCK_H_
#define TCSYNC_TESTS_UNIT_SYNC_MANUAL_CLOCK_H_

#include "absl/time/time.h"
#include "base/clock.h"

namespace tcsync {

// One thread.
class ManualClock final : public base::Clock {
 public:
  absl::Time Now() const override { return now_; }
  void SetUnixSeconds(int64_t seconds) { now_ = absl::FromUnixSeconds(seconds); }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_SYNC_MANUAL_CLOCK_H_
