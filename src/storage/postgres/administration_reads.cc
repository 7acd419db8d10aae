#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/chain_notes.h"
#include "storage/postgres/access.h"
#include "storage/postgres/administration.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/devices.h"
#include "storage/postgres/uploads.h"

namespace tcsync::postgres_storage {
namespace {

constexpr int64_t kSecondsOfDay = 86'400;
constexpr int64_t kVersionsPerPage = 1000;

// A client in the columns that SummaryAt reads.
#define TCSYNC_POSTGRES_SUMMARY                                                     \
  "SELECT c.client_id, " TCSYNC_POSTGRES_RECORD_COLUMNS                             \
  ", (SELECT max(day) FROM tcsync.positions AS p WHERE p.client_id = c.client_id) " \
  "FROM tcsync.clients AS c "
constexpr Sql kListClients{"list_clients", TCSYNC_POSTGRES_SUMMARY "ORDER BY c.client_id LIMIT $1"};
constexpr Sql kListClientsAfter{"list_clients_after", TCSYNC_POSTGRES_SUMMARY
                                "WHERE c.client_id > $2 ORDER BY c.client_id LIMIT $1"};
constexpr Sql kFindClient{"find_client", TCSYNC_POSTGRES_SUMMARY "WHERE c.client_id = $1"};
constexpr Sql kReadAhead{"read_ahead", R"(
  SELECT client_id, version_id, last_seen FROM tcsync.replicas_ahead
  WHERE client_id = ANY ($1) ORDER BY client_id, last_seen DESC, version_id)"};
// The running sum is over the lengths alone, so that no segment is read in vain.
constexpr Sql kReadVersions{"read_versions", R"(
  SELECT v.number, v.version_id, v.parent_version_id, v.appended, v.bytes, v.segment, v.upload_id,
         v.pieces
  FROM (
    SELECT number, sum(bytes) OVER (ORDER BY number) AS total, row_number() OVER (ORDER BY number)
             AS place
    FROM (SELECT number, bytes FROM tcsync.versions WHERE client_id = $1 AND number > $2
          ORDER BY number LIMIT $4) AS lengths
  ) AS page
  JOIN tcsync.versions AS v ON v.client_id = $1 AND v.number = page.number
  WHERE page.place = 1 OR page.total <= $3
  ORDER BY v.number)"};
constexpr Sql kListVersions{"list_versions", R"(
  SELECT number, version_id, parent_version_id, appended, bytes FROM tcsync.versions
  WHERE client_id = $1 AND number > $2 ORDER BY number LIMIT $3)"};
constexpr Sql kReadPositions{"read_positions", R"(
  SELECT day, oldest_number FROM tcsync.positions WHERE client_id = $1 AND day >= $2 ORDER BY day)"};
constexpr Sql kReadDatabaseSize{"read_database_size", R"(
  SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'tcsync' AND c.relkind = 'r')"};
// A page of a chain as it is stored. The lengths are those of the bytes themselves, all of which
// are read for the sum of their hash.
constexpr Sql kCheckVersions{"check_versions", R"(
  SELECT v.number, v.version_id, v.parent_version_id, v.parent_leads_here, v.bytes, v.pieces,
         length(v.segment), sha256(v.segment) IS NOT NULL, v.upload_id
  FROM tcsync.versions AS v WHERE v.client_id = $1 AND v.number > $2 ORDER BY v.number LIMIT $3)"};
constexpr Sql kCheckPieces{"check_pieces", R"(
  SELECT count(*), coalesce(sum(length(bytes)), 0)::bigint, coalesce(max(piece) + 1, 0)::bigint,
         count(sha256(bytes))
  FROM tcsync.pieces WHERE client_id = $1 AND upload_id = $2)"};
constexpr Sql kCheckSnapshot{"check_snapshot", R"(
  SELECT length(bytes), sha256(bytes) IS NOT NULL FROM tcsync.snapshots WHERE client_id = $1)"};

ClientSummary SummaryAt(const Rows& rows, int row) {
  const ClientRecord record = RecordAt(rows, row, 1);
  ClientSummary summary{.client_id = rows.UuidAt(row, 0),
                        .created_unix_seconds = record.created_unix_seconds,
                        .first_number = record.first_number,
                        .latest_number = record.latest_number,
                        .latest_version_id = record.latest_version_id,
                        .latest_appended_unix_seconds = record.latest_appended_unix_seconds,
                        .history_bytes = record.history_bytes,
                        .snapshot = record.Summary(),
                        .snapshot_number = record.snapshot ? record.snapshot->number : 0,
                        .snapshot_bytes = record.snapshot_bytes(),
                        .replicas_ahead = {},
                        .accepts_diverged = record.accepts_diverged};
  const int last_day = 1 + kRecordColumns;
  if (!rows.IsNull(row, last_day)) {
    summary.last_seen_unix_seconds = rows.IntegerAt(row, last_day) * kSecondsOfDay;
  }
  return summary;
}

// The walk of VerifyChain.
class ChainCheck {
 public:
  ChainCheck(const Core& core, const Uuid& client_id) : core_(core), client_id_(client_id) {}

