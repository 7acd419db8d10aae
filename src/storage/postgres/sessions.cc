#include "storage/postgres/sessions.h"

namespace tcsync::postgres_storage {

using Clock = std::chrono::steady_clock;

namespace {

// The row is one of those that transactions change anyway (client_record.h), and seldom another
// connection's as well.
constexpr Sql kConfirm{"confirm", R"(
  UPDATE tcsync.usage SET clients = clients
  WHERE slot = pg_backend_pid() % (SELECT count(*) FROM tcsync.usage))"};

}  // namespace

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
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      ++lent_;
      return connection;
    }
  }
  absl::StatusOr<std::unique_ptr<Connection>> opened = Connection::Open(*target_, deadline);
  if (!opened.ok()) {
    NoteUnusable(opened.status());
    return opened.status();
  }
  NoteUsable();
  const std::lock_guard lock(mutex_);
  ++lent_;
  return opened;
}

void Sessions::GiveBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  --lent_;
  if (connection->is_usable() && !unusable_since_) idle_.push_back(std::move(connection));
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
  if (!(*connection)->is_usable()) {
    // The others of that server are most likely lost as well; each would cost another attempt.
    const std::lock_guard lock(mutex_);
    idle_.clear();
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
  return Run(Statement(kConfirm), deadline).status();
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
