// The interface that a storage backend implements, and the outcomes of its operations.
//
// Storage keeps, for each client, one chain of versions and at most one snapshot. It knows nothing
// of HTTP and cannot read what it keeps. Its one atomic primitive for versions is
// compare-and-append, so there is no open transaction that could be left open.
//
// Segments and snapshots that are too large for memory pass in pieces. On the way in an Upload
// takes them, and the append then names the upload in place of bytes; until then they belong to no
// version, and they are discarded when the upload is destroyed, or when the process ends. On the
// way out a PieceSource reads them.
//
// The protocol's cases (a conflict, a client that does not exist) are outcomes. An absl::Status is
// for cases outside it, and its code tells the caller's choices:
//   kResourceExhausted  the disk is full; nothing was stored, unless the process ends before there
//                       is room again: then the write may be found stored
//   kUnavailable        too busy or closing down; nothing was stored, trying again helps
//   kDataLoss           stored bytes fail their checksum or contradict each other, or are missing
//   kFailedPrecondition the place of storage's data was taken away; nothing was stored, and
//                       nothing will be before it is back
//   kAborted            the data under way, read in pieces or uploaded, was removed meanwhile
//   kDeadlineExceeded   a write was sent to a database that did not answer in time: it may or may
//                       not be stored, and trying again helps
//   anything else       the operation failed; after a failed write it may or may not be stored
// Its message names no client: the caller knows its client, and messages get into logs.
#ifndef TCSYNC_STORAGE_H_
#define TCSYNC_STORAGE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/uuid.h"

namespace tcsync {

// The bytes of a segment or snapshot that is stored in pieces. One thread at a time. The storage
// must be there while it reads; destroying it needs no storage.
class PieceSource {
 public:
  using PieceCallback = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  virtual ~PieceSource() = default;

  // The bytes and the number of all pieces together, also after some were read.
  virtual uint64_t bytes() const = 0;
  virtual uint32_t pieces() const = 0;

  // Reads the next piece, which is never empty and at most 128 KiB (or as large as the
  // upload made it). Do not call it after the last piece, or before the last requested piece has
  // come. `done` is called exactly once, on any thread, possibly before the call returns, and also
  // when the source was destroyed meanwhile; it must not block. After an error there is no more:
  // kAborted says that the segment or snapshot was removed or replaced meanwhile.
  virtual void Read(PieceCallback done) = 0;

  // Continues with that piece; they begin at 0.
  virtual void SkipTo(uint32_t piece) = 0;
};

// One link of a client's chain. The segment is opaque: sealed by the replica.
struct Version {
  Uuid version_id;
  Uuid parent_version_id;
  std::string segment;
  // Replaces `segment`, which is empty then, if it is stored in pieces.
  std::shared_ptr<PieceSource> pieces = nullptr;

  uint64_t segment_bytes() const { return pieces != nullptr ? pieces->bytes() : segment.size(); }
};

// The sealed whole state at one version.
struct Snapshot {
  Uuid version_id;
  std::string bytes;
  // Replaces `bytes`, which is empty then, if it is stored in pieces.
  std::shared_ptr<PieceSource> pieces = nullptr;

  uint64_t byte_count() const { return pieces != nullptr ? pieces->bytes() : bytes.size(); }
};

// A large segment or snapshot on its way into storage, piece by piece. One thread at a time.
// It must not be destroyed while a piece is being added. Destroying it discards its bytes, unless
// an Append, StoreSnapshot or Import took it and stored them; that must happen before the storage
// is destroyed.
class Upload {
 public:
  using AddedCallback = absl::AnyInvocable<void(absl::Status)>;

  virtual ~Upload() = default;

  // The bytes of all added pieces.
  virtual uint64_t bytes() const = 0;

  // Adds a piece, which is not empty and at most 128 KiB. `done` is called exactly once,
  // when the next piece may be added or the upload may be stored, on any thread, possibly before
  // the call returns; it must not block. An error ends the upload: it can only be destroyed.
  // kAborted: the client was deleted meanwhile. kOutOfRange: the client's limits allow no more.
  virtual void Add(std::string piece, AddedCallback done) = 0;

  // Whether the bytes stay in memory until they are stored, and are then stored as a whole, as in a
  // storage without a BeginUpload of its own.
  virtual bool is_in_memory() const { return false; }
};

// An upload that is only collected.
class UploadInMemory final : public Upload {
 public:
  uint64_t bytes() const override { return bytes_.size(); }
  void Add(std::string piece, AddedCallback done) override {
    bytes_ += piece;
    done(absl::OkStatus());
  }
  bool is_in_memory() const override { return true; }

