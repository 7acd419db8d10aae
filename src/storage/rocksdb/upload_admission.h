// Whether an upload may begin.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_UPLOAD_ADMISSION_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_UPLOAD_ADMISSION_H_

#include <cstdint>
#include <optional>
#include <variant>

#include "absl/status/statusor.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/head_cache.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

// The bytes that the client's uploads may have in all, or the reason that none may begin.
using UploadAdmission = std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted>;

// `client`: nullopt when there is none, and for an import, which needs none. `uploading_bytes`: of
// the client's uploads in progress.
absl::StatusOr<UploadAdmission> AdmitUpload(const ChainReader& reader,
                                            const std::optional<ChainHead>& client,
                                            uint64_t uploading_bytes, const UploadRequest& request);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_UPLOAD_ADMISSION_H_
