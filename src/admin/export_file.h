// Exports to a file of storages that are not served: of a client of a backup, and of what a damaged
// data directory has left. Their lines are those of GET clients/CLIENT/export.
#ifndef TCSYNC_SRC_ADMIN_EXPORT_FILE_H_
#define TCSYNC_SRC_ADMIN_EXPORT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "admin/dependencies.h"
#include "tcsync/storage.h"

namespace tcsync::admin {

// Both write `output`, a path where nothing is yet, for its owner only; it gets its name when it is
// complete and synced. The storage has an administration. Block.

// kNotFound when the storage does not have the client.
absl::StatusOr<ExtractedClient> ExportClientToFile(Storage& storage, const Uuid& client_id,
                                                   const std::string& output);

// Every client that is whole, by a check of all that belongs to it, and then who is admitted. The
// other clients are in the report, and in its `damage` why it is not known who was admitted.
absl::StatusOr<SalvageReport> ExportWholeClientsToFile(Storage& storage, const std::string& output);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_EXPORT_FILE_H_
