// Keeps messages that come thousands of times in a second from filling the log.
#ifndef TCSYNC_SRC_HTTP_LOG_THROTTLE_H_
#define TCSYNC_SRC_HTTP_LOG_THROTTLE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace tcsync::http {

// Lets one message pass in each second. Thread-safe.
class LogThrottle {
 public:
  // How many messages were held back since the last that passed, if this one passes.
  std::optional<uint64_t> Pass() {
    const auto uptime = std::chrono::steady_clock::now().time_since_epoch();
    const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(uptime).count();
    int64_t last = last_second_.load(std::memory_order_relaxed);
    if (now == last || !last_second_.compare_exchange_strong(last, now)) {
      held_back_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return held_back_.exchange(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> last_second_{-1};
  std::atomic<uint64_t> held_back_{0};
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_LOG_THROTTLE_H_
