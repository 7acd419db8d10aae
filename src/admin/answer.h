// Makes HTTP of an endpoint's result in the administration API. For every error: JSON, {"error": a
// sentence for people}, followed by the details of the status.
#ifndef TCSYNC_SRC_ADMIN_ANSWER_H_
#define TCSYNC_SRC_ADMIN_ANSWER_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/api.h"
#include "admin/json.h"
#include "tcsync/http_message.h"

namespace tcsync::admin {

// `success_status` is the status of an answer without an error.
http::Response AnswerFor(absl::StatusOr<Json> value, int success_status);
http::Response AnswerFor(absl::StatusOr<ExportedPage> page, int success_status);
http::Response AnswerFor(const absl::Status& error);

// For an error of the request's form, which no endpoint sees.
http::Response ErrorAnswer(int status, absl::string_view sentence,
                           const Json& details = Json::object());

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ANSWER_H_
