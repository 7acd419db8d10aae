// Bans, tokens and invites, as they are in the database.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_

#include <optional>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/chain_reader.h"
#include "tcsync/access_records.h"

namespace tcsync::rocksdb_storage {

absl::StatusOr<std::optional<Invite>> ReadInvite(const ChainReader& reader,
                                                 const TokenDigest& digest);

// Reads all of them.
absl::StatusOr<AccessRecords> ReadAllAccessRecords(rocksdb::DB& database);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_
