#include "storage/postgres/client_record.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "base/numbered_uuid.h"
#include "base/random.h"
#include "storage/version_numbers.h"

namespace tcsync::postgres_storage {
namespace {

constexpr Sql kReadRecord{"read_record", "SELECT " TCSYNC_POSTGRES_RECORD_COLUMNS
                                         " FROM tcsync.clients AS c WHERE c.client_id = $1"};
constexpr Sql kReadPlace{"read_place",
                         "SELECT " TCSYNC_POSTGRES_RECORD_COLUMNS
                         ", v.number, v.version_id FROM tcsync.clients AS c " TCSYNC_POSTGRES_CHILD
                         " WHERE c.client_id = $1"};
// Division by zero is the guard: an error ends the transaction, and is told apart from others.
constexpr Sql kReplaceClient{"replace_client", R"(
  WITH replaced AS (
    UPDATE tcsync.clients SET revision = revision + 1, created = $3, first_number = $4,
      latest_number = $5, latest_version_id = $6, latest_appended = $7, history_bytes = $8,
      accepts_diverged = $9, snapshot_version_id = $10, snapshot_number = $11,
      snapshot_stored = $12, snapshot_bytes = $13, snapshot_upload_id = $14, snapshot_pieces = $15
    WHERE client_id = $1 AND revision = $2 RETURNING 1)
  SELECT 1 / count(*) FROM replaced)"};
constexpr Sql kInsertClient{"insert_client", R"(
  WITH inserted AS (
    INSERT INTO tcsync.clients (client_id, revision, created, first_number, latest_number,
      latest_version_id, latest_appended, history_bytes, accepts_diverged, snapshot_version_id,
      snapshot_number, snapshot_stored, snapshot_bytes, snapshot_upload_id, snapshot_pieces)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (client_id) DO NOTHING RETURNING 1)
  SELECT 1 / count(*) FROM inserted)"};
constexpr Sql kRemoveClient{"remove_client", R"(
  WITH removed AS (
    DELETE FROM tcsync.clients WHERE client_id = $1 AND revision = $2 RETURNING 1)
  SELECT 1 / count(*) FROM removed)"};
constexpr Sql kChangeUsage{"change_usage", R"(
  UPDATE tcsync.usage SET clients = clients + $2, live_bytes = live_bytes + $3
  WHERE slot = $1)"};
constexpr Sql kInsertVersion{"insert_version", R"(
  INSERT INTO tcsync.versions (client_id, number, version_id, parent_version_id, parent_leads_here,
    appended, bytes, segment, upload_id, pieces)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10))"};
constexpr Sql kRemovePieces{"remove_pieces", R"(
  DELETE FROM tcsync.pieces WHERE client_id = $1 AND upload_id = $2)"};
constexpr Sql kTakeUpload{"take_upload", R"(
  WITH taken AS (
    DELETE FROM tcsync.uploads WHERE client_id = $1 AND upload_id = $2 RETURNING 1)
  SELECT 1 / count(*) FROM taken)"};
constexpr Sql kStoreSnapshot{"store_snapshot", R"(
  INSERT INTO tcsync.snapshots (client_id, bytes) VALUES ($1, $2)
  ON CONFLICT (client_id) DO UPDATE SET bytes = excluded.bytes)"};
constexpr Sql kRemoveSnapshot{"remove_snapshot",
                              "DELETE FROM tcsync.snapshots WHERE client_id = $1"};

void AddRecord(const Uuid& client_id, const ClientRecord& record, Statement& statement) {
  const std::optional<SnapshotRecord>& snapshot = record.snapshot;
  const std::optional<StoredPieces> pieces = snapshot ? snapshot->pieces : std::nullopt;
  statement.Add(client_id)
      .Add(record.revision)
      .Add(record.created_unix_seconds)
      .Add(record.first_number)
      .Add(record.latest_number)
      .Add(record.latest_version_id)
      .Add(record.latest_appended_unix_seconds)
      .Add(record.history_bytes)
      .Add(record.accepts_diverged)
      .AddOptional(snapshot ? std::optional(snapshot->version_id) : std::nullopt)
      .Add(snapshot ? snapshot->number : 0)
      .Add(snapshot ? snapshot->stored_unix_seconds : 0)
      .Add(record.snapshot_bytes())
      .AddOptional(pieces ? std::optional(pieces->upload_id) : std::nullopt)
      .Add(pieces ? pieces->count : 0);
}

void AddVersion(const Uuid& client_id, const NewVersion& version, uint64_t bytes,
                Statement& statement) {
  statement.Add(client_id)
      .Add(version.number)
      .Add(version.version_id)
      .Add(version.parent_version_id)
      .Add(LeadsTo(version.parent_version_id, version.number))
      .Add(version.appended_unix_seconds)
      .Add(bytes);
}

// Not negative, with room to count upwards.
int64_t RandomNumber() {
  const std::string random = base::RandomBytes(sizeof(int64_t));
  int64_t number = 0;
  std::memcpy(&number, random.data(), sizeof number);
  return number & ((int64_t{1} << 62) - 1);
}

}  // namespace

