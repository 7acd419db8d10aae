// The paths of the administration API, as docs/administration.md lists them.
#ifndef TCSYNC_SRC_ADMIN_ROUTE_H_
#define TCSYNC_SRC_ADMIN_ROUTE_H_

#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/api.h"
#include "tcsync/http_message.h"

namespace tcsync::admin {

enum class BodyKind {
  kFields,  // nothing, or a JSON object of parameters
  kLines,   // NDJSON
};

using Endpoint = std::variant<absl::StatusOr<Json> (Api::*)(Call&),
                              absl::StatusOr<ExportedPage> (Api::*)(Call&)>;

// The answer's source: a member of Api, the names in the path, and the parameters of the query.
struct Route {
  Endpoint endpoint;
  int success_status = 200;
  BodyKind body_kind = BodyKind::kFields;
  Call call;
};

// The route, or the refusal of a request that has none: 404, 405 or 400.
std::variant<http::Response, Route> FindRoute(absl::string_view method, absl::string_view target);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ROUTE_H_
