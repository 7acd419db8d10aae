#include "storage/postgres/other_servers.h"

namespace tcsync::postgres_storage {
namespace {

constexpr Sql kReadAccessRevision{"read_access_revision", R"(
  SELECT value FROM tcsync.settings WHERE name = 'access_revision')"};
constexpr Sql kReadLatestVersions{"read_latest_versions", R"(
  SELECT client_id, latest_version_id FROM tcsync.clients WHERE client_id = ANY ($1))"};
constexpr Sql kTakeChore{"take_chore", R"(
  INSERT INTO tcsync.chores AS c (name, taken) VALUES ($1, now())
  ON CONFLICT (name) DO UPDATE SET taken = now()
    WHERE c.taken < now() - $2 * interval '1 second')"};

}  // namespace

absl::StatusOr<std::string> PostgresServers::AccessRevision() {
  const absl::StatusOr<Rows> rows =
      RunUntil(sessions_, Statement(kReadAccessRevision), sessions_.NewDeadline());
  if (!rows.ok()) return rows.status();
  return rows->empty() ? std::string() : std::string(rows->BytesAt(0, 0));
}

absl::StatusOr<std::vector<std::pair<Uuid, Uuid>>> PostgresServers::LatestVersions(
    absl::Span<const Uuid> client_ids) {
  auto ids = ArrayParameter::OfUuids(client_ids.size());
  for (const Uuid& client_id : client_ids) ids.Add(client_id);
  const absl::StatusOr<Rows> rows = RunUntil(
      sessions_, Statement(kReadLatestVersions).Add(std::move(ids)), sessions_.NewDeadline());
  if (!rows.ok()) return rows.status();
  std::vector<std::pair<Uuid, Uuid>> latest;
  for (int row = 0; row < rows->size(); ++row) {
    latest.emplace_back(rows->UuidAt(row, 0), rows->UuidAt(row, 1));
  }
  return latest;
}

absl::StatusOr<bool> PostgresServers::TakeChore(absl::string_view name, absl::Duration time) {
  const absl::StatusOr<Rows> rows = sessions_.Run(
      Statement(kTakeChore).AddText(std::string(name)).Add(absl::ToInt64Seconds(time)),
      sessions_.NewDeadline());
  if (!rows.ok()) return rows.status();
  return rows->affected() > 0;
}

}  // namespace tcsync::postgres_storage
