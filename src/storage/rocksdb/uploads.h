// Uploads: large segments and snapshots on their way into the database, whose pieces are written as
// they arrive, before anything refers to them.
//
// A piece is written without a sync. The batch that assigns the upload to a version or a snapshot
// is synced, and comes later in the same logs, so its sync covers all pieces. A failed write may
// have lost unsynced pieces; therefore all uploads of that moment are abandoned when the database
// is opened again.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_UPLOADS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_UPLOADS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/rocksdb/record_codec.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// The state of one upload. Only the committer changes its counts, after the write.
struct UploadState {
  UploadState(const Uuid& client, const Uuid& upload, uint64_t allowed_bytes)
      : client_id(client), upload_id(upload), allowed_bytes(allowed_bytes) {}

  const Uuid client_id;
  const Uuid upload_id;
  // The limit for all of the client's uploads together, at the beginning of this one.
  const uint64_t allowed_bytes;
  int64_t begun_unix_seconds = 0;

  std::atomic<uint64_t> bytes{0};
  std::atomic<uint32_t> pieces{0};
  std::atomic<bool> is_stored{false};   // it belongs to a version or a snapshot
  std::atomic<bool> is_removed{false};  // the client was deleted, and its pieces are gone
  std::atomic<bool> is_broken{false};   // pieces may be lost

  // The reason that the upload can only be discarded; OK: there is none.
  absl::Status Check() const;
  // The same for storing it.
  absl::Status CheckStorable() const;
  PiecesRecord record() const { return {.upload_id = upload_id, .bytes = bytes, .pieces = pieces}; }
  // The keys of its pieces and of its place in the register of uploads.
  std::vector<std::string> Keys() const;
};

// The part of the storage that uploads need.
class StagingStorage {
 public:
  virtual ~StagingStorage() = default;

  // Has a piece written after the earlier ones; `done` as Upload::Add's.
  virtual void AddPiece(std::shared_ptr<UploadState> upload, std::string piece,
                        Upload::AddedCallback done) = 0;
  // Has the pieces removed, now or when the disk takes writes again.
  virtual void Discard(std::shared_ptr<UploadState> upload) = 0;
};

class RocksdbUpload final : public Upload {
 public:
  RocksdbUpload(StagingStorage& storage, std::shared_ptr<UploadState> state)
      : storage_(storage), state_(std::move(state)) {}
  ~RocksdbUpload() override {
    if (!state_->is_stored) storage_.Discard(std::move(state_));
  }

  uint64_t bytes() const override { return state_->bytes; }
  void Add(std::string piece, AddedCallback done) override {
    storage_.AddPiece(state_, std::move(piece), std::move(done));
  }

  const std::shared_ptr<UploadState>& state() const { return state_; }

 private:
  StagingStorage& storage_;
  std::shared_ptr<UploadState> state_;
};

// The state of an upload that the storage gave out; null for none.
std::shared_ptr<UploadState> StateOf(const Upload* upload);

// All uploads in progress. Thread-safe.
class UploadTable {
 public:
  // A new upload; null when the client has too many.
  std::shared_ptr<UploadState> Begin(const Uuid& client_id, uint64_t allowed_bytes,
                                     int64_t now_unix_seconds);
  // The upload was stored, or its pieces were removed.
  void End(const UploadState& upload);

  // Discarding the upload failed, and must be tried again.
  void KeepForDiscarding(std::shared_ptr<UploadState> upload);
  std::vector<std::shared_ptr<UploadState>> TakeForDiscarding();

  // The uploads of one client.
  std::vector<std::shared_ptr<UploadState>> Of(const Uuid& client_id) const;
  // The bytes of their written pieces.
  uint64_t BytesOf(const Uuid& client_id) const;
  bool Contains(const Uuid& client_id, const Uuid& upload_id) const;

  // Forbids storing any of the present uploads.
  void BreakAll();

  struct Totals {
    uint64_t uploads = 0;
    uint64_t bytes = 0;
  };
  Totals totals() const;

 private:
  mutable std::mutex mutex_;  // guards the members below
  absl::flat_hash_map<Uuid, std::vector<std::shared_ptr<UploadState>>> by_client_;
  std::vector<std::shared_ptr<UploadState>> to_discard_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_UPLOADS_H_
