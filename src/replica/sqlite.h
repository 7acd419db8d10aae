// SQLite, as far as a replica needs it: one connection, its statements and its transactions. Every
// failure is a status that names the database, or the release of an unsuitable SQLite.
#ifndef TCSYNC_SRC_REPLICA_SQLITE_H_
#define TCSYNC_SRC_REPLICA_SQLITE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tcsync::replica {

// A statement of a Connection, borrowed from it: one at a time for one text of SQL. Ends when it is
// destroyed. Parameters are numbered from 1, columns from 0.
class Statement {
 public:
  // Makes a statement that fails at its first step, with `error`.
  explicit Statement(absl::Status error) : error_(std::move(error)) {}
  Statement(sqlite3& database, sqlite3_stmt& statement, const std::string& name);
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // The bytes are borrowed until the statement ends.
  Statement& Bind(int parameter, absl::string_view text);
  Statement& Bind(int parameter, int64_t number);
  Statement& Bind(int parameter, const Uuid& id);

  // Whether there is a row, the next one.
  absl::StatusOr<bool> Step();
  // For a statement without rows.
  absl::Status Run();
  // After Run(), for the next binding.
  void Reset();

  // Of the row; valid until the next step. Any type is read as a text, or as a number.
  absl::string_view Text(int column) const;
  int64_t Number(int column) const;

 private:
  absl::Status error_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  const std::string* name_ = nullptr;
};

enum class OpenMode { kRead, kReadAndWrite, kCreateIfMissing };

// Not thread-safe.
class Connection {
 public:
  // `path` is ":memory:" for a database in memory.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, OpenMode mode,
                                                          int64_t busy_timeout_ms);

  // A database in memory with the content of the file at one moment. Nothing is written to the
  // file.
  static absl::StatusOr<std::unique_ptr<Connection>> CopyToMemory(const std::string& path,
                                                                  int64_t busy_timeout_ms);

  // Copies the database to a file that does not exist, as other connections see it: without what
  // this one has changed in a transaction.
  absl::Status CopyToFile(const std::string& path) const;

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // The statement for `sql`, which is a literal: it is compiled once.
  Statement Prepare(const char* sql);

  // Runs one or more statements without parameters and without rows that matter.
  absl::Status Execute(const char* sql);

  // Before a transaction begins. A statement of long ago may have expired, as by a change of the
  // schema, and would take memory to be prepared again when it is used.
  absl::Status PrepareRollback();
  // Ends the transaction, if there is one, without its changes. Needs no memory, and so can be the
  // end of a call that ran out of it.
  void Rollback() noexcept;

  // The number of rows that the last statement has changed.
  int64_t changes() const;

  const std::string& path() const { return path_; }

 private:
  explicit Connection(std::string path) : path_(std::move(path)) {}

  absl::Status CopyTo(Connection& target);

  const std::string path_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* rollback_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
};

// A transaction that is rolled back unless it is committed. At most one at a time.
class Transaction {
 public:
  // `BEGIN IMMEDIATE`: waits for other writers now, so that no later statement fails for them.
  static absl::StatusOr<Transaction> BeginWrite(Connection& connection);
  // One view of the database for several reads, beside writers.
  static absl::StatusOr<Transaction> BeginRead(Connection& connection);

  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}

  static absl::StatusOr<Transaction> Begin(Connection& connection, const char* sql);

  Connection* connection_;
};

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_SQLITE_H_
