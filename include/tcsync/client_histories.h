// The histories of clients, for their operators: to inspect, move, shorten, remove and check them.
//
// Work over all clients is paged, so that memory stays bounded and a caller can show its progress.
// Every call here blocks, some for minutes, and belongs on a thread of its own. An absl::Status
// reports a failure of storage, with the codes of tcsync/storage.h.
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

// A replica that asked for the child of a version which this storage lacks, as replicas do after an
// older backup was restored.
struct ReplicaAhead {
  Uuid version_id;  // the replica's version
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
  // The fault that makes the client's records unreadable, so that only its ID is known here; empty
  // when they can be read. VerifyChain says more.
  std::string problem = {};

  uint64_t version_count() const { return latest_number + 1 - first_number; }
};

// A version with storage's notes about it.
struct StoredVersion {
  uint64_t number = 0;
  int64_t appended_unix_seconds = 0;
  Version version;
  // For an import: replaces the version's segment by an upload of its client. No other reference to
  // it may be left at the import.
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

// The oldest of the versions at which replicas ended their syncs on one day.
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
  // Of a version that is kept or that came with this or an earlier part, or of the one just before
  // the first of them, from which the chain can be followed as well.
  std::optional<ImportedSnapshot> snapshot;
  // The other server's knowledge of the client's replicas.
  struct ImportedReplicas {
    struct Position {
      int64_t day_unix_seconds = 0;
      Uuid version_id;  // an absent one is skipped
    };
    std::vector<Position> positions;
    std::vector<ReplicaAhead> ahead;
    bool accepts_diverged = false;
  };
  std::optional<ImportedReplicas> replicas = std::nullopt;
  // Whether `replicas` comes with a later part. For a client that is created without them, the
  // positions of its replicas are unknown: it is treated as if one had been seen at
  // `now_unix_seconds` at the oldest version, so that retention does not strand it.
  bool replicas_follow = false;
  int64_t now_unix_seconds = 0;
};
struct Imported {
  uint64_t versions_added = 0;
  uint64_t versions_present = 0;  // existed already, with the same IDs
  bool snapshot_stored = false;   // false also when the existing one is as new
};
// The part does not continue the existing chain: nothing was stored.
struct DoesNotContinue {
  Uuid latest_version_id;  // in this storage
  Uuid first_version_id;   // of the part that does not fit
  Uuid parent_version_id;  // its parent
};
using ImportOutcome = std::variant<Imported, DoesNotContinue>;

// Removes the latest versions of one client's history.
struct RewindRequest {
  Uuid client_id;
  Uuid version_id = {};  // the one that becomes the latest
  // The client's latest version as the caller knows it, so that no unseen version is removed.
  Uuid latest_version_id = {};
  std::optional<Uuid> snapshot_version_id = std::nullopt;
  // Removes the snapshot as well where it would stay. A removed version's goes in any case.
  bool remove_snapshot = false;
};
struct Rewound {
  uint64_t versions_removed = 0;
  uint64_t bytes_removed = 0;  // of their segments, and of the snapshot
  bool snapshot_removed = false;
};

// The findings of one walk along a client's chain, in sentences.
struct ChainReport {
  uint64_t versions = 0;
  uint64_t bytes = 0;  // read and found intact, segments and snapshot
  // Damage that no client can cause. Empty: linear, complete and intact.
  std::vector<std::string> problems;
  // Information: notable states that any client may cause within the protocol. No damage, however
  // odd.
  std::vector<std::string> notes;
  // The client has no snapshot to start from and its first versions are missing, so that a new
  // computer could not start. Also among the notes.
  bool new_replica_cannot_start = false;
};

// Thread-safe.
class ClientHistories {
 public:
  virtual ~ClientHistories() = default;

  // At most `limit` clients after `after`, in the order of their IDs.
  virtual absl::StatusOr<std::vector<ClientSummary>> ListClients(const std::optional<Uuid>& after,
                                                                 size_t limit) = 0;
  // nullopt: there is no such client.
  virtual absl::StatusOr<std::optional<ClientSummary>> FindClient(const Uuid& client_id) = 0;

  // Versions with a number over `after_number`, in order: at least one if there is one, then as
  // many as `bytes_max` bytes of segments hold. A segment that is stored in pieces stays in pieces.
  // Empty at the end and for an unknown client.
  virtual absl::StatusOr<std::vector<StoredVersion>> ReadVersions(const Uuid& client_id,
                                                                  uint64_t after_number,
                                                                  uint64_t bytes_max) = 0;

  // The days since `since_unix_seconds` on which replicas were seen, the earliest first.
  virtual absl::StatusOr<std::vector<ReplicaPosition>> ReadPositions(
      const Uuid& client_id, int64_t since_unix_seconds) = 0;

  // Removes everything of the client but its ban and its token; false: there was no such client.
  // The next add-version with that client ID may create it anew.
  virtual absl::StatusOr<bool> DeleteClient(const Uuid& client_id) = 0;

  // Adds versions that have their IDs already, durable when it returns. Existing ones are skipped,
  // so that an interrupted import can be repeated.
  virtual absl::StatusOr<ImportOutcome> Import(ImportRequest request) = 0;

  // Removes the versions below `first_number`, but never the latest one or the snapshot's. Returns
  // the bytes of the removed segments. kFailedPrecondition when the client has no snapshot at
  // `first_number` - 1 or later: the rest would not be reachable.
  virtual absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first_number) = 0;

  // While `accept`, a diverged replica (one at a version that this storage lacks) is accepted: it
  // is told that it is up to date, and its next append is accepted once, with any parent. The
  // history before that append is then removed, and acceptance ends. A replica at the nil version
  // has nothing of the history and is never accepted. False: no such client.
  virtual absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool accept) = 0;

  // Reads all that belongs to the client. kNotFound: no such client.
  virtual absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) = 0;

  // Versions with a number over `after_number`, in order and without their segments, at most
  // `limit`.
  virtual absl::StatusOr<std::vector<VersionSummary>> ListVersions(const Uuid& client_id,
                                                                   uint64_t after_number,
                                                                   size_t limit) = 0;

  // Removes the versions after one of the client's, at once and durably, and a snapshot of one of
  // them. Replicas that were behind it are then recorded at it, and acceptance of a diverged
  // replica (AcceptDiverged) ends. kNotFound: no such client; kFailedPrecondition: the version is
  // not kept, or the client differs from the request.
  virtual absl::StatusOr<Rewound> Rewind(const RewindRequest& request) = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_CLIENT_HISTORIES_H_
