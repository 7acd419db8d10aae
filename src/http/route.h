// Maps the path of a request to an endpoint: the paths of docs/protocol.md.
#ifndef TCSYNC_SRC_HTTP_ROUTE_H_
#define TCSYNC_SRC_HTTP_ROUTE_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/device_records.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

enum class Endpoint {
  kIndex,
  kAddVersion,
  kGetChildVersion,
  kAddSnapshot,
  kGetSnapshot,
  kDevices,  // all of a client
  kDevice,   // one of them
  kHealth,
  kHealthLive,
  kNone,  // none of these
};

inline bool IsHealth(Endpoint endpoint) {
  return endpoint == Endpoint::kHealth || endpoint == Endpoint::kHealthLive;
}

inline bool IsOfDevices(Endpoint endpoint) {
  return endpoint == Endpoint::kDevices || endpoint == Endpoint::kDevice;
}

// Whether a request of it is no client's call. Some people and monitoring programs request pages by
// HEAD; the listener omits its answer's body.
inline bool IsPage(Endpoint endpoint) {
  return IsHealth(endpoint) || endpoint == Endpoint::kIndex || endpoint == Endpoint::kNone;
}

struct Route {
  Endpoint endpoint = Endpoint::kNone;
  // Whether the target can be answered: it names an endpoint, and the UUID and the token of its
  // path are well-formed. If they are not, the endpoint is the intended one.
  bool is_valid = false;
  // The parent or the snapshot's version, for the endpoints that name one.
  Uuid version_id = Uuid();
  // The device, for the endpoint that names one.
  std::optional<DeviceId> device = std::nullopt;
  // Of the token in a path that begins with /i/TOKEN. The token itself goes no further than here.
  std::optional<TokenDigest> token = std::nullopt;
};

// The endpoint's name in the log, such as "add-version".
absl::string_view NameOf(Endpoint endpoint);

// The methods that an endpoint answers, one or two, pages beside HEAD.
struct Methods {
  absl::string_view first;
  absl::string_view second = "";

  bool Contain(absl::string_view method) const {
    return method == first || (!second.empty() && method == second);
  }
};
Methods MethodsOf(Endpoint endpoint);
// The media type of the body of a segment's or snapshot's request; "" for all others.
absl::string_view RequestMediaTypeOf(Endpoint endpoint);

// For monitoring programs, beside the protocol's own.
inline constexpr absl::string_view kHealthPath = "/health";
inline constexpr absl::string_view kHealthLivePath = "/health/live";

inline constexpr absl::string_view kHistorySegmentMediaType =
    "application/vnd.taskchampion.history-segment";
inline constexpr absl::string_view kSnapshotMediaType = "application/vnd.taskchampion.snapshot";

// The path of a request target, which may be in absolute form, without its query.
absl::string_view PathOf(absl::string_view target);

// The base path as routes need it: "" or "/some/path", without a slash at its end.
std::string NormalizeBasePath(absl::string_view base_path);

// `base_path` is normalized. Health is also at the root, for programs that know no base path.
Route RouteOf(absl::string_view base_path, absl::string_view path);

// A path for people and logs, without anything that a reader could use: "(token)"
// replaces the text after /i/ and any possible part of a token, "(UUID)" a UUID, which may be a
// client ID.
std::string PathForPeople(absl::string_view path);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_ROUTE_H_
