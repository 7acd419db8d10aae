#include "admin/answer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 500;
  }
}

}  // namespace

std::string ToText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

http::Response JsonAnswer(int status, const Json& value) {
  http::Response response = http::EmptyResponse(status);
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = absl::StrCat(ToText(value), "\n");
  return response;
}

http::Response LinesAnswer(std::string lines, std::optional<std::string> next_page) {
  http::Response response = http::EmptyResponse(200);
  response.headers.push_back({"Content-Type", "application/x-ndjson"});
  if (next_page) response.headers.push_back({"X-Next-Page", *std::move(next_page)});
  response.body = std::move(lines);
  return response;
}

http::Response ErrorAnswer(int status, absl::string_view sentence) {
  http::Response response = JsonAnswer(status, {{"error", std::string(sentence)}});
  if (status == 503)
    response.headers.push_back({"Retry-After", absl::StrCat(base::kRetryAfterSeconds)});
  return response;
}

http::Response NoSuchClientAnswer(const Uuid& client_id) {
  return ErrorAnswer(404, absl::StrCat("There is no client ", client_id.ToString(), "."));
}

Json DescribeLogLoss(const LogLoss& loss) {
  return {{"accepted", loss.accepted_unix_seconds},
          {"bytes", loss.bytes},
          {"versions_max", loss.versions_max},
          {"kept_in", loss.kept_in},
          {"description", loss.description}};
}

http::Response AnswerForStatus(const absl::Status& status) {
  return ErrorAnswer(HttpStatusOf(status.code()), status.message());
}

}  // namespace tcsync::admin
