// Exports to a file from storages that are not served: a client of a backup, and the remains of a
// damaged data directory. Their lines are those of GET clients/CLIENT/export.
#ifndef TCSYNC_SRC_ADMIN_EXPORT_FILE_H_
#define TCSYNC_SRC_ADMIN_EXPORT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "admin/dependencies.h"
#include "tcsync/storage.h"

namespace tcsync::admin {

// Both write `output`, the path of a new file, for its owner only; it gets its name when it is
// complete and synced. The storage has an administration. Block.

// kNotFound when the storage does not have the client.
absl::StatusOr<ExtractedClient> ExportClientToFile(Storage& storage, const Uuid& client_id,
                                                   const std::string& output);

// Every client that passes a check of all its records, and then the records of admission. The
// report has the other clients, and in its `damage` the reason why admission is unknown.
absl::StatusOr<SalvageReport> ExportWholeClientsToFile(Storage& storage, const std::string& output);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_EXPORT_FILE_H_
