// The histories of clients, for those who look after them: looked at, moved, shortened, removed and
// checked.
//
// Work over all clients comes in pages, so that memory stays bounded and a caller can show how far
// it is.
// Everything here blocks, some of it for minutes, and belongs on a thread that nobody waits for. An
// absl::Status is what went wrong in storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_CLIENT_HISTORIES_H_
#define TCSYNC_CLIENT_HISTORIES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync {

// A replica that asked for the child of a version which this storage does not have, as replicas do
// after an older backup was restored.
struct ReplicaAhead {
  Uuid version_id;  // where the replica is
  int64_t last_seen_unix_seconds = 0;
};

// One client, without its segments.
struct ClientSummary {
  Uuid client_id;
  int64_t created_unix_seconds = 0;
  int64_t last_seen_unix_seconds = 0;  // when a replica last ended a sync, to the day; 0: unknown
  uint64_t first_number = 1;           // of the oldest version that is kept; numbers begin at 1
  uint64_t latest_number = 0;          // of the latest version
  Uuid latest_version_id;
  int64_t latest_appended_unix_seconds = 0;
  uint64_t history_bytes = 0;  // of the segments that are kept
  std::optional<SnapshotSummary> snapshot;
  uint64_t snapshot_number = 0;  // of the snapshot's version, or `first_number` - 1
  uint64_t snapshot_bytes = 0;
  std::vector<ReplicaAhead> replicas_ahead;  // a few of them, the latest seen first
  bool accepts_diverged = false;             // AcceptDiverged is in force
  // What is wrong with the client's records, so that nothing but its ID can be told here; empty
  // when they can be read. VerifyChain says more.
  std::string problem = {};

  uint64_t version_count() const { return latest_number + 1 - first_number; }
};

// A version with what storage knows of it beside.
struct StoredVersion {
  uint64_t number = 0;
  int64_t appended_unix_seconds = 0;
  Version version;
  // To import: in place of the version's segment, an upload of its client. No other copy of this
  // may be left when it is imported.
  std::shared_ptr<Upload> upload = nullptr;

  uint64_t segment_bytes() const {
    return upload != nullptr ? upload->bytes() : version.segment_bytes();
  }
};

// A version without its segment.
struct VersionSummary {
  uint64_t number = 0;
  Uuid version_id;
  Uuid parent_version_id;
  int64_t appended_unix_seconds = 0;
  uint64_t bytes = 0;  // of its segment; 0 where early releases did not count them
};

// Where replicas ended their syncs on one day: the oldest of those versions.
struct ReplicaPosition {
  int64_t day_unix_seconds = 0;  // the day's first second
  uint64_t oldest_number = 0;
};

// A part of one client's history, as another server kept it.
struct ImportRequest {
  Uuid client_id;
  int64_t created_unix_seconds = 0;     // used when this creates the client
  std::vector<StoredVersion> versions;  // in the chain's order; numbers are not used
  struct ImportedSnapshot {
    Snapshot snapshot;
    int64_t stored_unix_seconds = 0;
    std::shared_ptr<Upload> upload = nullptr;  // in place of the snapshot's bytes
  };
  // Of a version that is kept or that came with this or an earlier part, or of the one right before
  // the first of them, from which the chain can be followed as well.
  std::optional<ImportedSnapshot> snapshot;
  // What the other server knew of the client's replicas.
  struct ImportedReplicas {
    struct Position {
      int64_t day_unix_seconds = 0;
      Uuid version_id;  // one that is not here is passed over
    };
    std::vector<Position> positions;
    std::vector<ReplicaAhead> ahead;
    bool accepts_diverged = false;
  };
  std::optional<ImportedReplicas> replicas = std::nullopt;
  // Whether `replicas` comes with a later part. Of a client that is created without them, nobody
  // knows where its replicas are: as if one had been seen at `now_unix_seconds` at the oldest
  // version, so that retention does not strand it.
  bool replicas_follow = false;
  int64_t now_unix_seconds = 0;
};
struct Imported {
  uint64_t versions_added = 0;
  uint64_t versions_present = 0;  // were here already, with the same IDs
  bool snapshot_stored = false;   // false also when the one here is as new
};
// The part does not continue the chain that is here: nothing was stored.
struct DoesNotContinue {
  Uuid latest_version_id;  // here
  Uuid first_version_id;   // of the part that does not fit
  Uuid parent_version_id;  // its parent
};
using ImportOutcome = std::variant<Imported, DoesNotContinue>;

