// UUIDs as the C ABI has them, and the message for a text that is none.
#ifndef TCSYNC_CAPI_SRC_UUID_H_
#define TCSYNC_CAPI_SRC_UUID_H_

#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "tcsync.h"
#include "tcsync/uuid.h"

namespace tcsync::capi {

static_assert(sizeof(tcsync_uuid) == Uuid::kTextLength + 1);

inline constexpr char kUuidExample[] = "a UUID like 123e4567-e89b-42d3-a456-426614174000";

// `text` is that of a UUID. Cannot fail, and so may follow steps that can.
inline void SetText(tcsync_uuid* uuid, const std::string& text) noexcept {
  std::memcpy(uuid->text, text.c_str(), sizeof(uuid->text));
}

// For a task ID, whose parameter is `name`. Repeats no longer text than a UUID: after a mix-up with
// a task's description, that must not be in a log.
Result InvalidTaskId(absl::string_view name, absl::string_view text);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_UUID_H_
