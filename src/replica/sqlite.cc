#include "replica/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replica/sqlite_library.h"

namespace tcsync::replica {
namespace {

absl::StatusCode CodeOf(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
      return absl::StatusCode::kDataLoss;
    case SQLITE_NOTADB:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_IOERR:
      return absl::StatusCode::kUnknown;
    default:
      return absl::StatusCode::kInternal;
  }
}

// SQLite's message for it, which has no code of its own.
constexpr absl::string_view kMalformedJson = "malformed JSON";

// What a user can do about it.
absl::string_view RemedyOf(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another program uses it, perhaps a `task sync` that waits for the network: "
             "try again when it has ended";
    case SQLITE_CORRUPT:
      return "; the file is damaged: restore it from a copy, or move it away and sync, "
             "which brings everything back that had been synced";
    case SQLITE_NOTADB:
      return "; the file is not a database of Taskwarrior 3";
    case SQLITE_FULL:
      return "; the disk is full: make room and try again";
    default:
      return "";
  }
}

// What the operating system said, or 0. SQLite keeps it when it opens a file; otherwise it is still
// in errno, which is cleared before each step.
int SystemErrorOf(sqlite3* database, int result) {
  const int primary = result & 0xff;
  if (database == nullptr || (primary != SQLITE_CANTOPEN && primary != SQLITE_IOERR)) return 0;
  const int kept = sqlite3_system_errno(database);
  return kept != 0 ? kept : errno;
}

absl::Status Failure(sqlite3* database, int result, const std::string& path) {
  if ((result & 0xff) == SQLITE_NOMEM) throw std::bad_alloc();
  const int system_error = SystemErrorOf(database, result);
  std::string problem = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(result);
  if (system_error != 0) {
    absl::StrAppend(&problem, " (", std::generic_category().message(system_error), ")");
  }
  // SQLite calls only the first of them a full disk; the others are quotas.
  if (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG) {
    result = SQLITE_FULL;
  }
  // Of a record: only the computed column of operations reads JSON in SQL.
  if (result == SQLITE_ERROR && problem == kMalformedJson) result = SQLITE_CORRUPT;
  return absl::Status(CodeOf(result),
                      absl::StrCat("the database ", path, ": ", problem, RemedyOf(result)));
}

int FlagsOf(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return SQLITE_OPEN_READONLY;
    case OpenMode::kReadAndWrite:
      return SQLITE_OPEN_READWRITE;
    case OpenMode::kCreateIfMissing:
      break;
  }
  return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
}

}  // namespace

Statement::Statement(sqlite3& database, sqlite3_stmt& statement, const std::string& name)
    : database_(&database), statement_(&statement), name_(&name) {}

Statement::Statement(Statement&& other) noexcept
    : error_(std::move(other.error_)),
      database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      name_(other.name_) {}

Statement::~Statement() { Reset(); }

void Statement::Reset() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int parameter, absl::string_view text) {
  if (!error_.ok()) return *this;
  // Without a pointer, SQLite would bind NULL.
  const char* data = text.data() != nullptr ? text.data() : "";
  const int result =
      sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (result != SQLITE_OK) error_ = Failure(database_, result, *name_);
  return *this;
}

Statement& Statement::Bind(int parameter, int64_t number) {
  if (!error_.ok()) return *this;
  const int result = sqlite3_bind_int64(statement_, parameter, number);
  if (result != SQLITE_OK) error_ = Failure(database_, result, *name_);
  return *this;
}

Statement& Statement::Bind(int parameter, const Uuid& id) {
  if (!error_.ok()) return *this;
  const std::string text = id.ToString();
  const int result = sqlite3_bind_text64(statement_, parameter, text.data(), text.size(),
                                         SQLITE_TRANSIENT, SQLITE_UTF8);
  if (result != SQLITE_OK) error_ = Failure(database_, result, *name_);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (!error_.ok()) return error_;
  errno = 0;
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  error_ = Failure(database_, result, *name_);
  return error_;
}

absl::Status Statement::Run() {
  const absl::StatusOr<bool> stepped = Step();
  const absl::Status status = stepped.status();
  Reset();
  return status;
}

absl::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) {
    if (sqlite3_errcode(database_) == SQLITE_NOMEM) throw std::bad_alloc();
    return {};
  }
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

