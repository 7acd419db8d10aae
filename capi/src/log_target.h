// The destinations of log records: the host's function, on a thread for that alone, or a queue. No
// thread that writes a record ever waits for the host.
#ifndef TCSYNC_CAPI_SRC_LOG_TARGET_H_
#define TCSYNC_CAPI_SRC_LOG_TARGET_H_

#include <memory>
#include <utility>

#include "capi/src/guard.h"
#include "capi/src/queue.h"
#include "tcsync.h"
#include "tcsync/log.h"

namespace tcsync::capi {

// Thread-safe.
class LogTarget {
 public:
  virtual ~LogTarget() = default;

  // Takes a record, or drops it when there is no room for it.
  virtual void Write(const LogRecord& record) noexcept = 0;

  // Whether this process can use it.
  virtual Result Check() const { return {}; }
  // An engine or listener begins to use it. Throws std::system_error.
  virtual void Begin() {}
  // That user writes no more.
  virtual void End() noexcept {}
};

// Null for a null function.
std::shared_ptr<LogTarget> LogToFunction(tcsync_log_function function, void* user_data);
std::shared_ptr<LogTarget> LogToQueue(const tcsync_queue& queue);

// The use of a target, which may be null, during this object's life.
class LogUse {
 public:
  explicit LogUse(std::shared_ptr<LogTarget> target) : target_(std::move(target)) {
    if (target_ != nullptr) target_->Begin();
  }
  LogUse(LogUse&& other) noexcept : target_(std::move(other.target_)) {}
  LogUse& operator=(LogUse&&) = delete;
  ~LogUse() {
    if (target_ != nullptr) target_->End();
  }

  // The library's log function. Empty without a target.
  LogFunction function() const;

 private:
  std::shared_ptr<LogTarget> target_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_LOG_TARGET_H_
