#include "storage/postgres/history_removal.h"

namespace tcsync::postgres_storage {
namespace {

constexpr Sql kRemoveVersions{"remove_versions",
                              "DELETE FROM tcsync.versions WHERE client_id = $1"};
// The pieces of unfinished uploads stay.
constexpr Sql kRemoveStoredPieces{"remove_stored_pieces", R"(
  DELETE FROM tcsync.pieces WHERE client_id = $1 AND upload_id NOT IN (
    SELECT upload_id FROM tcsync.uploads WHERE client_id = $1))"};
constexpr Sql kRemoveSnapshotBytes{"remove_snapshot_bytes",
                                   "DELETE FROM tcsync.snapshots WHERE client_id = $1"};
constexpr Sql kRemovePositions{"remove_positions",
                               "DELETE FROM tcsync.positions WHERE client_id = $1"};
constexpr Sql kRemoveReplicasAhead{"remove_replicas_ahead",
                                   "DELETE FROM tcsync.replicas_ahead WHERE client_id = $1"};
// An upload that is stored at this moment has left the register: its pieces stay.
constexpr Sql kRemoveUploads{"remove_uploads", R"(
  WITH removed AS (
    DELETE FROM tcsync.uploads WHERE client_id = $1 RETURNING client_id, upload_id)
  DELETE FROM tcsync.pieces AS p USING removed AS r
  WHERE p.client_id = r.client_id AND p.upload_id = r.upload_id)"};
constexpr Sql kRemoveVersionRange{"remove_version_range", R"(
  WITH removed AS (
    DELETE FROM tcsync.versions WHERE client_id = $1 AND number BETWEEN $2 AND $3
    RETURNING upload_id)
  DELETE FROM tcsync.pieces WHERE client_id = $1 AND upload_id IN (
    SELECT upload_id FROM removed WHERE upload_id IS NOT NULL))"};
constexpr Sql kReadBytesOfRange{"read_bytes_of_range", R"(
  SELECT coalesce(sum(bytes), 0)::bigint FROM tcsync.versions
  WHERE client_id = $1 AND number BETWEEN $2 AND $3)"};
constexpr Sql kReadAppendedAt{"read_appended_at", R"(
  SELECT appended FROM tcsync.versions WHERE client_id = $1 AND number = $2)"};
constexpr Sql kLowerPositions{"lower_positions", R"(
  UPDATE tcsync.positions SET oldest_number = $2 WHERE client_id = $1 AND oldest_number > $2)"};

}  // namespace

void RemoveHistory(const Uuid& client_id, std::vector<Statement>& statements) {
  for (const Sql* const sql : {&kRemoveVersions, &kRemoveStoredPieces, &kRemoveSnapshotBytes,
                               &kRemovePositions, &kRemoveReplicasAhead}) {
    statements.push_back(Statement(*sql).Add(client_id));
  }
}

void RemoveUploads(const Uuid& client_id, std::vector<Statement>& statements) {
  statements.push_back(Statement(kRemoveUploads).Add(client_id));
}

Statement RemoveVersionRange(const Uuid& client_id, uint64_t first_number, uint64_t last_number) {
  return Statement(kRemoveVersionRange).Add(client_id).Add(first_number).Add(last_number);
}

absl::StatusOr<uint64_t> BytesOfRange(Sessions& sessions, const Uuid& client_id,
                                      uint64_t first_number, uint64_t last_number,
                                      Deadline deadline) {
  const absl::StatusOr<Rows> rows = sessions.Run(
      Statement(kReadBytesOfRange).Add(client_id).Add(first_number).Add(last_number), deadline);
  if (!rows.ok()) return rows.status();
  return rows->CountAt(0, 0);
}

absl::StatusOr<int64_t> AppendedAt(Sessions& sessions, const Uuid& client_id, uint64_t number,
                                   Deadline deadline) {
  const absl::StatusOr<Rows> rows =
      sessions.Run(Statement(kReadAppendedAt).Add(client_id).Add(number), deadline);
  if (!rows.ok()) return rows.status();
  return rows->empty() ? 0 : rows->IntegerAt(0, 0);
}

Statement LowerPositions(const Uuid& client_id, uint64_t number) {
  return Statement(kLowerPositions).Add(client_id).Add(number);
}

}  // namespace tcsync::postgres_storage
