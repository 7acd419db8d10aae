// A database for a test, in the cluster that tests/postgres/cluster.py has started.
#ifndef TCSYNC_TESTS_POSTGRES_POSTGRES_DATABASE_H_
#define TCSYNC_TESTS_POSTGRES_POSTGRES_DATABASE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tcsync {

// Why no test can have a database, for TCSYNC_MISSING_PREREQUISITE; nullopt when there is a
// cluster: the file with its connection string is named by TCSYNC_TEST_POSTGRES_URL_FILE, which
// ctest sets.
std::optional<std::string> PostgresMissing();

// A new database with tcsync's tables, all of them empty. One thread.
class PostgresDatabase {
 public:
  // Takes 50 to 100 ms, nearly all of it for the 340 files of a database, and as long again for the
  // first one that a build of a program makes in a cluster.
  static absl::StatusOr<std::unique_ptr<PostgresDatabase>> Make();
  // Drops the database, and ends the connections to it that are left.
  ~PostgresDatabase();
  PostgresDatabase(const PostgresDatabase&) = delete;
  PostgresDatabase& operator=(const PostgresDatabase&) = delete;

  // The connection string.
  const std::string& url() const { return url_; }

 private:
  class Session;

  PostgresDatabase(std::unique_ptr<Session> session, std::string name, std::string url);

  const std::unique_ptr<Session> session_;  // to another database
  const std::string name_;
  const std::string url_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_POSTGRES_POSTGRES_DATABASE_H_
