#include "capi/src/uuid.h"

#include "absl/strings/str_cat.h"

namespace tcsync::capi {

Result InvalidTaskId(absl::string_view name, absl::string_view text) {
  if (text.size() > Uuid::kTextLength) {
    return {TCSYNC_INVALID_UUID, absl::StrCat("the task ID in '", name, "', of more than ",
                                              Uuid::kTextLength, " bytes, is not ", kUuidExample)};
  }
  return {TCSYNC_INVALID_UUID,
          absl::StrCat("the task ID '", text, "' in '", name, "' is not ", kUuidExample)};
}

}  // namespace tcsync::capi

using tcsync::capi::ClearOutput;
using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

tcsync_code tcsync_uuid_random(tcsync_uuid* uuid, tcsync_error** error) {
  ClearOutput(uuid);
  return Guard(error, [&]() -> Result {
    if (uuid == nullptr) return NullArgument("uuid");
    tcsync::capi::SetText(uuid, tcsync::Uuid::Random().ToString());
    return {};
  });
}