  absl::StatusOr<ChainReport> Run() {
    const absl::StatusOr<std::optional<ClientRecord>> client = RunUntil(
        core_.sessions.NewDeadline(),
        [&](int) { return ReadRecord(core_.sessions, client_id_, core_.sessions.NewDeadline()); });
    if (!client.ok()) return client.status();
    if (!client->has_value()) return absl::NotFoundError("there is no such client");
    client_ = **client;
    if (absl::Status status = CheckVersions(); !status.ok()) return status;
    if (absl::Status status = CheckSnapshot(); !status.ok()) return status;
    return std::move(report_);
  }

 private:
  absl::StatusOr<Rows> Read(const Statement& statement) {
    const Deadline deadline = core_.sessions.NewDeadline();
    return RunUntil(core_.sessions, statement, deadline);
  }

  void AddProblem(std::string problem) {
    if (report_.problems.size() < base::kChainProblemsMax) {
      report_.problems.push_back(std::move(problem));
    }
  }

  // Versions that come meanwhile are not looked at.
  absl::Status CheckVersions() {
    uint64_t next = client_.first_number;
    Uuid parent;
    uint64_t bytes = 0;
    while (next <= client_.latest_number) {
      const absl::StatusOr<Rows> rows =
          Read(Statement(kCheckVersions).Add(client_id_).Add(next - 1).Add(kVersionsPerPage));
      if (!rows.ok()) return rows.status();
      if (rows->empty() || rows->CountAt(0, 0) > client_.latest_number) break;
      for (int row = 0; row < rows->size() && next <= client_.latest_number; ++row) {
        const uint64_t number = rows->CountAt(row, 0);
        if (number > client_.latest_number) break;
        if (number != next) {
          AddProblem(absl::StrCat(
              "version ", next,
              number == next + 1 ? std::string(" is") : absl::StrCat(" to ", number - 1, " are"),
              " missing"));
        } else if (number > client_.first_number && rows->UuidAt(row, 2) != parent) {
          AddProblem(
              absl::StrCat("the parent of version ", number, " is not the version before it"));
        }
        if (number == client_.first_number) first_parent_ = rows->UuidAt(row, 2);
        if (rows->BooleanAt(row, 3) != LeadsTo(rows->UuidAt(row, 2), number)) {
          AddProblem(absl::StrCat("version ", number, " is not where its parent's ID leads to"));
        }
        parent = rows->UuidAt(row, 1);
        const uint64_t counted = rows->CountAt(row, 4);
        bytes += counted;
        if (absl::Status status =
                CheckBytes(absl::StrCat("version ", number), counted, rows->CountAt(row, 6),
                           rows->OptionalUuidAt(row, 8), rows->CountAt(row, 5));
            !status.ok()) {
          return status;
        }
        ++report_.versions;
        next = number + 1;
      }
    }
    if (next != client_.latest_number + 1) {
      AddProblem(absl::StrCat("versions ", next, " to ", client_.latest_number, " are missing"));
    } else if (parent != client_.latest_version_id) {
      AddProblem("the latest version is not the one in the client's record");
    }
    if (report_.problems.empty() && bytes != client_.history_bytes) {
      AddProblem(absl::StrCat("the segments have ", bytes, " bytes, and ", client_.history_bytes,
                              " were counted"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckBytes(const std::string& name, uint64_t counted, uint64_t whole_bytes,
                          const std::optional<Uuid>& upload_id, uint64_t pieces) {
    uint64_t found = whole_bytes;
    if (upload_id) {
      const absl::StatusOr<Rows> rows =
          Read(Statement(kCheckPieces).Add(client_id_).Add(*upload_id));
      if (!rows.ok()) return rows.status();
      if (rows->CountAt(0, 0) != pieces || rows->CountAt(0, 2) != pieces) {
        AddProblem(absl::StrCat(name, " has ", rows->CountAt(0, 0), " of its ", pieces, " pieces"));
        return absl::OkStatus();
      }
      found = rows->CountAt(0, 1);
    }
    if (found != counted) {
      AddProblem(absl::StrCat(name, " has ", found, " bytes, and ", counted, " were counted"));
    } else {
      report_.bytes += found;
    }
    return absl::OkStatus();
  }

  absl::Status CheckSnapshot() {
    if (!client_.snapshot) {
      if (!first_parent_.IsNil()) {
        report_.new_replica_cannot_start = true;
        report_.notes.push_back(
            storage::CannotStartNote(absl::StrCat("version ", client_.first_number)));
      }
      return absl::OkStatus();
    }
    const SnapshotRecord& snapshot = *client_.snapshot;
    uint64_t whole_bytes = 0;
    if (!snapshot.pieces) {
      const absl::StatusOr<Rows> rows = Read(Statement(kCheckSnapshot).Add(client_id_));
      if (!rows.ok()) return rows.status();
      if (rows->empty()) {
        AddProblem("the snapshot's bytes are missing");
        return absl::OkStatus();
      }
      whole_bytes = rows->CountAt(0, 0);
    }
    return CheckBytes("the snapshot", snapshot.bytes, whole_bytes,
                      snapshot.pieces ? std::optional(snapshot.pieces->upload_id) : std::nullopt,
                      snapshot.pieces ? snapshot.pieces->count : 0);
  }

  const Core& core_;
  const Uuid client_id_;
  ClientRecord client_;
  Uuid first_parent_;
  ChainReport report_;
};

}  // namespace

absl::StatusOr<std::vector<ClientSummary>> PostgresAdministration::ReadSummaries(
    const Statement& statement) {
  if (const absl::Status flushed = core_.notes.Flush(); !flushed.ok()) return flushed;
  const Deadline deadline = core_.sessions.NewDeadline();
  const absl::StatusOr<Rows> rows = RunUntil(core_.sessions, statement, deadline);
  if (!rows.ok()) return rows.status();
  std::vector<ClientSummary> clients;
  auto ids = ArrayParameter::OfUuids(static_cast<size_t>(rows->size()));
  for (int row = 0; row < rows->size(); ++row) {
    clients.push_back(SummaryAt(*rows, row));
    ids.Add(clients.back().client_id);
  }
  if (clients.empty()) return clients;
  const Statement read_ahead = Statement(kReadAhead).Add(std::move(ids));
  const absl::StatusOr<Rows> ahead = RunUntil(core_.sessions, read_ahead, deadline);
  if (!ahead.ok()) return ahead.status();
  auto client = clients.begin();
  for (int row = 0; row < ahead->size(); ++row) {
    const Uuid client_id = ahead->UuidAt(row, 0);
    while (client != clients.end() && client->client_id != client_id) ++client;
    if (client == clients.end()) break;
    client->replicas_ahead.push_back(
        {.version_id = ahead->UuidAt(row, 1), .last_seen_unix_seconds = ahead->IntegerAt(row, 2)});
  }
  return clients;
}

absl::StatusOr<std::vector<ClientSummary>> PostgresAdministration::ListClients(
    const std::optional<Uuid>& after, size_t limit) {
  if (limit == 0) return std::vector<ClientSummary>();
  Statement statement(after ? kListClientsAfter : kListClients);
  statement.Add(uint64_t{limit});
  if (after) statement.Add(*after);
  return ReadSummaries(statement);
}

absl::StatusOr<std::optional<ClientSummary>> PostgresAdministration::FindClient(
    const Uuid& client_id) {
  absl::StatusOr<std::vector<ClientSummary>> found =
      ReadSummaries(Statement(kFindClient).Add(client_id));
  if (!found.ok()) return found.status();
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

absl::StatusOr<std::vector<StoredVersion>> PostgresAdministration::ReadVersions(
    const Uuid& client_id, uint64_t after_number, uint64_t bytes_max) {
  const Deadline deadline = core_.sessions.NewDeadline();
  // One that is larger than any integer of PostgreSQL means the same as the largest.
  const uint64_t largest = std::numeric_limits<int64_t>::max();
  const Statement statement = Statement(kReadVersions)
                                  .Add(client_id)
                                  .Add(std::min(after_number, largest))
                                  .Add(std::min(bytes_max, largest))
                                  .Add(kVersionsPerPage);
  const absl::StatusOr<Rows> rows = RunUntil(core_.sessions, statement, deadline);
  if (!rows.ok()) return rows.status();
  std::vector<StoredVersion> versions;
  for (int row = 0; row < rows->size(); ++row) {
    StoredVersion stored{.number = rows->CountAt(row, 0),
                         .appended_unix_seconds = rows->IntegerAt(row, 3),
                         .version = {.version_id = rows->UuidAt(row, 1),
                                     .parent_version_id = rows->UuidAt(row, 2),
                                     .segment = std::string(rows->BytesAt(row, 5))}};
    if (const auto pieces = PiecesAt(*rows, row, 6)) {
      stored.version.pieces = OpenStoredPieces(core_, client_id, rows->CountAt(row, 4), *pieces);
    } else if (stored.version.segment.size() != rows->CountAt(row, 4)) {
      return absl::DataLossError(absl::StrCat("the segment of version ", stored.number,
                                              " has another length than was stored"));
    }
    versions.push_back(std::move(stored));
  }
  return versions;
}

absl::StatusOr<std::vector<VersionSummary>> PostgresAdministration::ListVersions(
    const Uuid& client_id, uint64_t after_number, size_t limit) {
  const Deadline deadline = core_.sessions.NewDeadline();
  const uint64_t largest = std::numeric_limits<int64_t>::max();
  const Statement statement = Statement(kListVersions)
                                  .Add(client_id)
                                  .Add(std::min(after_number, largest))
                                  .Add(uint64_t{limit});
  const absl::StatusOr<Rows> rows = RunUntil(core_.sessions, statement, deadline);
  if (!rows.ok()) return rows.status();
  std::vector<VersionSummary> versions;
  for (int row = 0; row < rows->size(); ++row) {
    versions.push_back({.number = rows->CountAt(row, 0),
                        .version_id = rows->UuidAt(row, 1),
                        .parent_version_id = rows->UuidAt(row, 2),
                        .appended_unix_seconds = rows->IntegerAt(row, 3),
                        .bytes = rows->CountAt(row, 4)});
  }
  return versions;
}

absl::StatusOr<std::vector<ReplicaPosition>> PostgresAdministration::ReadPositions(
    const Uuid& client_id, int64_t since_unix_seconds) {
  if (const absl::Status flushed = core_.notes.Flush(); !flushed.ok()) return flushed;
  const Deadline deadline = core_.sessions.NewDeadline();
  const Statement statement = Statement(kReadPositions)
                                  .Add(client_id)
                                  .Add(std::max<int64_t>(since_unix_seconds, 0) / kSecondsOfDay);
  const absl::StatusOr<Rows> rows = RunUntil(core_.sessions, statement, deadline);
  if (!rows.ok()) return rows.status();
  std::vector<ReplicaPosition> positions;
  for (int row = 0; row < rows->size(); ++row) {
    positions.push_back({.day_unix_seconds = rows->IntegerAt(row, 0) * kSecondsOfDay,
                         .oldest_number = rows->CountAt(row, 1)});
  }
  return positions;
}

absl::StatusOr<StorageStats> PostgresAdministration::ReadStats() {
  const Deadline deadline = core_.sessions.NewDeadline();
  const absl::Status refreshed = core_.usage.Refresh(deadline);
  if (!refreshed.ok()) return refreshed;
  const absl::StatusOr<Rows> size =
      RunUntil(core_.sessions, Statement(kReadDatabaseSize), deadline);
  if (!size.ok()) return size.status();
  StorageStats stats;
  stats.makes_backups = false;
  stats.clients = core_.usage.clients();
  stats.live_bytes = core_.usage.live_bytes();
  stats.bytes_on_disk = size->CountAt(0, 0);
  const Appender::Figures queued = queued_();
  stats.queued_writes = queued.writes;
  stats.queued_bytes = queued.bytes;
  stats.backend = {{"postgres_connections", static_cast<double>(core_.sessions.count())}};
  return stats;
}

absl::StatusOr<ChainReport> PostgresAdministration::VerifyChain(const Uuid& client_id) {
  absl::StatusOr<ChainReport> report = ChainCheck(core_, client_id).Run();
  if (!report.ok()) return report;
  const absl::StatusOr<std::optional<ClientSummary>> client = FindClient(client_id);
  if (!client.ok()) return client.status();
  if (client->has_value() && !(*client)->replicas_ahead.empty()) {
    report->notes.push_back(storage::ReplicasAheadNote((*client)->replicas_ahead.size()));
  }
  return report;
}

// The files are PostgreSQL's, whose checksums it checks at each read if its cluster has them.
absl::Status PostgresAdministration::VerifyFiles(Progress) { return absl::OkStatus(); }

absl::StatusOr<CompactionReport> PostgresAdministration::Compact(const CompactionRequest&,
                                                                 CompactionProgress) {
  return absl::UnimplementedError(
      "PostgreSQL gives space back by itself (autovacuum); VACUUM FULL of the tables in the schema "
      "tcsync gives it back to the disk, and writes wait meanwhile");
}

absl::StatusOr<BackupInfo> PostgresAdministration::Backup(const BackupRequest&, Progress) {
  return absl::UnimplementedError(
      "a storage in PostgreSQL is backed up by PostgreSQL's own programs, such as pg_basebackup, "
      "pgBackRest or pg_dump; docs/cluster.md has a recipe");
}

absl::StatusOr<AccessRecords> PostgresAdministration::ReadAccessRecords() {
  return postgres_storage::ReadAccessRecords(core_.sessions);
}

absl::Status PostgresAdministration::ChangeAccess(const AccessChange& change) {
  return postgres_storage::ChangeAccess(core_.sessions, change);
}

absl::StatusOr<std::vector<DeviceGate>> PostgresAdministration::ReadDeviceGates() {
  return postgres_storage::ReadDeviceGates(core_.sessions);
}

absl::StatusOr<DeviceState> PostgresAdministration::ReadDevices(const Uuid& client_id) {
  return postgres_storage::ReadDevices(core_.sessions, client_id);
}

absl::Status PostgresAdministration::ChangeDevices(const Uuid& client_id, bool /*may_use_reserve*/,
                                                   DecideDevices decide) {
  return postgres_storage::ChangeDevices(core_.sessions, client_id, decide);
}

absl::StatusOr<std::string> PostgresAdministration::PseudonymKey() {
  return postgres_storage::PseudonymKey(core_.sessions);
}

}  // namespace tcsync::postgres_storage
