// The connections of a storage: lent to one user at a time, replaced when they are lost, and a
// memory of whether the database answers at all.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_SESSIONS_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_SESSIONS_H_

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/logger.h"
#include "storage/postgres/connection.h"
#include "storage/postgres/statement.h"

namespace tcsync::postgres_storage {

// Thread-safe.
class Sessions {
 public:
  // Users wait for the database for at most `wait_max`.
  Sessions(std::shared_ptr<Target> target, std::chrono::milliseconds wait_max,
           const base::Logger& logger);

  Deadline NewDeadline() const { return std::chrono::steady_clock::now() + wait_max_; }

  // Whether the database has not been usable for longer than users wait. They are then refused at
  // once, except for the one whose turn it is to try.
  bool is_down() const;
  // The reason why the database is not usable; empty while it is.
  std::string problem() const;

  // As Connection::Run, on a connection of the pool. kUnavailable also when none can be had before
  // the deadline.
  absl::StatusOr<std::vector<Rows>> Run(absl::Span<const Statement> statements, Deadline deadline);
  // The same for one statement.
  absl::StatusOr<Rows> Run(const Statement& statement, Deadline deadline);

  // Commits a change of nothing, which takes as long as the server takes to make everything durable
  // that was committed before, on its standby as well. A write whose answer was lost is
  // acknowledged after this: it may be seen in a server that has not sent it to its standby.
  absl::Status Confirm(Deadline deadline);

  // Tries to connect, if the database is not usable; for a thread that does this now and then.
  void TryAgain();

  // How many connections are open, lent ones included.
  int count() const;

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Take(Deadline deadline);
  // Waits for one of those that are lent. nullptr: none is, or none came back usable in time.
  std::unique_ptr<Connection> TakeIdle(Deadline deadline);
  void GiveBack(std::unique_ptr<Connection> connection);
  void NoteUsable();
  void NoteUnusable(const absl::Status& status);

  const std::shared_ptr<Target> target_;
  const std::chrono::milliseconds wait_max_;
  const base::Logger logger_;
  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  int lent_ = 0;
  std::optional<Deadline> unusable_since_;
  std::string problem_;
};

// Whether an operation that ended like this may be tried again: it changed nothing, or repeating it
// does no harm.
inline bool MayTryAgain(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnknown ||
         status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kUnavailable;
}

// Calls `attempt` until it succeeds, fails for good, or the deadline is over. It gets the number of
// attempts whose outcome is unknown, and must be one that can be repeated: it finds what such an
// attempt has done. kDeadlineExceeded: an attempt may have changed something, and the time was
// over, or a later attempt could not find it out. kUnavailable: the time was over, and nothing was
// changed. `unknown`: of earlier attempts.
template <typename Attempt>
auto RunUntil(Deadline deadline, Attempt attempt, int unknown = 0) -> decltype(attempt(0)) {
  std::chrono::milliseconds pause{1};
  for (;;) {
    auto result = attempt(unknown);
    const absl::Status status = [&]() -> absl::Status {
      if constexpr (std::is_same_v<decltype(result), absl::Status>) {
        return result;
      } else {
        return result.status();
      }
    }();
    if (status.ok()) return result;
    if (status.code() == absl::StatusCode::kUnknown) ++unknown;
    const bool ends = !MayTryAgain(status) || std::chrono::steady_clock::now() + pause >= deadline;
    if (ends && unknown > 0) {
      return absl::DeadlineExceededError(absl::StrCat(
          "PostgreSQL's answer was lost, so that it is unknown whether the change was made; then: ",
          status.message()));
    }
    if (!MayTryAgain(status)) return result;
    if (ends) return absl::UnavailableError(status.message());
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(200));
  }
}

// Runs statements that do no harm when they are repeated, until they succeed.
template <typename Statements>
auto RunUntil(Sessions& sessions, const Statements& statements, Deadline deadline)
    -> decltype(sessions.Run(statements, deadline)) {
  return RunUntil(deadline, [&](int) { return sessions.Run(statements, deadline); });
}

// The same as the first for a write: one that an earlier attempt has made is confirmed.
template <typename Attempt>
auto RunWriteUntil(Sessions& sessions, Deadline deadline, Attempt attempt) -> decltype(attempt(0)) {
  return RunUntil(deadline, [&](int unknown) -> decltype(attempt(0)) {
    auto result = attempt(unknown);
    if (unknown > 0 && result.ok()) {
      if (absl::Status confirmed = sessions.Confirm(deadline); !confirmed.ok()) return confirmed;
    }
    return result;
  });
}

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_SESSIONS_H_
