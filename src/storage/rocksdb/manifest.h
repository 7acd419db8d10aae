// The manifest of a database, RocksDB's list of its files. CURRENT names the one that is valid when
// the database is opened. If CURRENT cannot be replaced, as on a full disk, RocksDB continues with
// a newer one that CURRENT does not name.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_MANIFEST_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_MANIFEST_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// The number in the name of a manifest, such as "MANIFEST-000012"; nullopt for other names.
std::optional<uint64_t> ManifestNumberOf(absl::string_view file_name);

// The number of the manifest that the content of a CURRENT names; nullopt when it is damaged.
std::optional<uint64_t> ManifestNumberInCurrent(absl::string_view bytes);

// The same for the CURRENT of a database; nullopt also when it cannot be read.
std::optional<uint64_t> CurrentManifestNumber(rocksdb::Env& env, const std::string& database_path);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_MANIFEST_H_
