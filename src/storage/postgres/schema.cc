#include "storage/postgres/schema.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/postgres/sessions.h"

namespace tcsync::postgres_storage {
namespace {

// Every table but two begins its key with the client ID, so that the data of one client lies
// together, and no operation's cost depends on the number of other clients.
//
// Rows of `clients` change with each version: half of a page stays free for their next forms, which
// then need no change of an index. Sealed bytes do not compress (EXTERNAL).
constexpr Sql kMakeTables[] = {
    {"schema", "CREATE SCHEMA IF NOT EXISTS tcsync"},
    {"settings", R"(CREATE TABLE IF NOT EXISTS tcsync.settings (
       name text PRIMARY KEY,
       value bytea NOT NULL))"},
    {"clients", R"(CREATE TABLE IF NOT EXISTS tcsync.clients (
       client_id uuid PRIMARY KEY,
       revision bigint NOT NULL,
       created bigint NOT NULL,
       first_number bigint NOT NULL,
       latest_number bigint NOT NULL,
       latest_version_id uuid NOT NULL,
       latest_appended bigint NOT NULL,
       history_bytes bigint NOT NULL,
       accepts_diverged boolean NOT NULL,
       snapshot_version_id uuid,
       snapshot_number bigint NOT NULL,
       snapshot_stored bigint NOT NULL,
       snapshot_bytes bigint NOT NULL,
       snapshot_upload_id uuid,
       snapshot_pieces bigint NOT NULL) WITH (fillfactor = 50))"},
    {"versions", R"(CREATE TABLE IF NOT EXISTS tcsync.versions (
       client_id uuid NOT NULL,
       number bigint NOT NULL,
       version_id uuid NOT NULL,
       parent_version_id uuid NOT NULL,
       parent_leads_here boolean NOT NULL,
       appended bigint NOT NULL,
       bytes bigint NOT NULL,
       segment bytea NOT NULL,
       upload_id uuid,
       pieces bigint NOT NULL,
       PRIMARY KEY (client_id, number)))"},
    {"versions_segment", "ALTER TABLE tcsync.versions ALTER COLUMN segment SET STORAGE EXTERNAL"},
    {"versions_by_parent", R"(CREATE UNIQUE INDEX IF NOT EXISTS versions_by_parent
       ON tcsync.versions (client_id, parent_version_id) WHERE NOT parent_leads_here)"},
    {"snapshots", R"(CREATE TABLE IF NOT EXISTS tcsync.snapshots (
       client_id uuid PRIMARY KEY,
       bytes bytea NOT NULL))"},
    {"snapshots_bytes", "ALTER TABLE tcsync.snapshots ALTER COLUMN bytes SET STORAGE EXTERNAL"},
    {"uploads", R"(CREATE TABLE IF NOT EXISTS tcsync.uploads (
       client_id uuid NOT NULL,
       upload_id uuid NOT NULL,
       last_piece timestamptz NOT NULL,
       bytes bigint NOT NULL,
       PRIMARY KEY (client_id, upload_id)))"},
    {"pieces", R"(CREATE TABLE IF NOT EXISTS tcsync.pieces (
       client_id uuid NOT NULL,
       upload_id uuid NOT NULL,
       piece bigint NOT NULL,
       bytes bytea NOT NULL,
       PRIMARY KEY (client_id, upload_id, piece)))"},
    {"pieces_bytes", "ALTER TABLE tcsync.pieces ALTER COLUMN bytes SET STORAGE EXTERNAL"},
    {"positions", R"(CREATE TABLE IF NOT EXISTS tcsync.positions (
       client_id uuid NOT NULL,
       day bigint NOT NULL,
       oldest_number bigint NOT NULL,
       PRIMARY KEY (client_id, day)))"},
    {"replicas_ahead", R"(CREATE TABLE IF NOT EXISTS tcsync.replicas_ahead (
       client_id uuid NOT NULL,
       version_id uuid NOT NULL,
       last_seen bigint NOT NULL,
       PRIMARY KEY (client_id, version_id)))"},
    {"bans", R"(CREATE TABLE IF NOT EXISTS tcsync.bans (
       client_id uuid PRIMARY KEY,
       reason bytea NOT NULL,
       since bigint NOT NULL))"},
    {"tokens", R"(CREATE TABLE IF NOT EXISTS tcsync.tokens (
       client_id uuid PRIMARY KEY,
       digest bytea NOT NULL,
       since bigint NOT NULL))"},
    {"client_devices", R"(CREATE TABLE IF NOT EXISTS tcsync.client_devices (
       client_id uuid PRIMARY KEY,
       is_gated boolean NOT NULL,
       record bytea NOT NULL))"},
    {"client_devices_gated", R"(CREATE INDEX IF NOT EXISTS client_devices_gated
       ON tcsync.client_devices (client_id) WHERE is_gated)"},
    {"invites", R"(CREATE TABLE IF NOT EXISTS tcsync.invites (
       digest bytea PRIMARY KEY,
       label bytea NOT NULL,
       created bigint NOT NULL,
       expires bigint NOT NULL,
       uses_max bigint NOT NULL,
       uses bigint NOT NULL))"},
    {"chores", R"(CREATE TABLE IF NOT EXISTS tcsync.chores (
       name text PRIMARY KEY,
       taken timestamptz NOT NULL))"},
    // The clients and their live bytes are counted in several rows, of which each transaction
    // changes one, so that transactions do not wait for each other here.
    {"usage", R"(CREATE TABLE IF NOT EXISTS tcsync.usage (
       slot bigint PRIMARY KEY,
       clients bigint NOT NULL,
       live_bytes bigint NOT NULL) WITH (fillfactor = 10))"},
    {"usage_slots", R"(INSERT INTO tcsync.usage
       SELECT slot, 0, 0 FROM generate_series(0, 15) AS slot
       ON CONFLICT (slot) DO NOTHING)"},
};
static_assert(base::kUsageSlots == 16);

