// The devices of clients, a row for each client that has any, and the order of changes to a
// client's tokens.
//
// A change is decided over what was read before, in another transaction. The transaction that
// stores it takes the client's lock, and then a guard compares the rows with those that were read.
// Every other transaction that changes a client's token or devices takes the lock as well.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_DEVICES_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_DEVICES_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/statement.h"
#include "tcsync/access_records.h"

namespace tcsync::postgres_storage {

absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates(Sessions& sessions);
absl::StatusOr<DeviceState> ReadDevices(Sessions& sessions, const Uuid& client_id);
absl::Status ChangeDevices(Sessions& sessions, const Uuid& client_id, DecideDevices decide);

// Adds the statements that remove a client's devices in a transaction that removes the client.
// Behind the client's guard.
void RemoveDevices(const Uuid& client_id, std::vector<Statement>& statements);

// Other servers read the records of admission again when they see another revision.
Statement ChangeAccessRevision();

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_DEVICES_H_