std::optional<SnapshotSummary> ClientRecord::Summary() const {
  if (!snapshot) return std::nullopt;
  return SnapshotSummary{.version_id = snapshot->version_id,
                         .stored_unix_seconds = snapshot->stored_unix_seconds,
                         .versions_since = latest_number - snapshot->number};
}

ClientRecord RecordAt(const Rows& rows, int row, int first_column) {
  int column = first_column;
  ClientRecord record;
  record.revision = rows.IntegerAt(row, column++);
  record.created_unix_seconds = rows.IntegerAt(row, column++);
  record.first_number = rows.CountAt(row, column++);
  record.latest_number = rows.CountAt(row, column++);
  record.latest_version_id = rows.UuidAt(row, column++);
  record.latest_appended_unix_seconds = rows.IntegerAt(row, column++);
  record.history_bytes = rows.CountAt(row, column++);
  record.accepts_diverged = rows.BooleanAt(row, column++);
  const std::optional<Uuid> snapshot_version_id = rows.OptionalUuidAt(row, column++);
  if (!snapshot_version_id) return record;
  SnapshotRecord& snapshot = record.snapshot.emplace();
  snapshot.version_id = *snapshot_version_id;
  snapshot.number = rows.CountAt(row, column++);
  snapshot.stored_unix_seconds = rows.IntegerAt(row, column++);
  snapshot.bytes = rows.CountAt(row, column++);
  snapshot.pieces = PiecesAt(rows, row, column);
  return record;
}

std::optional<StoredPieces> PiecesAt(const Rows& rows, int row, int column) {
  const std::optional<Uuid> upload_id = rows.OptionalUuidAt(row, column);
  if (!upload_id) return std::nullopt;
  return StoredPieces{.upload_id = *upload_id,
                      .count = static_cast<uint32_t>(rows.CountAt(row, column + 1))};
}

uint64_t NumberAfter(const Uuid& parent_version_id) {
  if (parent_version_id.IsNil()) return 1;
  return base::MayHaveNumber(parent_version_id) ? base::NumberHint(parent_version_id) + 1 : 0;
}

std::optional<uint64_t> Place::NumberOf(const Uuid& version_id) const {
  if (!client) return std::nullopt;
  if (version_id == client->latest_version_id) return client->latest_number;
  if (!child || child->number == client->first_number) return std::nullopt;
  return child->number - 1;
}

std::optional<uint64_t> Place::NumberOfWanted(const Uuid& version_id,
                                              uint64_t recent_versions_max) const {
  const std::optional<uint64_t> number = NumberOf(version_id);
  if (!number || client->latest_number - *number >= recent_versions_max ||
      (client->snapshot && client->snapshot->number >= *number)) {
    return std::nullopt;
  }
  return number;
}

