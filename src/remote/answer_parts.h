// The parts of a sync server's answer, each checked.
#ifndef TCSYNC_SRC_REMOTE_ANSWER_PARTS_H_
#define TCSYNC_SRC_REMOTE_ANSWER_PARTS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "remote/cancellation.h"
#include "remote/connection.h"
#include "tcsync/envelope.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync::remote {

inline constexpr char kSegmentType[] = "application/vnd.taskchampion.history-segment";
inline constexpr char kSnapshotType[] = "application/vnd.taskchampion.snapshot";

// Whether the answer's Content-Type, without its parameters, is `type`.
bool HasMediaType(const Answer& answer, absl::string_view type);

// The value of a header that must be a UUID. `request` names the request, for messages.
RemoteResult<Uuid> UuidHeader(const Answer& answer, const char* name, const std::string& request);

// The fault of a body that cannot be the requested one, of that type.
std::optional<RemoteError> CheckBody(const Answer& answer, absl::string_view type,
                                     const std::string& request);

// `what` names the bytes, as the beginning of a sentence.
RemoteResult<SecretString> Unsealed(const SealingKey& key, const Cancellation& cancellation,
                                    const Uuid& sealed_with, const Uuid& version_id,
                                    absl::string_view sealed, absl::string_view what);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_ANSWER_PARTS_H_