  std::string TakeBytes() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Facts about a client's snapshot that need no reading of its bytes.
struct SnapshotSummary {
  Uuid version_id;
  int64_t stored_unix_seconds = 0;
  uint64_t versions_since = 0;  // versions of the chain that are newer than the snapshot's
};

// The client has no record: it never added a version.
struct NoSuchClient {};

// The SHA-256 of a token, which storage keeps in its place. Tokens are random, so that the digest
// does not reveal its token.
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
  // With create_client: the invite that creates it. If it has no use left, the result is
  // NoSuchClient.
  std::optional<TokenDigest> invite = std::nullopt;
  ClientLimits limits = {};
  int64_t now_unix_seconds = 0;  // stored with the version
  // Replaces `segment`, which is empty then: a non-empty upload of this client and this storage,
  // and the only reference to it.
  std::shared_ptr<Upload> upload = nullptr;

  uint64_t segment_bytes() const { return upload != nullptr ? upload->bytes() : segment.size(); }
};
struct Appended {
  Uuid version_id;
  std::optional<SnapshotSummary> snapshot;  // as of this append
  bool created_client = false;
};
struct Conflict {
  Uuid latest_version_id;
};
// The client has reached its limits; nothing was stored.
struct OverLimit {
  uint64_t bytes = 0;  // that the client would have had
  uint64_t versions = 0;
};
using AppendOutcome = std::variant<Appended, Conflict, NoSuchClient, OverLimit>;

// No version of the chain has the requested parent.
struct NoChild {
  Uuid latest_version_id;  // nil when the client has no versions
  // Whether a replica at a version that storage lacks may append to it (AcceptDiverged in
  // tcsync/client_histories.h).
  bool accepts_diverged = false;
};
using ChildOutcome = std::variant<Version, NoChild, NoSuchClient>;

struct StoreSnapshotRequest {
  Uuid client_id;
  Uuid version_id;
  std::string bytes;
  uint64_t recent_versions_max = 0;  // how many of the latest versions may have a snapshot stored
  ClientLimits limits = {};
  int64_t now_unix_seconds = 0;
  // Replaces `bytes`, which is empty then, like AppendRequest's.
  std::shared_ptr<Upload> upload = nullptr;

  uint64_t snapshot_bytes() const { return upload != nullptr ? upload->bytes() : bytes.size(); }
};
enum class StoreSnapshotOutcome { kStored, kNotWanted, kNoSuchClient, kOverLimit };

// The purpose of an upload. Storage refuses the upload of an append or a snapshot that it could not
// store at present; its acceptance promises nothing for later.
struct UploadRequest {
  // An upload for Import, without further facts.
  struct ForImport {};
  // The fields of AppendRequest.
  struct ForAppend {
    Uuid expected_parent;
    bool create_client = false;
    std::optional<TokenDigest> invite = std::nullopt;
  };
  // The fields of StoreSnapshotRequest.
  struct ForSnapshot {
    Uuid version_id;
    uint64_t recent_versions_max = 0;
  };
  Uuid client_id;
  std::variant<ForImport, ForAppend, ForSnapshot> purpose;
  uint64_t announced_bytes = 0;  // a lower bound of the bytes to come, if known
  ClientLimits limits = {};
  int64_t now_unix_seconds = 0;
};
// The client has a newer snapshot, or the version is not one of the latest.
struct NotWanted {};
using UploadOutcome =
    std::variant<std::unique_ptr<Upload>, Conflict, NoSuchClient, OverLimit, NotWanted>;

using BeginUploadCallback = absl::AnyInvocable<void(absl::StatusOr<UploadOutcome>)>;
using AppendCallback = absl::AnyInvocable<void(absl::StatusOr<AppendOutcome>)>;
using StoreSnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<StoreSnapshotOutcome>)>;
using ChildCallback = absl::AnyInvocable<void(absl::StatusOr<ChildOutcome>)>;
// The client's snapshot; nullopt when it has none or does not exist.
using SnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<std::optional<Snapshot>>)>;
using ProbeCallback = absl::AnyInvocable<void(absl::Status)>;

class OtherServers;
class StorageAdministration;

// Thread-safe. Operations on one client are linearizable: every later operation sees the outcome
// that a callback has reported.
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

  // Begins an upload, or refuses it for the reason why its purpose would be refused. kUnavailable
  // also when the client has as many uploads under way as one client may.
  //
  // A storage that cannot take pieces does not override this; it gets the whole upload as `segment`
  // or `bytes`.
  virtual void BeginUpload(UploadRequest request, BeginUploadCallback done) {
    static_cast<void>(request);
    done(UploadOutcome(std::make_unique<UploadInMemory>()));
  }

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

  // Records that a replica ended a sync at `version_id`, a version of the client, or that one is at
  // a version that storage lacks. Cheap, and written to the disk only some time later: after a
  // crash the last minutes may be missing.
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

  // Whether storage works: writes a small record on the path of every write, durably, and reads it
  // back from the same place. OK, or the failure.
  virtual void Probe(ProbeCallback done) { done(absl::OkStatus()); }

  // Lives as long as this.
  virtual StorageAdministration& administration() = 0;

  // Where other servers may use the same data (tcsync/other_servers.h); lives as long as this.
  // nullptr: this is the only one.
  virtual OtherServers* other_servers() { return nullptr; }
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_H_
