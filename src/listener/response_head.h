// Writes the head of an HTTP/1.1 response.
#ifndef TCSYNC_SRC_LISTENER_RESPONSE_HEAD_H_
#define TCSYNC_SRC_LISTENER_RESPONSE_HEAD_H_

#include <ctime>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::listener {

enum class ConnectionHeader {
  kNone,       // HTTP/1.1's default: the connection is kept
  kKeepAlive,  // told to an HTTP/1.0 client that asked for it
  kClose,
};

// Appends the head, with Content-Length, `date` and `connection`, to `out`.
void AppendResponseHead(const http::Response& response, absl::string_view date,
                        ConnectionHeader connection, std::string& out);

// The Date header's value, created once a second. One thread.
class DateClock {
 public:
  absl::string_view Now();

 private:
  std::time_t second_ = 0;
  std::string text_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_RESPONSE_HEAD_H_
