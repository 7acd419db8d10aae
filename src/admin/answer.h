// Answers of the administration API: JSON, and for every error {"error": a sentence for people}.
#ifndef TCSYNC_SRC_ADMIN_ANSWER_H_
#define TCSYNC_SRC_ADMIN_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tcsync/http_message.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// Members keep the order in which they were written, which is the order of docs/administration.md.
using Json = nlohmann::ordered_json;

// The text of `value`, in one line. Bytes that are no UTF-8 become replacement characters.
std::string ToText(const Json& value);

http::Response JsonAnswer(int status, const Json& value);
// Lines of an export (export_lines.h), and where the next page begins if there is one.
http::Response LinesAnswer(std::string lines, std::optional<std::string> next_page);
http::Response ErrorAnswer(int status, absl::string_view sentence);

// For a client that a request names and that is not here.
http::Response NoSuchClientAnswer(const Uuid& client_id);

// What was lost with a damaged log.
Json DescribeLogLoss(const LogLoss& loss);

// The error answer for a status that storage or another room reported.
http::Response AnswerForStatus(const absl::Status& status);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ANSWER_H_
