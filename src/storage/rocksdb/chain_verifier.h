// Checks all that the database has of one client.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// Reads every record of the client, all as of one moment, and compares them with each other. What
// is damaged or missing is a problem of the report; an error is what kept it from reading at all.
// kNotFound when there is no record of the client.
absl::StatusOr<ChainReport> VerifyChain(rocksdb::DB& database, const Uuid& client_id);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_VERIFIER_H_
