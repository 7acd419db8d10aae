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
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:  // the database may or may not have done it
      return 503;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 500;
  }
}

http::Response JsonAnswer(int status, const Json& value) {
  http::Response response = http::EmptyResponse(status);
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = absl::StrCat(ToText(value), "\n");
  return response;
}

}  // namespace

http::Response AnswerFor(absl::StatusOr<Json> value, int success_status) {
  return value.ok() ? JsonAnswer(success_status, *value) : AnswerFor(value.status());
}

http::Response AnswerFor(absl::StatusOr<ExportedPage> page, int success_status) {
  if (!page.ok()) return AnswerFor(page.status());
  http::Response response = http::EmptyResponse(success_status);
  response.headers.push_back({"Content-Type", "application/x-ndjson"});
  if (page->next_page) response.headers.push_back({"X-Next-Page", *std::move(page->next_page)});
  response.body = std::move(page->lines);
  return response;
}

http::Response AnswerFor(const absl::Status& error) {
  return ErrorAnswer(HttpStatusOf(error.code()), error.message(), DetailsOf(error));
}

http::Response ErrorAnswer(int status, absl::string_view sentence, const Json& details) {
  Json error = {{"error", std::string(sentence)}};
  error.update(details);
  http::Response response = JsonAnswer(status, error);
  if (status == 503)
    response.headers.push_back({"Retry-After", absl::StrCat(base::kRetryAfterSeconds)});
  return response;
}

}  // namespace tcsync::admin
