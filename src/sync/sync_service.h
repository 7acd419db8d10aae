// The four transactions of the sync protocol, decided over storage. No I/O of its own: its caller
// speaks HTTP or another protocol.
#ifndef TCSYNC_SRC_SYNC_SYNC_SERVICE_H_
#define TCSYNC_SRC_SYNC_SYNC_SERVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "sync/child_walk.h"
#include "sync/snapshot_urgency.h"
#include "tcsync/storage.h"

namespace tcsync::sync {

struct SyncPolicy {
  ClientLimits limits = {};
  SnapshotPolicy snapshots;
};

// A segment or snapshot as it was received: whole, or as an upload from BeginVersionUpload or
// BeginSnapshotUpload.
using ReceivedBytes = std::variant<std::string, std::unique_ptr<Upload>>;

// Whether an add-version may create its client; an existing client's is added in any case.
struct ClientCreation {
  bool create_client = true;
  // The invite that creates it; see AppendRequest.
  std::optional<TokenDigest> invite = std::nullopt;
};

struct VersionAdded {
  Uuid version_id;
  SnapshotUrgency urgency = SnapshotUrgency::kNone;
  bool created_client = false;
};
using AddVersionResult = std::variant<VersionAdded, Conflict, NoSuchClient, OverLimit>;

struct UpToDate {};
// The parent is neither the latest version nor has a child: this replica has diverged.
struct Gone {
  Uuid latest_version_id;
};
using GetChildVersionResult = std::variant<Version, UpToDate, Gone, NoSuchClient>;
// At least one version, each the child of the one before it.
using GetChildVersionsResult = std::variant<std::vector<Version>, UpToDate, Gone, NoSuchClient>;

using AddVersionCallback = absl::AnyInvocable<void(absl::StatusOr<AddVersionResult>)>;
using GetChildVersionCallback = absl::AnyInvocable<void(absl::StatusOr<GetChildVersionResult>)>;
using GetChildVersionsCallback = absl::AnyInvocable<void(absl::StatusOr<GetChildVersionsResult>)>;
using AddSnapshotCallback = StoreSnapshotCallback;
using GetSnapshotCallback = SnapshotCallback;
using ClientExistsCallback = absl::AnyInvocable<void(absl::StatusOr<bool>)>;

// Thread-safe. Errors and callbacks are storage's: see tcsync/storage.h. Borrows storage and clock.
class SyncService {
 public:
  SyncService(Storage& storage, const base::Clock& clock, const SyncPolicy& policy);

  // As Storage's: whether an AddVersion or AddSnapshot that begins now would be kUnavailable.
  bool RefusesWrites() const { return storage_.RefusesWrites(); }

  // Before a large segment or snapshot is received: an upload for it, or the answer that AddVersion
  // or AddSnapshot would give at present. `announced_bytes`: a lower bound, if known.
  void BeginVersionUpload(const Uuid& client_id, const Uuid& parent_version_id,
                          uint64_t announced_bytes, const ClientCreation& creation,
                          BeginUploadCallback done);
  void BeginSnapshotUpload(const Uuid& client_id, const Uuid& version_id, uint64_t announced_bytes,
                           BeginUploadCallback done);

  void AddVersion(const Uuid& client_id, const Uuid& parent_version_id, ReceivedBytes segment,
                  const ClientCreation& creation, AddVersionCallback done);

  void GetChildVersion(const Uuid& client_id, const Uuid& parent_version_id,
                       GetChildVersionCallback done);

  // The same with the versions that follow, within the bounds. A replica was seen at its parent
  // alone: versions that were sent to it are not applied yet, and may never be.
  void GetChildVersions(const Uuid& client_id, const Uuid& parent_version_id,
                        const VersionsBounds& bounds, GetChildVersionsCallback done);

  // An unwanted snapshot is kNotWanted, which a replica must not see as a failure.
  void AddSnapshot(const Uuid& client_id, const Uuid& version_id, ReceivedBytes bytes,
                   AddSnapshotCallback done);

  void GetSnapshot(const Uuid& client_id, GetSnapshotCallback done);

  // Whether the client exists. It costs as much as fetching its first version.
  void ClientExists(const Uuid& client_id, ClientExistsCallback done);

 private:
  int64_t NowUnixSeconds() const;

  Storage& storage_;
  const base::Clock& clock_;
  const ClientLimits limits_;
  const SnapshotPolicy snapshots_;
};

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_SYNC_SERVICE_H_
