// Bans, tokens, invites and devices, as they are in the database.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "tcsync/access_records.h"

namespace tcsync::rocksdb_storage {

absl::StatusOr<std::optional<Invite>> ReadInvite(const ChainReader& reader,
                                                 const TokenDigest& digest);

// Reads all of them but devices.
absl::StatusOr<AccessRecords> ReadAllAccessRecords(rocksdb::DB& database);

absl::StatusOr<DeviceState> ReadDeviceState(const ChainReader& reader, const Uuid& client_id);
// Of all clients whose requests need a token.
absl::StatusOr<std::vector<DeviceGate>> ReadAllDeviceGates(rocksdb::DB& database);
// Stores the token and the devices in place of those that `reader` finds.
void PutDeviceState(const Uuid& client_id, const DeviceState& state, BatchBuilder& batch);
void RemoveDevices(const Uuid& client_id, BatchBuilder& batch);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ACCESS_RECORDS_H_
