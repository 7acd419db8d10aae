// Writes log records (tcsync/log.h): the subjects of a record come as fields, each of its own
// type, and become text only here.
#ifndef TCSYNC_SRC_BASE_LOGGER_H_
#define TCSYNC_SRC_BASE_LOGGER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tcsync/log.h"
#include "tcsync/uuid.h"

namespace tcsync::base {

// The fields of one record. One that is 0, empty or nullopt is left out. Views are borrowed for the
// call.
struct LogFields {
  int status = 0;
  absl::string_view reason = {};
  absl::string_view endpoint = {};
  std::optional<Uuid> client = std::nullopt;
  std::optional<Uuid> version = std::nullopt;
  absl::string_view source = {};
};

// The least important level that goes anywhere. Thread-safe.
class LogThreshold {
 public:
  explicit LogThreshold(LogLevel level) : level_(level) {}

  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void Set(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 private:
  std::atomic<LogLevel> level_;
};

// The name of a client in the log.
using ClientNaming = std::function<std::string(const Uuid& client_id)>;

// A log function with a threshold. Thread-safe after construction, as far as its functions are.
class Logger {
 public:
  // Drops everything.
  Logger() = default;
  // Passes records of `threshold` and above to `function`, which may be empty. Without a `naming`,
  // which is for rooms that know no clients, clients have no names.
  Logger(LogFunction function, LogLevel threshold, ClientNaming naming = nullptr)
      : Logger(std::move(function), std::make_shared<LogThreshold>(threshold), std::move(naming)) {}
  Logger(LogFunction function, std::shared_ptr<const LogThreshold> threshold,
         ClientNaming naming = nullptr)
      : function_(std::move(function)),
        naming_(std::move(naming)),
        threshold_(std::move(threshold)) {}

  // Whether a record at `level` goes anywhere, for callers whose parts are costly to make.
  bool Passes(LogLevel level) const { return function_ != nullptr && level >= threshold_->level(); }

  // Joins `parts` as absl::StrCat does, only when the record passes.
  template <typename... Parts>
  void Log(LogLevel level, const LogFields& fields, const Parts&... parts) const {
    if (Passes(level)) Write(level, fields, absl::StrCat(parts...));
  }
  template <typename... Parts>
  void Log(LogLevel level, const Parts&... parts) const {
    Log(level, LogFields(), parts...);
  }

 private:
  void Write(LogLevel level, const LogFields& fields, std::string message) const;

  LogFunction function_;
  ClientNaming naming_;
  std::shared_ptr<const LogThreshold> threshold_;  // null only without a function
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_LOGGER_H_
