// The object of a tcsync_bytes: memory that is always wiped before it is freed, so that no caller
// and no function here needs to know which outputs are secret.
#ifndef TCSYNC_CAPI_SRC_BYTES_H_
#define TCSYNC_CAPI_SRC_BYTES_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/envelope.h"

struct tcsync_bytes : tcsync::capi::Handle<tcsync::capi::HandleType::kBytes> {
  // A copy of `bytes`, followed by a NUL.
  explicit tcsync_bytes(absl::string_view bytes);

  tcsync::SecretString with_nul;
};

#endif  // TCSYNC_CAPI_SRC_BYTES_H_
