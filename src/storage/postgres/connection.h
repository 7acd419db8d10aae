// One connection to PostgreSQL: statements in, results out, until a deadline.
//
// The statements of one call are one transaction. They are sent together, in pipeline mode and
// without a BEGIN, so the server commits them when it has run the last one, or none of them after
// an error: no transaction is open while anything here is awaited, and a process that dies leaves
// none behind.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_CONNECTION_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_CONNECTION_H_

#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/postgres/statement.h"

namespace tcsync::postgres_storage {

using Deadline = std::chrono::steady_clock::time_point;

// A commit that changes nothing and takes no lock, and that is durable like any other.
inline constexpr Sql kCommitNothing{"commit_nothing",
                                    "SELECT pg_logical_emit_message(true, 'tcsync', '')"};

// Where and how to connect. Thread-safe.
class Target {
 public:
  // kInvalidArgument when libpq does not accept the connection string, of which the message repeats
  // nothing, because it may have a password.
  static absl::StatusOr<std::shared_ptr<Target>> Parse(const std::string& url);

  struct Keywords {
    std::vector<std::string> names;
    std::vector<std::string> values;
  };
  // A set of keywords for each host, as a libpq with one host takes them.
  const std::vector<Keywords>& hosts() const { return hosts_; }

  // The host that was connected to last: it is tried first.
  size_t preferred() const { return preferred_; }
  void Prefer(size_t host) { preferred_ = host; }

  // Whether statements are prepared. Off once the server turns out to lose them, as a pooler does
  // that gives each transaction another connection.
  bool prepares() const { return prepares_; }
  void StopPreparing() { prepares_ = false; }

 private:
  std::vector<Keywords> hosts_;
  std::atomic<size_t> preferred_{0};
  std::atomic<bool> prepares_{true};
};

// One thread at a time.
class Connection {
 public:
  // Tries each host, until one of them takes writes, and has committed one, on its standby as well
  // if it has to. kUnavailable: none does, in this time.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(Target& target, Deadline deadline);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Runs the statements as one transaction; the rows of each. After an error the transaction has
  // changed nothing, except after kUnknown:
  //   kUnknown            the connection was lost, or the time was over, before the server's answer
  //   kAborted            a guard failed (statements.h), or the server chose this transaction to
  //                       end a deadlock: read again, and try again
  //   kAlreadyExists      a row with that key exists
  //   kUnavailable        the server does not take writes at present; another one may
  //   kResourceExhausted, kDataLoss, kFailedPrecondition, kInternal: as in tcsync/storage.h
  absl::StatusOr<std::vector<Rows>> Run(absl::Span<const Statement> statements, Deadline deadline);

  // Whether further statements can be run.
  bool is_usable() const { return is_usable_; }

 private:
  Connection(Target& target, PGconn* connection);

  // Sets the session's settings, as far as the server has them. Whether the connection is there
  // still.
  bool SetUp(Deadline deadline);
  // Whether a commit ends.
  bool Commits(Deadline deadline);
  // Runs SQL before the pipeline mode, whatever it results in. Whether it ended.
  bool Exchange(const char* sql, Deadline deadline);
  static void TakeNotice(void* self, const PGresult* notice);
  absl::Status Send(absl::Span<const Statement> statements, std::vector<bool>& is_preparing);
  // Sends what is left to be sent; false when it was not taken in time.
  bool Flush(Deadline deadline);
  // The next result, or the end of the present statement's; false when none came in time.
  bool Next(Deadline deadline, PGresult*& result);
  absl::Status Lost(const char* doing);

  Target& target_;
  PGconn* const connection_;
  bool is_usable_ = true;
  bool was_warned_ = false;  // the server warned during the present transaction
  std::unordered_map<const Sql*, std::string> names_;  // of prepared statements
  std::unordered_set<const Sql*> prepared_;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_CONNECTION_H_