constexpr absl::string_view kAllTables = "all";

// A number that no other program should lock.
constexpr Sql kLockSchema{"lock_schema", "SELECT pg_advisory_xact_lock(8316291020774727)"};
constexpr Sql kReadVersion{"read_schema_version",
                           "SELECT value FROM tcsync.settings WHERE name = 'schema_version'"};
constexpr Sql kWriteVersion{"write_schema_version", R"(
  INSERT INTO tcsync.settings VALUES ('schema_version', $1)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value)"};
constexpr Sql kReadSettings{"read_server_settings", R"(
  SELECT current_setting('server_version'), current_setting('fsync'),
         current_setting('full_page_writes'), current_setting('synchronous_commit'),
         current_setting('data_checksums'), current_setting('synchronous_standby_names'))"};
// The catalogue tells every role about tables that the role may not use.
constexpr Sql kReadRights{"read_rights", R"(
  WITH tables AS (
    SELECT c.relname::text AS name,
           has_table_privilege(c.oid, 'SELECT') AS reads,
           has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND
           has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE') AS serves
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'tcsync' AND c.relkind IN ('r', 'p'))
  SELECT quote_ident(current_user),
         coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace
                   WHERE nspname = 'tcsync'), false),
         EXISTS (SELECT FROM tables WHERE name = 'settings'),
         EXISTS (SELECT FROM tables WHERE name = 'settings' AND reads),
         (SELECT count(*) FROM tables WHERE serves),
         coalesce((SELECT string_agg(name, ', ' ORDER BY name) FROM tables WHERE NOT serves), ''))"};

absl::Status Newer(int64_t version) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the database has tables of version ", version, ", and this release knows versions up to ",
      kSchemaVersion, ": run the release of tcsync-server that made them, or a later one"));
}

// The version in the table of settings, which the role may read.
absl::StatusOr<int64_t> ReadSchemaVersion(Sessions& sessions) {
  const auto version = sessions.Run(Statement(kReadVersion), sessions.NewDeadline());
  if (!version.ok()) return version.status();
  if (version->empty()) return 0;
  int64_t number = 0;
  if (!absl::SimpleAtoi(version->BytesAt(0, 0), &number)) {
    return absl::FailedPreconditionError(
        "the database has tables in a schema named tcsync which tcsync did not make");
  }
  return number;
}

}  // namespace

absl::Status CheckReport(const DatabaseReport& report) {
  const std::optional<int64_t>& version = report.schema_version;
  if (version && *version > kSchemaVersion) return Newer(*version);
  if (version && *version < kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the database ",
        *version == 0 ? "has no tables of tcsync"
                      : absl::StrCat("has tables of version ", *version, ", and this release uses ",
                                     kSchemaVersion),
        ": run 'tcsync-server storage upgrade' with the same options, as a role that may make "
        "tables"));
  }
  if (report.forbidden_tables.empty()) return absl::OkStatus();
  const absl::string_view role = report.role;
  return absl::PermissionDeniedError(absl::StrCat(
      "the role ", role, " may not use ",
      report.forbidden_tables == kAllTables
          ? "tcsync's tables"
          : absl::StrCat("these of tcsync's tables: ", report.forbidden_tables),
      ". Their owner gives it the rights with: GRANT USAGE ON SCHEMA tcsync TO ", role,
      "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tcsync TO ", role, ";"));
}

