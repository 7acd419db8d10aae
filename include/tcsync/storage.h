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

struct AppendRequest {
  Uuid client_id;
  Uuid expected_parent;
  std::string segment;
  bool create_client = false;    // whether an unknown client is created or is NoSuchClient
  int64_t now_unix_seconds = 0;  // stored with the version
};
struct Appended {
  Uuid version_id;
  std::optional<SnapshotSummary> snapshot;  // as of this append
};
struct Conflict {
  Uuid latest_version_id;
};
using AppendOutcome = std::variant<Appended, Conflict, NoSuchClient>;

// No version of the chain has the parent that was asked for.
struct NoChild {
  Uuid latest_version_id;  // nil when the client has no versions
};
using ChildOutcome = std::variant<Version, NoChild, NoSuchClient>;

struct StoreSnapshotRequest {
  Uuid client_id;
  Uuid version_id;
  std::string bytes;
  uint64_t recent_versions_max = 0;  // how many of the latest versions may have a snapshot stored
  int64_t now_unix_seconds = 0;
};
enum class StoreSnapshotOutcome { kStored, kNotWanted, kNoSuchClient };

using AppendCallback = absl::AnyInvocable<void(absl::StatusOr<AppendOutcome>)>;
using StoreSnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<StoreSnapshotOutcome>)>;
using ChildCallback = absl::AnyInvocable<void(absl::StatusOr<ChildOutcome>)>;
// The client's snapshot; nullopt when it has none or does not exist.
using SnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<std::optional<Snapshot>>)>;

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
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_H_
