#include "storage/postgres/sessions.h"

#include <algorithm>

#include "base/limits.h"

namespace tcsync::postgres_storage {

using Clock = std::chrono::steady_clock;

Sessions::Sessions(std::shared_ptr<Target> target, std::chrono::milliseconds wait_max,
                   const base::Logger& logger)
    : target_(std::move(target)), wait_max_(wait_max), logger_(logger) {}

bool Sessions::is_down() const {
  const std::lock_guard lock(mutex_);
  return unusable_since_ && Clock::now() - *unusable_since_ > wait_max_;
}

std::string Sessions::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

int Sessions::count() const {
  const std::lock_guard lock(mutex_);
  return lent_ + static_cast<int>(idle_.size());
}

void Sessions::NoteUsable() {
  {
    const std::lock_guard lock(mutex_);
    if (!unusable_since_) return;
    unusable_since_.reset();
    problem_.clear();
  }
  logger_.Log(LogLevel::kInfo, "the PostgreSQL server can be used again");
}

void Sessions::NoteUnusable(const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    problem_ = std::string(status.message());
    if (unusable_since_) return;
    unusable_since_ = Clock::now();
    idle_.clear();  // they led to the same server
  }
  logger_.Log(LogLevel::kError,
              "requests wait for a PostgreSQL server that takes writes: ", status.message());
}

absl::StatusOr<std::unique_ptr<Connection>> Sessions::Take(Deadline deadline) {
  if (std::unique_ptr<Connection> connection = TakeIdle(Clock::now())) return connection;
  absl::StatusOr<std::unique_ptr<Connection>> opened = Connection::Open(*target_, deadline);
  if (opened.ok()) {
    NoteUsable();
    const std::lock_guard lock(mutex_);
    ++lent_;
    return opened;
  }
  // A server that takes no further connection may go on answering on those that there are. One that
  // is gone does not keep the caller from trying the next one.
  if (std::unique_ptr<Connection> connection = TakeIdle(
          std::min(deadline, Clock::now() + std::chrono::milliseconds(base::kDatabaseRetryMs)))) {
    return connection;
  }
  NoteUnusable(opened.status());
  return opened.status();
}

std::unique_ptr<Connection> Sessions::TakeIdle(Deadline deadline) {
  std::unique_lock lock(mutex_);
  returned_.wait_until(lock, deadline, [this] { return !idle_.empty() || lent_ == 0; });
  if (idle_.empty()) return nullptr;
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  ++lent_;
  return connection;
}

void Sessions::GiveBack(std::unique_ptr<Connection> connection) {
  const bool is_usable = connection->is_usable();
  {
    const std::lock_guard lock(mutex_);
    --lent_;
    if (is_usable) {
      idle_.push_back(std::move(connection));
    } else {
      idle_.clear();  // most likely they are lost as well; each would cost another attempt
    }
  }
  returned_.notify_all();
  if (is_usable) NoteUsable();  // the server has just answered on it
}

absl::StatusOr<std::vector<Rows>> Sessions::Run(absl::Span<const Statement> statements,
                                                Deadline deadline) {
  // Without this, statements that have waited too long for their turn would be sent and abandoned
  // with their connections, and the database would be taken to be down.
  if (Clock::now() >= deadline) return absl::UnavailableError("PostgreSQL is too busy");
  absl::StatusOr<std::unique_ptr<Connection>> connection = Take(deadline);
  if (!connection.ok()) return connection.status();
  const bool prepares = target_->prepares();
  absl::StatusOr<std::vector<Rows>> rows = (*connection)->Run(statements, deadline);
  // The first statement that a pooler has lost costs no caller an attempt: some make only one.
  if (absl::IsAborted(rows.status()) && prepares && !target_->prepares()) {
    rows = (*connection)->Run(statements, deadline);
  }
  GiveBack(*std::move(connection));
  return rows;
}

absl::StatusOr<Rows> Sessions::Run(const Statement& statement, Deadline deadline) {
  absl::StatusOr<std::vector<Rows>> rows = Run(absl::MakeConstSpan(&statement, 1), deadline);
  if (!rows.ok()) return rows.status();
  return std::move(rows->front());
}

absl::Status Sessions::Confirm(Deadline deadline) {
  return Run(Statement(kCommitNothing), deadline).status();
}

void Sessions::TryAgain() {
  {
    const std::lock_guard lock(mutex_);
    if (!unusable_since_) return;
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = Take(NewDeadline());
  if (connection.ok()) GiveBack(*std::move(connection));
}

}  // namespace tcsync::postgres_storage
