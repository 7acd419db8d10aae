// Keeps frequent messages (thousands in a second) from filling the log.
#ifndef TCSYNC_SRC_HTTP_LOG_THROTTLE_H_
#define TCSYNC_SRC_HTTP_LOG_THROTTLE_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace tcsync::http {

// Admits one message in each second, and after a quiet time a few at once. Thread-safe.
class LogThrottle {
 public:
  explicit LogThrottle(int64_t at_once = 1) : at_once_(at_once) {}

  // If this message is admitted, the number of suppressed ones since the last.
  std::optional<uint64_t> Pass() {
    const auto uptime = std::chrono::steady_clock::now().time_since_epoch();
    const int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count();
    int64_t full_at = full_at_ms_.load(std::memory_order_relaxed);
    int64_t next_full_at = 0;
    do {
      next_full_at = std::max(full_at, now) + kIntervalMs;
      if (next_full_at - now > at_once_ * kIntervalMs) {
        held_back_.fetch_add(1, std::memory_order_relaxed);
        return std::nullopt;
      }
    } while (!full_at_ms_.compare_exchange_weak(full_at, next_full_at, std::memory_order_relaxed));
    return held_back_.exchange(0, std::memory_order_relaxed);
  }

 private:
  static constexpr int64_t kIntervalMs = 1'000;

  const int64_t at_once_;
  std::atomic<int64_t> full_at_ms_{0};
  std::atomic<uint64_t> held_back_{0};
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_LOG_THROTTLE_H_
