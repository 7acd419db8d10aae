// The statements that remove parts of a client's history. Each transaction begins with a guard of
// the client's record (client_record.h).
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_HISTORY_REMOVAL_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_HISTORY_REMOVAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/statement.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// All versions, the snapshot, and the notes about replicas; not the uploads in progress.
void RemoveHistory(const Uuid& client_id, std::vector<Statement>& statements);
// The uploads in progress with their pieces, so that their senders learn that the client is gone.
void RemoveUploads(const Uuid& client_id, std::vector<Statement>& statements);
// The versions from one number to another, both included, with their pieces.
Statement RemoveVersionRange(const Uuid& client_id, uint64_t first_number, uint64_t last_number);
// The bytes of those segments.
absl::StatusOr<uint64_t> BytesOfRange(Sessions& sessions, const Uuid& client_id,
                                      uint64_t first_number, uint64_t last_number,
                                      Deadline deadline);
// When the version was appended; 0 if it is not there.
absl::StatusOr<int64_t> AppendedAt(Sessions& sessions, const Uuid& client_id, uint64_t number,
                                   Deadline deadline);
// Lowers the positions of replicas to a number.
Statement LowerPositions(const Uuid& client_id, uint64_t number);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_HISTORY_REMOVAL_H_
