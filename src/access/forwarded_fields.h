// The fields of a request in which proxies name its source.
#ifndef TCSYNC_SRC_ACCESS_FORWARDED_FIELDS_H_
#define TCSYNC_SRC_ACCESS_FORWARDED_FIELDS_H_

#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

namespace tcsync::access {

// The values as received, borrowed from the request.
struct ForwardedFields {
  std::optional<absl::string_view> fly_client_ip;           // the first Fly-Client-IP
  absl::InlinedVector<absl::string_view, 2> forwarded_for;  // each X-Forwarded-For, in order
  absl::string_view first;  // of X-Forwarded-For, Forwarded and X-Real-IP; empty: there is none
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_FORWARDED_FIELDS_H_
