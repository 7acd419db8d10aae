#include "replica/schema.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tcsync::replica {
namespace {

using Version = std::pair<int64_t, int64_t>;

constexpr Version kWithVersions{0, 1};
constexpr Version kLatest{0, 2};

absl::StatusOr<bool> HasColumn(Connection& connection, absl::string_view table,
                               absl::string_view column) {
  Statement statement = connection.Prepare("SELECT 1 FROM pragma_table_xinfo(?1) WHERE name = ?2");
  return statement.Bind(1, table).Bind(2, column).Step();
}

absl::StatusOr<Version> ReadVersion(Connection& connection) {
  const absl::StatusOr<bool> has_table = HasColumn(connection, "version", "major");
  if (!has_table.ok()) return has_table.status();
  if (!*has_table) return Version{0, 0};
  Statement statement = connection.Prepare("SELECT major, minor FROM version");
  const absl::StatusOr<bool> has_row = statement.Step();
  if (!has_row.ok()) return has_row.status();
  return *has_row ? Version{statement.Number(0), statement.Number(1)} : Version{0, 0};
}

// Whether it is another program's. Databases before 0.1 have no version, but some of these tables.
absl::StatusOr<bool> HasForeignTable(Connection& connection) {
  return connection
      .Prepare(
          "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE "
          "'\\'"
          " AND name NOT IN ('operations', 'sync_meta', 'tasks', 'working_set', 'version')")
      .Step();
}

// The state of 0.1 from any before it.
absl::Status UpgradeToFirst(Connection& connection) {
  absl::Status status = connection.Execute(
      "CREATE TABLE IF NOT EXISTS operations (id INTEGER PRIMARY KEY AUTOINCREMENT, data STRING);"
      "CREATE TABLE IF NOT EXISTS sync_meta (key STRING PRIMARY KEY, value STRING);"
      "CREATE TABLE IF NOT EXISTS tasks (uuid STRING PRIMARY KEY, data STRING);"
      "CREATE TABLE IF NOT EXISTS working_set (id INTEGER PRIMARY KEY, uuid STRING);"
      "CREATE TABLE IF NOT EXISTS version (singleton INTEGER PRIMARY KEY CHECK (singleton = 0),"
      " major INTEGER, minor INTEGER)");
  if (!status.ok()) return status;
  const absl::StatusOr<bool> has_synced = HasColumn(connection, "operations", "synced");
  if (!has_synced.ok()) return has_synced.status();
  if (*has_synced) return absl::OkStatus();
  return connection.Execute(
      "ALTER TABLE operations ADD COLUMN synced bool DEFAULT false;"
      "CREATE INDEX IF NOT EXISTS operations_by_synced ON operations (synced)");
}

// 0.1 wrote the paths of `uuid` in double quotes, which later releases of SQLite do not take for
// text. The column has no data of its own.
absl::Status UpgradeToSecond(Connection& connection) {
  absl::Status status = connection.Execute("DROP INDEX IF EXISTS operations_by_uuid");
  if (!status.ok()) return status;
  const absl::StatusOr<bool> has_uuid = HasColumn(connection, "operations", "uuid");
  if (!has_uuid.ok()) return has_uuid.status();
  if (*has_uuid) status = connection.Execute("ALTER TABLE operations DROP COLUMN uuid");
  if (!status.ok()) return status;
  return connection.Execute(
      "ALTER TABLE operations ADD COLUMN uuid GENERATED ALWAYS AS ("
      " coalesce(json_extract(data, '$.Update.uuid'), json_extract(data, '$.Create.uuid'),"
      " json_extract(data, '$.Delete.uuid'))) VIRTUAL;"
      "CREATE INDEX operations_by_uuid ON operations (uuid);"
      "INSERT INTO version (singleton, major, minor) VALUES (0, 0, 2)"
      " ON CONFLICT (singleton) DO UPDATE SET major = 0, minor = 2");
}

}  // namespace

absl::Status UpgradeSchema(Connection& connection) {
  absl::StatusOr<Version> version = ReadVersion(connection);
  if (!version.ok()) return version.status();
  if (version->first > kLatest.first) {
    return absl::FailedPreconditionError(
        absl::StrCat("the database ", connection.path(), " has the schema version ", version->first,
                     ".", version->second,
                     ", which a later release of Taskwarrior or tcsync has made; this one knows ",
                     kLatest.first, ".", kLatest.second, ": update tcsync"));
  }
  if (*version >= kLatest) return absl::OkStatus();
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(connection);
  if (!transaction.ok()) return transaction.status();
  // Another program may have upgraded it meanwhile.
  version = ReadVersion(connection);
  if (!version.ok()) return version.status();
  if (*version >= kLatest) return absl::OkStatus();
  absl::Status status = absl::OkStatus();
  if (*version < kWithVersions) {
    const absl::StatusOr<bool> is_foreign = HasForeignTable(connection);
    if (!is_foreign.ok()) return is_foreign.status();
    if (*is_foreign) {
      return absl::FailedPreconditionError(
          absl::StrCat("the database ", connection.path(),
                       " is not a replica's: another program has tables in it"));
    }
    status = UpgradeToFirst(connection);
  }
  if (status.ok()) status = UpgradeToSecond(connection);
  return status.ok() ? transaction->Commit() : status;
}

}  // namespace tcsync::replica
