// The clients that an operator's requests name.
#ifndef TCSYNC_SRC_ADMIN_CLIENT_NAMES_H_
#define TCSYNC_SRC_ADMIN_CLIENT_NAMES_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

using PseudonymOf = absl::FunctionRef<std::string(const Uuid&)>;

// The client of that name: its ID, the beginning of that, or its pseudonym. A full ID may be of an
// unknown client. kInvalidArgument for a malformed name, kNotFound for an unknown one,
// kFailedPrecondition for an ambiguous one. Blocks.
absl::StatusOr<Uuid> ClientIdOf(absl::string_view name, StorageAdministration& administration,
                                PseudonymOf pseudonym_of);

// kNotFound when there is no such client. Blocks.
absl::StatusOr<ClientSummary> FindClient(ClientHistories& histories, const Uuid& client_id);

// For a request that names an unknown client.
absl::Status NoSuchClient(const Uuid& client_id);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_CLIENT_NAMES_H_