int64_t Statement::Number(int column) const { return sqlite3_column_int64(statement_, column); }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, OpenMode mode,
                                                             int64_t busy_timeout_ms) {
  const absl::Status status = CheckSqliteLibrary(SqliteLibrary::Loaded());
  if (!status.ok()) return status;
  std::unique_ptr<Connection> connection(new Connection(path));
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | FlagsOf(mode);
  int result = sqlite3_open_v2(path.c_str(), &connection->database_, flags, nullptr);
  if (result == SQLITE_OK) {
    const auto timeout_ms = static_cast<int>(std::clamp<int64_t>(busy_timeout_ms, 0, INT_MAX));
    result = sqlite3_busy_timeout(connection->database_, timeout_ms);
  }
  // TaskChampion before 3.0 wrote texts into the schema in double quotes, and a SQLite that is
  // built to refuse them could not upgrade it.
  if (result == SQLITE_OK) {
    result = sqlite3_db_config(connection->database_, SQLITE_DBCONFIG_DQS_DDL, 1, nullptr);
  }
  if (result != SQLITE_OK) return Failure(connection->database_, result, path);
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::CopyToMemory(const std::string& path,
                                                                     int64_t busy_timeout_ms) {
  absl::StatusOr<std::unique_ptr<Connection>> source = Open(path, OpenMode::kRead, busy_timeout_ms);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::unique_ptr<Connection>> copy =
      Open(":memory:", OpenMode::kCreateIfMissing, busy_timeout_ms);
  if (!copy.ok()) return copy.status();
  // A transaction that has read waits for other programs, as a backup alone would not.
  absl::StatusOr<Transaction> transaction = Transaction::BeginRead(**source);
  if (!transaction.ok()) return transaction.status();
  if (const absl::StatusOr<bool> row =
          (*source)->Prepare("SELECT 1 FROM sqlite_master LIMIT 1").Step();
      !row.ok()) {
    return row.status();
  }
  if (const absl::Status status = (*source)->CopyTo(**copy); !status.ok()) return status;
  return copy;
}

absl::Status Connection::CopyToFile(const std::string& path) const {
  // SQLite copies from no connection that has begun to write.
  absl::StatusOr<std::unique_ptr<Connection>> source =
      Open(path_, OpenMode::kRead, /*busy_timeout_ms=*/0);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::unique_ptr<Connection>> target =
      Open(path, OpenMode::kCreateIfMissing, /*busy_timeout_ms=*/0);
  return target.ok() ? (*source)->CopyTo(**target) : target.status();
}

absl::Status Connection::CopyTo(Connection& target) {
  errno = 0;
  sqlite3_backup* const backup = sqlite3_backup_init(target.database_, "main", database_, "main");
  if (backup == nullptr) {
    return Failure(target.database_, sqlite3_errcode(target.database_), target.path_);
  }
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return absl::OkStatus();
  return Failure(target.database_, stepped == SQLITE_DONE ? finished : stepped, target.path_);
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_finalize(rollback_);
  sqlite3_close(database_);
}

Statement Connection::Prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int result =
        sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (result != SQLITE_OK) return Statement(Failure(database_, result, path_));
  }
  return Statement(*database_, *statement, path_);
}

absl::Status Connection::Execute(const char* sql) {
  errno = 0;
  const int result = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : Failure(database_, result, path_);
}

absl::Status Connection::PrepareRollback() {
  errno = 0;
  sqlite3_finalize(std::exchange(rollback_, nullptr));
  const int result = sqlite3_prepare_v2(database_, "ROLLBACK", -1, &rollback_, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : Failure(database_, result, path_);
}

void Connection::Rollback() noexcept {
  // After some errors SQLite has rolled it back itself.
  if (sqlite3_get_autocommit(database_) != 0) return;
  sqlite3_step(rollback_);
  sqlite3_reset(rollback_);
}

int64_t Connection::changes() const { return sqlite3_changes64(database_); }

absl::StatusOr<Transaction> Transaction::BeginWrite(Connection& connection) {
  return Begin(connection, "BEGIN IMMEDIATE");
}

absl::StatusOr<Transaction> Transaction::BeginRead(Connection& connection) {
  return Begin(connection, "BEGIN");
}

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection, const char* sql) {
  absl::Status status = connection.PrepareRollback();
  if (status.ok()) status = connection.Execute(sql);
  if (!status.ok()) return status;
  return Transaction(connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  if (connection_ != nullptr) connection_->Rollback();
}

absl::Status Transaction::Commit() {
  const absl::Status status = connection_->Execute("COMMIT");
  if (status.ok()) connection_ = nullptr;
  return status;
}

}  // namespace tcsync::replica
