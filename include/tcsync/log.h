// How the engine tells its host what happened: one function that the host provides.
//
// The engine opens no log file and writes to no stream by itself. Messages are one line of plain
// text, say what was wrong, with which value and what to do, and never contain a secret or a token.
// Clients appear by their pseudonyms, unless the option log-client-ids says otherwise.
//
// A message about a request begins with fields for programs, then has a colon, a space and the
// sentence for people:
//
//   status=429 reason=client-rate endpoint=add-version client=client-1a2b3c4d5e6f: This client ...
//
// A field is NAME=VALUE: the name of lower-case letters and underscores, the value of printable
// characters without a space. One space is between fields. The fields so far, in this order, each
// of which may be missing: `status` (of HTTP), `reason` (of a refusal; src/access/refusal.cc lists
// them), `endpoint`, `client`, `version`, `source` (the network address that a limit refused, and
// nothing else). More may come; their meaning stays.
#ifndef TCSYNC_LOG_H_
#define TCSYNC_LOG_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tcsync {

enum class LogLevel { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

// Receives one message, borrowed for the call. Called from any thread of the engine, from several
// at once; must not block for long and must not call the engine.
using LogFunction = std::function<void(LogLevel level, absl::string_view message)>;

// The least important level that goes anywhere. Thread-safe.
class LogThreshold {
 public:
  explicit LogThreshold(LogLevel level) : level_(level) {}

  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void Set(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 private:
  std::atomic<LogLevel> level_;
};

// A log function with a threshold. Thread-safe after construction, as far as its function is.
class Logger {
 public:
  // Drops everything.
  Logger() = default;
  // Passes messages of `threshold` and above to `function`, which may be empty.
  Logger(LogFunction function, LogLevel threshold)
      : Logger(std::move(function), std::make_shared<LogThreshold>(threshold)) {}
  Logger(LogFunction function, std::shared_ptr<const LogThreshold> threshold)
      : function_(std::move(function)), threshold_(std::move(threshold)) {}

  // Whether a message at `level` goes anywhere, for callers whose parts are costly to make.
  bool Passes(LogLevel level) const { return function_ != nullptr && level >= threshold_->level(); }

  // Joins `parts` as absl::StrCat does, only when the message passes.
  template <typename... Parts>
  void Log(LogLevel level, const Parts&... parts) const {
    if (!Passes(level)) return;
    function_(level, absl::StrCat(parts...));
  }

 private:
  LogFunction function_;
  std::shared_ptr<const LogThreshold> threshold_;  // null only without a function
};

}  // namespace tcsync

#endif  // TCSYNC_LOG_H_
