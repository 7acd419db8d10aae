// The object of a tcsync_key, and the messages that sealing and remote calls share.
#ifndef TCSYNC_CAPI_SRC_SEALING_H_
#define TCSYNC_CAPI_SRC_SEALING_H_

#include <utility>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/envelope.h"

struct tcsync_key : tcsync::capi::Handle<tcsync::capi::HandleType::kKey> {
  explicit tcsync_key(tcsync::SealingKey derived) : key(std::move(derived)) {}

  tcsync::SealingKey key;
};

namespace tcsync::capi {

tcsync_code CodeOf(UnsealFault fault);

// Repeats no longer text than a UUID: after a mix-up with the plaintext, that must not be in a log.
Result InvalidVersionId(absl::string_view text);

// Does not repeat the text: after a mix-up with the secret, that must not be in a log.
Result InvalidClientId(absl::string_view text);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_SEALING_H_