absl::StatusOr<DatabaseReport> InspectDatabase(Sessions& sessions) {
  const std::vector<Statement> statements = {Statement(kReadSettings), Statement(kReadRights)};
  const auto read = sessions.Run(statements, sessions.NewDeadline());
  if (!read.ok()) return read.status();
  const Rows& settings = (*read)[0];
  const Rows& rights = (*read)[1];
  DatabaseReport report;
  report.role = std::string(rights.BytesAt(0, 0));
  const bool uses_schema = rights.BooleanAt(0, 1);
  const bool has_tables = rights.BooleanAt(0, 2);
  const bool reads_version = rights.BooleanAt(0, 3);
  if (!has_tables) {
    report.schema_version = 0;
  } else if (uses_schema && reads_version) {
    const absl::StatusOr<int64_t> version = ReadSchemaVersion(sessions);
    if (!version.ok()) return version.status();
    report.schema_version = *version;
  }
  if (has_tables) {
    report.forbidden_tables = !uses_schema || rights.IntegerAt(0, 4) == 0
                                  ? std::string(kAllTables)
                                  : std::string(rights.BytesAt(0, 5));
  }
  const auto setting = [&](int column) { return settings.BytesAt(0, column); };
  report.server_version = std::string(setting(0));
  for (const int column : {1, 2}) {
    if (setting(column) == "off") {
      report.warnings.push_back(absl::StrCat("the server runs with ",
                                             column == 1 ? "fsync" : "full_page_writes",
                                             "=off: a loss of power destroys its data"));
    }
  }
  const absl::string_view commit = setting(3);
  const bool has_standby = !setting(5).empty();
  if (commit == "off" || (commit == "local" && has_standby)) {
    report.warnings.push_back(
        absl::StrCat("the server runs with synchronous_commit=", commit,
                     ": a write that was acknowledged may be lost ",
                     commit == "off" ? "when it crashes" : "when its standby takes over",
                     "; it should be 'on'"));
  }
  if (setting(4) == "off") {
    report.warnings.push_back(
        "the server's data has no checksums (initdb --data-checksums, pg_checksums): damage on its "
        "disk may go unnoticed");
  }
  return report;
}

absl::StatusOr<DatabaseReport> InspectDatabase(const std::string& url) {
  const absl::StatusOr<std::shared_ptr<Target>> target = Target::Parse(url);
  if (!target.ok()) return target.status();
  Sessions sessions(*target, std::chrono::milliseconds(base::kDatabaseUpgradeMs), base::Logger());
  return InspectDatabase(sessions);
}

absl::StatusOr<DatabaseReport> UpgradeSchema(const std::string& url) {
  const absl::StatusOr<std::shared_ptr<Target>> target = Target::Parse(url);
  if (!target.ok()) return target.status();
  Sessions sessions(*target, std::chrono::milliseconds(base::kDatabaseUpgradeMs), base::Logger());
  absl::StatusOr<DatabaseReport> report = InspectDatabase(sessions);
  if (!report.ok()) return report.status();
  const std::optional<int64_t> version = report->schema_version;
  if (version && *version > kSchemaVersion) return Newer(*version);
  if (version == kSchemaVersion) return report;
  // Version 1 is the first, and had no client_devices; each statement leaves alone what is there.
  // They are not prepared, nor could they be: one makes what the next one names.
  (*target)->StopPreparing();
  std::vector<Statement> statements = {Statement(kLockSchema)};
  for (const Sql& sql : kMakeTables) statements.emplace_back(sql);
  statements.push_back(Statement(kWriteVersion).AddBytes(absl::StrCat(kSchemaVersion)));
  const auto made = sessions.Run(statements, sessions.NewDeadline());
  if (absl::IsPermissionDenied(made.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat(made.status().message(), ": the role ", report->role,
                     " may not make tcsync's tables; run this as the owner of the database"));
  }
  if (!made.ok()) return made.status();
  return InspectDatabase(sessions);
}

}  // namespace tcsync::postgres_storage
