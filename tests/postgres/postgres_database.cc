// See postgres_database.h.
#include "tests/postgres/postgres_database.h"

#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/postgres/schema.h"
#include "tcsync/uuid.h"

namespace tcsync {
namespace {

// Without notices on standard error.
constexpr char kQuiet[] = " options='-c client_min_messages=warning'";
constexpr absl::Duration kEndTimeout = absl::Seconds(10);
constexpr char kVariable[] = "TCSYNC_TEST_POSTGRES_URL_FILE";

// That of the cluster, which names no database; "" without one.
std::string ClusterUrl() {
  const char* const path = std::getenv(kVariable);
  std::string url;
  if (path != nullptr) std::getline(std::ifstream(path), url);
  return url;
}

std::string UrlOf(const std::string& database) {
  return absl::StrCat(ClusterUrl(), " dbname=", database);
}

// The tables are copied from a database that has them, which takes some 20 ms less than to make
// them. It belongs to one build of a program, because another one may create other tables under the
// same version. Where there is no /proc, the version alone tells them apart.
std::string TemplateName() {
  std::error_code error;
  const auto built = std::filesystem::last_write_time("/proc/self/exe", error);
  return absl::StrCat("tcsync-template-", postgres_storage::kSchemaVersion, "-",
                      error ? 0 : built.time_since_epoch().count());
}

// Copies files: PostgreSQL's other strategy writes every page to its log.
std::string CreateStatement(const std::string& name, const std::string& source) {
  return absl::StrCat("CREATE DATABASE \"", name, "\" TEMPLATE \"", source,
                      "\" STRATEGY file_copy");
}

}  // namespace

class PostgresDatabase::Session {
 public:
  Session() : connection_(PQconnectdb(absl::StrCat(ClusterUrl(), kQuiet).c_str()), &PQfinish) {}

  // The number of rows.
  absl::StatusOr<int> Run(const std::string& statement) {
    // After a failed connect, this fails with the connection's message.
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), statement.c_str()), &PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      return absl::UnavailableError(
          absl::StrCat(statement, ": ", PQerrorMessage(connection_.get())));
    }
    return PQntuples(result.get());
  }

  // Makes the template unless it is there.
  absl::Status MakeTemplate(const std::string& name) {
    const std::string find = absl::StrCat("SELECT FROM pg_database WHERE datname = '", name, "'");
    absl::StatusOr<int> found = Run(find);
    if (!found.ok() || *found > 0) return found.status();
    // Another process may be making it. This session's locks are for nothing else.
    if (const auto locked = Run("SELECT pg_advisory_lock(1)"); !locked.ok()) return locked.status();
    found = Run(find);
    if (!found.ok()) return found.status();
    if (*found == 0) {
      if (absl::Status status = MakeLockedTemplate(name); !status.ok()) return status;
    }
    return Run("SELECT pg_advisory_unlock(1)").status();
  }

  // Ends the connections to a database. PostgreSQL would wait for their end itself, but in steps of
  // 100 ms, also for those that are just being closed.
  void EndConnections(const std::string& name) {
    const std::string end = absl::StrCat(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '", name, "'");
    const absl::Time deadline = absl::Now() + kEndTimeout;
    while (absl::Now() < deadline) {
      const absl::StatusOr<int> ended = Run(end);
      if (!ended.ok() || *ended == 0) return;
    }
  }

 private:
  // The template gets its name when it is complete: a process may be killed before.
  absl::Status MakeLockedTemplate(const std::string& name) {
    const std::string incomplete = "tcsync-template-incomplete";
    for (const std::string& statement :
         {absl::StrCat("DROP DATABASE IF EXISTS \"", incomplete, "\" WITH (FORCE)"),
          CreateStatement(incomplete, "template0")}) {
      if (const auto done = Run(statement); !done.ok()) return done.status();
    }
    if (const auto upgraded = postgres_storage::UpgradeSchema(UrlOf(incomplete)); !upgraded.ok()) {
      return upgraded.status();
    }
    EndConnections(incomplete);
    return Run(absl::StrCat("ALTER DATABASE \"", incomplete, "\" RENAME TO \"", name, "\""))
        .status();
  }

  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

std::optional<std::string> PostgresMissing() {
  if (!ClusterUrl().empty()) return std::nullopt;
  return absl::StrCat("There is no PostgreSQL for tests: ", kVariable,
                      " does not name the file `url` of tests/postgres/cluster.py.");
}

absl::StatusOr<std::unique_ptr<PostgresDatabase>> PostgresDatabase::Make() {
  if (const std::optional<std::string> missing = PostgresMissing()) {
    return absl::FailedPreconditionError(*missing);
  }
  auto session = std::make_unique<Session>();
  const std::string source = TemplateName();
  if (absl::Status status = session->MakeTemplate(source); !status.ok()) return status;
  std::string name = absl::StrCat("tcsync-", Uuid::Random().ToString());
  if (const auto created = session->Run(CreateStatement(name, source)); !created.ok()) {
    return created.status();
  }
  std::string url = UrlOf(name);
  return std::unique_ptr<PostgresDatabase>(
      new PostgresDatabase(std::move(session), std::move(name), std::move(url)));
}

PostgresDatabase::PostgresDatabase(std::unique_ptr<Session> session, std::string name,
                                   std::string url)
    : session_(std::move(session)), name_(std::move(name)), url_(std::move(url)) {}

PostgresDatabase::~PostgresDatabase() {
  session_->EndConnections(name_);
  const auto dropped =
      session_->Run(absl::StrCat("DROP DATABASE IF EXISTS \"", name_, "\" WITH (FORCE)"));
  if (!dropped.ok()) std::fprintf(stderr, "%s\n", dropped.status().ToString().c_str());
}

}  // namespace tcsync
