// The records of admission: bans, tokens and invites, and the key of the log's pseudonyms.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_ACCESS_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_ACCESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/sessions.h"
#include "tcsync/access_records.h"

namespace tcsync::postgres_storage {

absl::StatusOr<AccessRecords> ReadAccessRecords(Sessions& sessions);
absl::Status ChangeAccess(Sessions& sessions, const AccessChange& change);
absl::StatusOr<std::string> PseudonymKey(Sessions& sessions);

// Whether the invite may create a client now.
absl::StatusOr<bool> IsUsableInvite(Sessions& sessions, const TokenDigest& digest,
                                    int64_t now_unix_seconds, Deadline deadline);
// Counts a use of the invite: a guard (client_record.h), which fails unless it has one left.
Statement UseInvite(const TokenDigest& digest, int64_t now_unix_seconds);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_ACCESS_H_
