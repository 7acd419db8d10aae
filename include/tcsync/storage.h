// The interface that a storage backend implements, and the outcomes of its operations.
//
// Storage keeps, for each client, one chain of versions and at most one snapshot. It knows nothing
// of HTTP and cannot read what it keeps. Its one atomic primitive for versions is
// compare-and-append, so there is no open transaction that could be left open.
//
// What the protocol foresees (a conflict, a client that does not exist) is an outcome. An
// absl::Status is for what it does not foresee, and its code says what a caller can do:
//   kResourceExhausted  the disk is full; nothing was stored, unless the process ends before there
//                       is room again: then the write may be found stored
//   kUnavailable        too busy or closing down; nothing was stored, trying again helps
//   kDataLoss           stored bytes fail their checksum or contradict each other
//   anything else       the operation failed; after a failed write it may or may not be stored
#ifndef TCSYNC_STORAGE_H_
#define TCSYNC_STORAGE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "tcsync/uuid.h"

namespace tcsync {

// One link of a client's chain. The segment is opaque: sealed by the replica.
struct Version {
  Uuid version_id;
  Uuid parent_version_id;
  std::string segment;
};

// The sealed whole state at one version.
struct Snapshot {
  Uuid version_id;
  std::string bytes;
};

// What is known of a client's snapshot without reading its bytes.
struct SnapshotSummary {
  Uuid version_id;
  int64_t stored_unix_seconds = 0;
  uint64_t versions_since = 0;  // versions of the chain that are newer than the snapshot's
};

// The client has no record: it never added a version.
struct NoSuchClient {};

// What storage keeps of a token in place of it: its SHA-256. Tokens are random, so that nobody gets
// from here to one.
using TokenDigest = std::array<uint8_t, 32>;

// How much one client may have; 0: any amount.
struct ClientLimits {
  uint64_t bytes_max = 0;  // of its segments and its snapshot
  uint64_t versions_max = 0;
};

struct AppendRequest {
  Uuid client_id;
  Uuid expected_parent;
  std::string segment;
  bool create_client = false;  // whether an unknown client is created or is NoSuchClient
  // With create_client: the invite that creates it. Without a use left, the client is NoSuchClient.
  std::optional<TokenDigest> invite = std::nullopt;
  ClientLimits limits = {};
  int64_t now_unix_seconds = 0;  // stored with the version
};
struct Appended {
  Uuid version_id;
  std::optional<SnapshotSummary> snapshot;  // as of this append
  bool created_client = false;
};
struct Conflict {
  Uuid latest_version_id;
};
// The client has as much as its limits allow; nothing was stored.
struct OverLimit {
  uint64_t bytes = 0;  // that the client would have had
  uint64_t versions = 0;
};
using AppendOutcome = std::variant<Appended, Conflict, NoSuchClient, OverLimit>;

// No version of the chain has the parent that was asked for.
struct NoChild {
  Uuid latest_version_id;  // nil when the client has no versions
  // Whether a replica at a version that is not here may append to it (LetReplicaCarryOn in
  // tcsync/storage_administration.h).
  bool may_carry_on = false;
};
using ChildOutcome = std::variant<Version, NoChild, NoSuchClient>;

struct StoreSnapshotRequest {
  Uuid client_id;
  Uuid version_id;
  std::string bytes;
  uint64_t recent_versions_max = 0;  // how many of the latest versions may have a snapshot stored
  ClientLimits limits = {};
  int64_t now_unix_seconds = 0;
};
enum class StoreSnapshotOutcome { kStored, kNotWanted, kNoSuchClient, kOverLimit };

using AppendCallback = absl::AnyInvocable<void(absl::StatusOr<AppendOutcome>)>;
using StoreSnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<StoreSnapshotOutcome>)>;
using ChildCallback = absl::AnyInvocable<void(absl::StatusOr<ChildOutcome>)>;
// The client's snapshot; nullopt when it has none or does not exist.
using SnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<std::optional<Snapshot>>)>;
using ProbeCallback = absl::AnyInvocable<void(absl::Status)>;

class StorageAdministration;

// Thread-safe. Operations on one client are linearizable: what a callback has reported is seen by
// every operation that starts afterwards.
//
// Operations complete by callback, which is called exactly once, on any thread, possibly before the
// call returns; it must not block and must not destroy the storage. No operation waits for a disk
// before it returns. A write's reported success is durable: it survives the loss of power.
class Storage {
 public:
  virtual ~Storage() = default;  // waits for the operations that were begun

  // Whether a write that begins now would be refused as kUnavailable. A hint, and cheap: a caller
  // can refuse a write before it receives its bytes.
  virtual bool RefusesWrites() const { return false; }

  // Appends `segment` as a new version, with an ID that storage chooses, if the client's latest
  // version is `expected_parent` or the client has no versions; otherwise Conflict.
  virtual void Append(AppendRequest request, AppendCallback done) = 0;

  // Replaces the client's snapshot by one at `version_id`, if that is one of the latest
  // `recent_versions_max` versions and newer than the present snapshot's; otherwise kNotWanted.
  virtual void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) = 0;

  // The version whose parent is `parent_version_id`. NoChild is consistent: at one moment during
  // the call `latest_version_id` was the latest and `parent_version_id` had no child.
  virtual void GetChild(const Uuid& client_id, const Uuid& parent_version_id,
                        ChildCallback done) = 0;

  virtual void GetSnapshot(const Uuid& client_id, SnapshotCallback done) = 0;

  // Remembers that a replica ended a sync at `version_id`, which is a version of the client, or
  // that one is at a version that is not here. Cheap, and written to the disk only some time later:
  // after a crash the last minutes may be missing.
  virtual void NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id,
                               int64_t now_unix_seconds) {
    static_cast<void>(client_id), static_cast<void>(version_id);
    static_cast<void>(now_unix_seconds);
  }
  virtual void NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id,
                                int64_t now_unix_seconds) {
    static_cast<void>(client_id), static_cast<void>(version_id);
    static_cast<void>(now_unix_seconds);
  }

  // Whether storage works: writes a small record in the way of every write, durably, and reads it
  // back from where it stands. OK, or what failed.
  virtual void Probe(ProbeCallback done) { done(absl::OkStatus()); }

  // Null for a backend that has none.
  virtual StorageAdministration* administration() { return nullptr; }
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_H_
