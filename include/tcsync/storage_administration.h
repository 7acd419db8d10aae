// What an operator does with a storage: look at clients, move, remove, check and back up their
// data, and keep who is admitted. A backend implements it beside tcsync/storage.h.
//
// Everything here blocks, some of it for minutes, and belongs on a thread that nobody waits for.
// Work over all clients comes in pages, so that memory stays bounded and a caller can show how far
// it is. An absl::Status is what went wrong in storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_STORAGE_ADMINISTRATION_H_
#define TCSYNC_STORAGE_ADMINISTRATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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

// Who is admitted. Small enough to be in memory as a whole.
struct Ban {
  Uuid client_id;
  std::string reason;  // the operator's words
  int64_t since_unix_seconds = 0;
};
struct ClientToken {
  Uuid client_id;
  TokenDigest digest{};  // of the token that its requests must have in their path
  int64_t since_unix_seconds = 0;
};
struct Invite {
  TokenDigest digest{};
  std::string label;  // the operator's words
  int64_t created_unix_seconds = 0;
  int64_t expires_unix_seconds = 0;  // 0: never
  uint64_t uses_max = 0;             // clients that it may create; 0: any number
  uint64_t uses = 0;
};
// Whether the invite may create a client.
inline bool MayCreateClient(const Invite& invite, int64_t now_unix_seconds) {
  return (invite.expires_unix_seconds == 0 || now_unix_seconds < invite.expires_unix_seconds) &&
         (invite.uses_max == 0 || invite.uses < invite.uses_max);
}
struct AccessRecords {
  std::vector<Ban> bans;
  std::vector<ClientToken> tokens;
  std::vector<Invite> invites;
};
// One change: the record to keep, or the key of the one to remove. An invite that is here already
// keeps the uses that were counted, if they are more.
struct RemoveBan {
  Uuid client_id;
};
struct RemoveToken {
  Uuid client_id;
};
struct RemoveInvite {
  TokenDigest digest{};
};
using AccessChange = std::variant<Ban, ClientToken, Invite, RemoveBan, RemoveToken, RemoveInvite>;

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

// Damage of a log that an operator accepted, and what may have been lost with it.
struct LogLoss {
  int64_t accepted_unix_seconds = 0;
  uint64_t bytes = 0;
  uint64_t versions_max = 0;  // not more than that
  std::string kept_in;        // the directory where the damaged log is, in the data directory
  std::string description;    // what was wrong
};
// What accepting a damaged log would cost, or has.
struct LogRepair {
  bool is_damaged = false;  // otherwise there is nothing to accept, and nothing was changed
  LogLoss loss;
};

struct StorageStats {
  uint64_t clients = 0;
  // What the clients have: their history and snapshots, what they are uploading, and an allowance
  // for the record of each version and client (kVersionRecordBytes, kClientRecordBytes).
  uint64_t live_bytes = 0;
  uint64_t bytes_on_disk = 0;    // of everything that the storage keeps; 0 in memory
  uint64_t disk_bytes_free = 0;  // as an ordinary user could use them; 0 in memory
  uint64_t disk_bytes_total = 0;
  uint64_t queued_writes = 0;
  uint64_t queued_bytes = 0;
  int64_t last_backup_unix_seconds = 0;  // of any directory; 0: none is known of
  // The backend's own figures, such as {"rocksdb_compaction_pending", 1}: names in the style of
  // Prometheus, each of one value.
  std::vector<std::pair<std::string, double>> backend;
  // That were accepted and are not acknowledged yet, the earliest first.
  std::vector<LogLoss> log_losses = {};
};

// Of what is on the disk, what no client has (any more): replaced and removed records that no
// compaction has passed yet, and the log's length. 0 in memory.
inline uint64_t DeadBytes(const StorageStats& stats) {
  return stats.bytes_on_disk > stats.live_bytes ? stats.bytes_on_disk - stats.live_bytes : 0;
}

struct BackupInfo {
  uint32_t backup_id = 0;  // grows by one with each
  int64_t created_unix_seconds = 0;
  uint64_t bytes = 0;  // of its files, also those that other backups have as well
  uint64_t files = 0;
  // Why it cannot be restored, and then only the ID is known. Empty when its files are all there,
  // in their sizes.
  std::string problem = {};
};
struct BackupRequest {
  std::string directory;  // created when it does not exist; of backups of one storage only
  uint32_t keep = 0;      // how many backups stay, with the new one; 0: all
};

// How far something is: done of total, in bytes (for a backup, the total is estimated). Return
// false to stop it: kCancelled. Called while the call that took it has not returned, on that thread
// or on another one.
using Progress = absl::FunctionRef<bool(uint64_t done, uint64_t total)>;

struct CompactionRequest {
  // All files are written anew, also those that nothing is known to be removed from.
  bool everything = false;
};
struct CompactionReport {
  uint64_t removals = 0;      // clients of whom something was removed, and whose bytes are gone now
  uint64_t bytes_before = 0;  // on the disk
  uint64_t bytes_after = 0;
};
// What a compaction is doing, in words for people, and how far that is, in bytes. Return false to
// stop it: kCancelled, and what is left is done by the next one. Called on the calling thread.
using CompactionProgress =
    absl::FunctionRef<bool(absl::string_view doing, uint64_t done, uint64_t total)>;

// A directory that backups of this storage were made in, and the last of them.
struct BackupsMade {
  std::string directory;
  BackupInfo last;
};

// Thread-safe. Lives as long as the Storage that it was had from.
class StorageAdministration {
 public:
  virtual ~StorageAdministration() = default;

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

  virtual absl::StatusOr<AccessRecords> ReadAccessRecords() = 0;
  // Durable when it returns. Removing what is not there is fine.
  virtual absl::Status ChangeAccess(const AccessChange& change) = 0;

  // 32 random bytes, the same for the whole life of the stored data: the key with which a log turns
  // client IDs into pseudonyms. Made and durable at the first call.
  virtual absl::StatusOr<std::string> PseudonymKey() = 0;

  virtual absl::StatusOr<StorageStats> ReadStats() = 0;
  // StorageStats::live_bytes as it is now, and cheap: asked before each write.
  virtual uint64_t LiveBytes() {
    const absl::StatusOr<StorageStats> stats = ReadStats();
    return stats.ok() ? stats->live_bytes : 0;
  }

  // Whether something was removed whose bytes may still be in files. Cheap.
  virtual bool NeedsCompaction() { return false; }
  // Makes the bytes of what was removed before go: when it returns, no file has those of a removed
  // client, nor of snapshots that it had replaced; and of removed versions and replaced snapshots
  // of others not much is left. Writes and reads go on. kResourceExhausted: the disk has no room
  // for it.
  virtual absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                                   CompactionProgress progress) {
    static_cast<void>(request), static_cast<void>(progress);
    return CompactionReport{};
  }

  // Reads all that belongs to the client. kNotFound: no such client.
  virtual absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) = 0;
  // Compares every file with its checksums; kDataLoss names the first that differs.
  virtual absl::Status VerifyFiles(Progress progress) = 0;

  // Ends the telling of what ReadStats says of log losses.
  virtual absl::Status AcknowledgeLogLosses() { return absl::OkStatus(); }

  // Copies what is new since the last backup in that directory, while everything goes on.
  virtual absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) = 0;
  // Where backups were made, those of late.
  virtual absl::StatusOr<std::vector<BackupsMade>> ReadBackupsMade() {
    return std::vector<BackupsMade>();
  }

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

#endif  // TCSYNC_STORAGE_ADMINISTRATION_H_
