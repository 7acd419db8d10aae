// The record of a client, and how it is changed: read, decided on here, and written if nobody has
// changed it meanwhile. So no transaction is open while a decision is made.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_RECORD_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/limits.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/statement.h"
#include "tcsync/client_histories.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// Bytes that are stored in pieces.
struct StoredPieces {
  Uuid upload_id;
  uint32_t count = 0;
};

struct SnapshotRecord {
  Uuid version_id;
  uint64_t number = 0;  // of its version
  int64_t stored_unix_seconds = 0;
  uint64_t bytes = 0;
  std::optional<StoredPieces> pieces;
};

struct ClientRecord {
  int64_t revision = 0;  // changes with each change of the record
  int64_t created_unix_seconds = 0;
  uint64_t first_number = 1;
  uint64_t latest_number = 0;
  Uuid latest_version_id;
  int64_t latest_appended_unix_seconds = 0;
  uint64_t history_bytes = 0;
  bool accepts_diverged = false;
  std::optional<SnapshotRecord> snapshot;

  uint64_t version_count() const { return latest_number + 1 - first_number; }
  uint64_t snapshot_bytes() const { return snapshot ? snapshot->bytes : 0; }
  uint64_t live_bytes() const {
    return history_bytes + snapshot_bytes() + version_count() * base::kVersionRecordBytes +
           base::kClientRecordBytes;
  }
  std::optional<SnapshotSummary> Summary() const;
};

// The columns of a client's record, of the table `c`, in the order in which RecordAt reads them.
#define TCSYNC_POSTGRES_RECORD_COLUMNS                                              \
  "c.revision, c.created, c.first_number, c.latest_number, c.latest_version_id, "   \
  "c.latest_appended, c.history_bytes, c.accepts_diverged, c.snapshot_version_id, " \
  "c.snapshot_number, c.snapshot_stored, c.snapshot_bytes, c.snapshot_upload_id, "  \
  "c.snapshot_pieces"
inline constexpr int kRecordColumns = 14;
ClientRecord RecordAt(const Rows& rows, int row, int first_column);
// The ID of an upload, and in the column after it the number of its pieces; nullopt for bytes that
// are stored as a whole.
std::optional<StoredPieces> PiecesAt(const Rows& rows, int row, int column);

// The child of version `$2` of the client `c`: at the number $3, to which the ID of the parent
// leads, or else by the index. LIMIT 1 keeps the index from being read after the first was found.
#define TCSYNC_POSTGRES_CHILD                                                       \
  "LEFT JOIN LATERAL (SELECT * FROM tcsync.versions AS at_number "                  \
  "  WHERE at_number.client_id = c.client_id AND at_number.number = $3 "            \
  "    AND at_number.parent_version_id = $2 "                                       \
  "  UNION ALL SELECT * FROM tcsync.versions AS by_parent "                         \
  "  WHERE by_parent.client_id = c.client_id AND by_parent.parent_version_id = $2 " \
  "    AND NOT by_parent.parent_leads_here "                                        \
  "  LIMIT 1) AS v ON true"

// The number of a version to which the ID of its parent leads; 0: the ID does not say.
uint64_t NumberAfter(const Uuid& parent_version_id);
// Whether a version at that number is found by its parent's ID.
inline bool LeadsTo(const Uuid& parent_version_id, uint64_t number) {
  return NumberAfter(parent_version_id) == number;
}

struct Child {
  uint64_t number = 0;
  Uuid version_id;
};

// A client, and the place of a version in its chain, at one moment.
struct Place {
  std::optional<ClientRecord> client;
  std::optional<Child> child;  // of the version

  // nullopt for a version that is not kept.
  std::optional<uint64_t> NumberOf(const Uuid& version_id) const;
  // The version's number, if a snapshot of it is wanted: it is one of the latest, and newer than
  // the present snapshot's.
  std::optional<uint64_t> NumberOfWanted(const Uuid& version_id,
                                         uint64_t recent_versions_max) const;
  // Whether a replica at a version that is not the latest one is accepted.
  bool AcceptsDivergedAt(const Uuid& version_id) const {
    return client && client->accepts_diverged && !version_id.IsNil() && !child &&
           client->latest_version_id != version_id;
  }
};
absl::StatusOr<Place> ReadPlace(Sessions& sessions, const Uuid& client_id, const Uuid& version_id,
                                Deadline deadline);
absl::StatusOr<std::optional<ClientRecord>> ReadRecord(Sessions& sessions, const Uuid& client_id,
                                                       Deadline deadline);

// The statements that follow are guards, and the first of their transaction: unless the client's
// record is still at the record's revision (or, for InsertClient, does not exist), the transaction
// fails as kAborted.
Statement ReplaceClient(const Uuid& client_id, const ClientRecord& record);
Statement InsertClient(const Uuid& client_id, const ClientRecord& record);
Statement RemoveClient(const Uuid& client_id, const ClientRecord& record);

// The record of a client that is created, before its first version, whose parent that is. Its
// revision is random, and so not that of an earlier client with its ID.
ClientRecord NewClientRecord(int64_t created_unix_seconds, const Uuid& first_parent);

// Adds to the number of clients and of live bytes.
Statement ChangeUsage(int64_t clients, int64_t live_bytes);
int64_t NextUsageSlot();

// Adds a version whose segment is `segment` or in `pieces`.
struct NewVersion {
  uint64_t number = 0;
  Uuid version_id;
  Uuid parent_version_id;
  int64_t appended_unix_seconds = 0;
};
Statement InsertVersion(const Uuid& client_id, const NewVersion& version, std::string segment);
Statement InsertVersionInPieces(const Uuid& client_id, const NewVersion& version, uint64_t bytes,
                                const StoredPieces& pieces);
// Takes the pieces of an upload out of the register of unfinished ones: a guard.
Statement TakeUpload(const Uuid& client_id, const Uuid& upload_id);

// The statements that store the bytes of a snapshot, and remove those of the one before.
void ReplaceSnapshotBytes(const Uuid& client_id, const ClientRecord& before,
                          std::optional<std::string> bytes, std::vector<Statement>& statements);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_RECORD_H_