absl::StatusOr<Place> ReadPlace(Sessions& sessions, const Uuid& client_id, const Uuid& version_id,
                                Deadline deadline) {
  const absl::StatusOr<Rows> rows = sessions.Run(
      Statement(kReadPlace).Add(client_id).Add(version_id).Add(NumberAfter(version_id)), deadline);
  if (!rows.ok()) return rows.status();
  Place place;
  if (rows->empty()) return place;
  place.client = RecordAt(*rows, 0, 0);
  if (!rows->IsNull(0, kRecordColumns)) {
    place.child = {.number = rows->CountAt(0, kRecordColumns),
                   .version_id = rows->UuidAt(0, kRecordColumns + 1)};
  }
  return place;
}

absl::StatusOr<std::optional<ClientRecord>> ReadRecord(Sessions& sessions, const Uuid& client_id,
                                                       Deadline deadline) {
  const absl::StatusOr<Rows> rows = sessions.Run(Statement(kReadRecord).Add(client_id), deadline);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::nullopt;
  return RecordAt(*rows, 0, 0);
}

Statement ReplaceClient(const Uuid& client_id, const ClientRecord& record) {
  Statement statement(kReplaceClient);
  AddRecord(client_id, record, statement);
  return statement;
}

Statement InsertClient(const Uuid& client_id, const ClientRecord& record) {
  Statement statement(kInsertClient);
  AddRecord(client_id, record, statement);
  return statement;
}

Statement RemoveClient(const Uuid& client_id, const ClientRecord& record) {
  return Statement(kRemoveClient).Add(client_id).Add(record.revision);
}

ClientRecord NewClientRecord(int64_t created_unix_seconds, const Uuid& first_parent) {
  ClientRecord record;
  record.revision = RandomNumber();
  record.created_unix_seconds = created_unix_seconds;
  record.first_number = storage::FirstNumberAfter(first_parent, 0);
  record.latest_number = record.first_number - 1;
  return record;
}

int64_t NextUsageSlot() {
  static std::atomic<uint64_t> next{static_cast<uint64_t>(RandomNumber())};
  return static_cast<int64_t>(next.fetch_add(1, std::memory_order_relaxed) % base::kUsageSlots);
}

Statement ChangeUsage(int64_t clients, int64_t live_bytes) {
  return Statement(kChangeUsage).Add(NextUsageSlot()).Add(clients).Add(live_bytes);
}

Statement InsertVersion(const Uuid& client_id, const NewVersion& version, std::string segment) {
  Statement statement(kInsertVersion);
  AddVersion(client_id, version, segment.size(), statement);
  statement.AddBytes(std::move(segment)).AddNullUuid().Add(int64_t{0});
  return statement;
}

Statement InsertVersionInPieces(const Uuid& client_id, const NewVersion& version, uint64_t bytes,
                                const StoredPieces& pieces) {
  Statement statement(kInsertVersion);
  AddVersion(client_id, version, bytes, statement);
  statement.AddBytes("").Add(pieces.upload_id).Add(pieces.count);
  return statement;
}

Statement TakeUpload(const Uuid& client_id, const Uuid& upload_id) {
  return Statement(kTakeUpload).Add(client_id).Add(upload_id);
}

void ReplaceSnapshotBytes(const Uuid& client_id, const ClientRecord& before,
                          std::optional<std::string> bytes, std::vector<Statement>& statements) {
  if (before.snapshot && before.snapshot->pieces) {
    statements.push_back(
        Statement(kRemovePieces).Add(client_id).Add(before.snapshot->pieces->upload_id));
  }
  if (bytes) {
    statements.push_back(Statement(kStoreSnapshot).Add(client_id).AddBytes(*std::move(bytes)));
  } else if (before.snapshot && !before.snapshot->pieces) {
    statements.push_back(Statement(kRemoveSnapshot).Add(client_id));
  }
}

}  // namespace tcsync::postgres_storage
