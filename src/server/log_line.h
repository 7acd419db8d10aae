// One log record as a line of JSON.
#ifndef TCSYNC_SRC_SERVER_LOG_LINE_H_
#define TCSYNC_SRC_SERVER_LOG_LINE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tcsync::server {

// Names and values.
using LogFields = std::vector<std::pair<std::string_view, std::string_view>>;

// The fields and "message" as the inside of a JSON object:
// `"status":429,"reason":"client-rate","message":"..."`. The status is a number, everything else is
// text. Bytes that are not UTF-8 become U+FFFD.
std::string JsonMembers(const LogFields& fields, std::string_view message);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_LOG_LINE_H_
