// Checks all records of one client.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "tcsync/client_histories.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// Reads every record of the client, all as of one moment, and compares them with each other.
// Damaged or missing records are problems in the report; an error means that nothing could be read.
// kNotFound when the client has no record.
absl::StatusOr<ChainReport> VerifyChain(rocksdb::DB& database, const Uuid& client_id);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_
