#include "storage/rocksdb/uploads.h"

#include <algorithm>

#include "base/limits.h"

namespace tcsync::rocksdb_storage {

absl::Status UploadState::Check() const {
  if (is_removed) return absl::AbortedError("the client was deleted during the upload");
  if (is_broken) {
    return absl::UnavailableError("the disk failed during the upload, which must begin again");
  }
  return absl::OkStatus();
}

absl::Status UploadState::CheckStorable() const {
  if (pieces == 0) return absl::InvalidArgumentError("nothing was added to the upload");
  return Check();
}

std::vector<std::string> UploadState::Keys() const {
  std::vector<std::string> keys;
  const uint32_t count = pieces;
  keys.reserve(count + 1);
  for (uint32_t piece = 0; piece < count; ++piece) {
    keys.push_back(PieceKey(client_id, upload_id, piece));
  }
  keys.push_back(UploadKey(client_id, upload_id));
  return keys;
}

std::shared_ptr<UploadState> StateOf(const Upload* upload) {
  // Storage receives only uploads that it created.
  return upload == nullptr ? nullptr : static_cast<const RocksdbUpload*>(upload)->state();
}

std::shared_ptr<UploadState> UploadTable::Begin(const Uuid& client_id, uint64_t allowed_bytes,
                                                int64_t now_unix_seconds) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<UploadState>>& uploads = by_client_[client_id];
  if (uploads.size() >= base::kUploadsPerClientMax) return nullptr;
  auto upload = std::make_shared<UploadState>(client_id, Uuid::Random(), allowed_bytes);
  upload->begun_unix_seconds = now_unix_seconds;
  uploads.push_back(upload);
  return upload;
}

void UploadTable::End(const UploadState& upload) {
  const std::lock_guard lock(mutex_);
  const auto it = by_client_.find(upload.client_id);
  if (it == by_client_.end()) return;
  std::vector<std::shared_ptr<UploadState>>& uploads = it->second;
  const auto found = std::find_if(uploads.begin(), uploads.end(), [&](const auto& other) {
    return other->upload_id == upload.upload_id;
  });
  if (found != uploads.end()) uploads.erase(found);
  if (uploads.empty()) by_client_.erase(it);
}

void UploadTable::KeepForDiscarding(std::shared_ptr<UploadState> upload) {
  const std::lock_guard lock(mutex_);
  to_discard_.push_back(std::move(upload));
}

std::vector<std::shared_ptr<UploadState>> UploadTable::TakeForDiscarding() {
  const std::lock_guard lock(mutex_);
  return std::exchange(to_discard_, {});
}

std::vector<std::shared_ptr<UploadState>> UploadTable::Of(const Uuid& client_id) const {
  const std::lock_guard lock(mutex_);
  const auto it = by_client_.find(client_id);
  if (it == by_client_.end()) return {};
  return it->second;
}

uint64_t UploadTable::BytesOf(const Uuid& client_id) const {
  uint64_t bytes = 0;
  for (const auto& upload : Of(client_id)) bytes += upload->bytes;
  return bytes;
}

bool UploadTable::Contains(const Uuid& client_id, const Uuid& upload_id) const {
  const auto uploads = Of(client_id);
  return std::any_of(uploads.begin(), uploads.end(),
                     [&](const auto& upload) { return upload->upload_id == upload_id; });
}

void UploadTable::BreakAll() {
  const std::lock_guard lock(mutex_);
  for (const auto& [client_id, uploads] : by_client_) {
    for (const auto& upload : uploads) upload->is_broken = true;
  }
}

UploadTable::Totals UploadTable::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals;
  for (const auto& [client_id, uploads] : by_client_) {
    totals.uploads += uploads.size();
    for (const auto& upload : uploads) totals.bytes += upload->bytes;
  }
  return totals;
}

}  // namespace tcsync::rocksdb_storage