// Takes the end off one client's history.
struct RewindRequest {
  Uuid client_id;
  Uuid version_id = {};  // the one that becomes the latest
  // What the caller knows of the client, so that nothing is removed that it has not seen.
  Uuid latest_version_id = {};
  std::optional<Uuid> snapshot_version_id = std::nullopt;
  // Removes the snapshot as well where it would stay. One of a removed version goes in any case.
  bool remove_snapshot = false;
};
struct Rewound {
  uint64_t versions_removed = 0;
  uint64_t bytes_removed = 0;  // of their segments, and of the snapshot
  bool snapshot_removed = false;
};

// What one walk along a client's chain found, in sentences.
struct ChainReport {
  uint64_t versions = 0;
  uint64_t bytes = 0;  // read and found intact, segments and snapshot
  // Damage: what no client can bring about. Empty: linear, complete and intact.
  std::vector<std::string> problems;
  // Information: states that are worth knowing, and that any client may bring about by what the
  // protocol allows it. No damage, however odd.
  std::vector<std::string> notes;
  // The client has no snapshot to go on from and its first versions are not here, so that a new
  // computer could not start. Also among the notes.
  bool new_replica_cannot_start = false;
};

// Thread-safe.
class ClientHistories {
 public:
  virtual ~ClientHistories() = default;

  // Clients in the order of their IDs, at most `limit`, those after `after`.
  virtual absl::StatusOr<std::vector<ClientSummary>> ListClients(const std::optional<Uuid>& after,
                                                                 size_t limit) = 0;
  // nullopt: there is no such client.
  virtual absl::StatusOr<std::optional<ClientSummary>> FindClient(const Uuid& client_id) = 0;

  // Versions with a number over `after_number`, in order: at least one if there is one, then as
  // many as `bytes_max` bytes of segments hold. A segment that is stored in pieces comes as such.
  // Empty at the end and for no such client.
  virtual absl::StatusOr<std::vector<StoredVersion>> ReadVersions(const Uuid& client_id,
                                                                  uint64_t after_number,
                                                                  uint64_t bytes_max) = 0;

  // Days on which replicas were seen since `since_unix_seconds`, the earliest first.
  virtual absl::StatusOr<std::vector<ReplicaPosition>> ReadPositions(
      const Uuid& client_id, int64_t since_unix_seconds) = 0;

  // Removes everything of the client but its ban and its token; false: there was no such client.
  // The next add-version with that client ID may create it anew.
  virtual absl::StatusOr<bool> DeleteClient(const Uuid& client_id) = 0;

  // Adds versions that have their IDs already, durable when it returns. Those that are here are
  // passed over, so that an import that was cut short can be repeated.
  virtual absl::StatusOr<ImportOutcome> Import(ImportRequest request) = 0;

  // Removes the versions below `first_number`, but never the latest one or the snapshot's. Returns
  // the bytes of the segments that were removed. kFailedPrecondition when the client has no
  // snapshot at `first_number` - 1 or later: what is left would not be reachable.
  virtual absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first_number) = 0;

  // While `accept`, a replica at a version that is not here is taken for the one that knows more:
  // it is told that it is up to date, and its next append is accepted once, whatever its parent.
  // The history before that append is then removed, and acceptance ends. A replica at the nil
  // version has nothing of the history and is never accepted. False: no such client.
  virtual absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool accept) = 0;

  // Reads all that belongs to the client. kNotFound: no such client.
  virtual absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) = 0;

  // Versions with a number over `after_number`, in order and without their segments, at most
  // `limit`.
  virtual absl::StatusOr<std::vector<VersionSummary>> ListVersions(const Uuid& client_id,
                                                                   uint64_t after_number,
                                                                   size_t limit) = 0;

  // Removes the versions after one of the client's, at once and durably, and a snapshot of one of
  // them. Positions of replicas that were behind it are at it from then on, and acceptance of a
  // diverged replica (AcceptDiverged) ends. kNotFound: no such client; kFailedPrecondition: the
  // version is not kept, or the client is not as the request says.
  virtual absl::StatusOr<Rewound> Rewind(const RewindRequest& request) = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_CLIENT_HISTORIES_H_
