#include "http/route.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "access/device_changes.h"
#include "access/token.h"
#include "base/foreign_text.h"

namespace tcsync::http {
namespace {

struct EndpointPath {
  absl::string_view path;
  Endpoint endpoint;
  bool names_more;  // the path goes on with the ID of a version or device
};

constexpr EndpointPath kPaths[] = {
    {"/v1/client/get-child-version/", Endpoint::kGetChildVersion, true},
    {"/v1/client/add-version/", Endpoint::kAddVersion, true},
    {"/v1/client/snapshot", Endpoint::kGetSnapshot, false},
    {"/v1/client/add-snapshot/", Endpoint::kAddSnapshot, true},
    {"/v1/client/devices", Endpoint::kDevices, false},
    {"/v1/client/devices/", Endpoint::kDevice, true},
    {"/", Endpoint::kIndex, false},
    {"", Endpoint::kIndex, false},
};

constexpr absl::string_view kTokenPrefix = "/i/";

Route HealthAt(absl::string_view path) {
  if (path == kHealthPath) return {.endpoint = Endpoint::kHealth, .is_valid = true};
  if (path == kHealthLivePath) return {.endpoint = Endpoint::kHealthLive, .is_valid = true};
  return {};
}

// Whether there is a run of hexadecimal digits longer than any in a UUID: half of a token.
bool HasTokenDigits(absl::string_view text) {
  size_t digits = 0;
  for (const char c : text) {
    digits = absl::ascii_isxdigit(c) ? digits + 1 : 0;
    if (digits == access::kTokenLength / 2) return true;
  }
  return false;
}

}  // namespace

// A client sends "http://host/path" to a proxy, and servers must accept it too (RFC 9112, section
// 3.2.2).
absl::string_view PathOf(absl::string_view target) {
  if (!absl::StartsWith(target, "/")) {
    const size_t authority = target.find("://");
    if (authority == absl::string_view::npos) return target;
    const size_t path = target.find('/', authority + 3);
    target = path == absl::string_view::npos ? "/" : target.substr(path);
  }
  return target.substr(0, target.find('?'));
}

absl::string_view NameOf(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kIndex:
      return "index";
    case Endpoint::kAddVersion:
      return "add-version";
    case Endpoint::kGetChildVersion:
      return "get-child-version";
    case Endpoint::kAddSnapshot:
      return "add-snapshot";
    case Endpoint::kGetSnapshot:
      return "snapshot";
    case Endpoint::kDevices:
    case Endpoint::kDevice:
      return "devices";
    case Endpoint::kHealth:
    case Endpoint::kHealthLive:
      return "health";
    case Endpoint::kNone:
      return "other";
  }
  return "";
}

Methods MethodsOf(Endpoint endpoint) {
  if (endpoint == Endpoint::kDevices) return {.first = "GET", .second = "POST"};
  if (endpoint == Endpoint::kDevice) return {.first = "DELETE"};
  return {.first = RequestMediaTypeOf(endpoint).empty() ? "GET" : "POST"};
}

absl::string_view RequestMediaTypeOf(Endpoint endpoint) {
  if (endpoint == Endpoint::kAddVersion) return kHistorySegmentMediaType;
  return endpoint == Endpoint::kAddSnapshot ? kSnapshotMediaType : "";
}

std::string NormalizeBasePath(absl::string_view base_path) {
  while (absl::EndsWith(base_path, "/")) base_path.remove_suffix(1);
  if (base_path.empty()) return "";
  return absl::StrCat(absl::StartsWith(base_path, "/") ? "" : "/", base_path);
}

Route RouteOf(absl::string_view base_path, absl::string_view path) {
  if (const Route health = HealthAt(path); health.is_valid) return health;
  if (!absl::ConsumePrefix(&path, base_path)) return {};
  if (const Route health = HealthAt(path); health.is_valid) return health;
  Route route{.is_valid = true};
  if (absl::ConsumePrefix(&path, kTokenPrefix)) {
    const absl::string_view token = path.substr(0, path.find('/'));
    if (access::IsToken(token)) {
      route.token = access::DigestOf(token);
    } else {
      route.is_valid = false;
    }
    path.remove_prefix(token.size());
  }
  for (const EndpointPath& known : kPaths) {
    absl::string_view id = path;
    if (known.names_more ? !absl::ConsumePrefix(&id, known.path) : path != known.path) continue;
    route.endpoint = known.endpoint;
    if (!known.names_more) return route;
    if (known.endpoint == Endpoint::kDevice) {
      route.device = access::ParseDeviceId(id);
      if (!route.device) route.is_valid = false;
    } else if (const std::optional<Uuid> version_id = Uuid::Parse(id)) {
      route.version_id = *version_id;
    } else {
      route.is_valid = false;
    }
    return route;
  }
  return {};
}

std::string PathForPeople(absl::string_view path) {
  std::vector<absl::string_view> segments = absl::StrSplit(path, '/');
  absl::string_view previous;
  for (absl::string_view& segment : segments) {
    const bool follows_token_prefix = absl::EqualsIgnoreCase(previous, "i");
    previous = segment;
    if (Uuid::Parse(segment)) {
      segment = "(UUID)";
    } else if ((follows_token_prefix && !segment.empty()) || HasTokenDigits(segment)) {
      segment = "(token)";
    }
  }
  return base::ShowForeign(absl::StrJoin(segments, "/"));
}

}  // namespace tcsync::http
