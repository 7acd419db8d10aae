// The endpoints of the administration by their paths, as docs/administration.md lists them, with
// their parameters.
#ifndef TCSYNC_SRC_ADMIN_ROUTE_H_
#define TCSYNC_SRC_ADMIN_ROUTE_H_

#include <functional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "admin/api.h"
#include "admin/fields.h"
#include "tcsync/http_message.h"

namespace tcsync::admin {

enum class BodyKind {
  kFields,  // nothing, or a JSON object of parameters
  kLines,   // NDJSON
};

// The content of a request.
struct Call {
  std::string name = {};  // the one in its path
  Fields fields = {};
  std::string body = {};  // as received
};

struct Endpoint {
  absl::string_view method;
  absl::string_view path;  // CLIENT is the place of a client's name, and ID that of any other name
  // Reads the parameters and answers.
  std::function<http::Response(const Endpoint&, Api&, Call&)> answer;
  int success_status = 200;
  BodyKind body_kind = BodyKind::kFields;
  // The answer of an administration that does not have it.
  std::string refusal = "No data directory is open, which this needs.";
};

// A request with its endpoint.
struct Route {
  const Endpoint& endpoint;
  Call call;

  http::Response Answer(Api& api) { return endpoint.answer(endpoint, api, call); }
};

// The route, with the parameters of the query; or the refusal of a request that has none: 404, 405
// or 400.
std::variant<http::Response, Route> FindRoute(absl::string_view method, absl::string_view target);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ROUTE_H_
