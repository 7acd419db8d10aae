// One message of the library as the log shows it: text as it is, or the members of a JSON object.
#ifndef TCSYNC_SRC_SERVER_LOG_LINE_H_
#define TCSYNC_SRC_SERVER_LOG_LINE_H_

#include <string>
#include <string_view>

namespace tcsync::server {

// The fields that a message begins with (tcsync_log_function in tcsync.h) and "message", the rest,
// as the inside of a JSON object: `"status":429,"reason":"client-rate","message":"..."`. A value of
// digits alone becomes a number. Bytes that are not UTF-8 become U+FFFD.
std::string JsonMembers(std::string_view message);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_LOG_LINE_H_
