// The log's level where several parts share it.
#ifndef TCSYNC_SRC_BASE_LOG_LEVELS_H_
#define TCSYNC_SRC_BASE_LOG_LEVELS_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/logger.h"

namespace tcsync::base {

// The thresholds of parts that are changed as one while they run. Thread-safe.
class LogLevels {
 public:
  explicit LogLevels(LogLevel level) : level_(level) {}

  // From here on `threshold` has the same level as the others.
  void Add(std::shared_ptr<LogThreshold> threshold) {
    const std::lock_guard<std::mutex> lock(mutex_);
    threshold->Set(level_);
    thresholds_.push_back(std::move(threshold));
  }
  void Set(LogLevel level) {
    const std::lock_guard<std::mutex> lock(mutex_);
    level_ = level;
    for (const std::shared_ptr<LogThreshold>& threshold : thresholds_) threshold->Set(level);
  }
  LogLevel level() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return level_;
  }

 private:
  mutable std::mutex mutex_;
  LogLevel level_;
  std::vector<std::shared_ptr<LogThreshold>> thresholds_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_LOG_LEVELS_H_
