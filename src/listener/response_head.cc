#include "listener/response_head.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tcsync::listener {

void AppendResponseHead(const http::Response& response, absl::string_view date,
                        ConnectionHeader connection, std::string& out) {
  absl::StrAppend(&out, "HTTP/1.1 ", response.status, " ", http::ReasonPhrase(response.status),
                  "\r\nContent-Length: ", response.body_bytes(), "\r\nDate: ", date, "\r\n");
  if (connection == ConnectionHeader::kClose) {
    absl::StrAppend(&out, "Connection: close\r\n");
  } else if (connection == ConnectionHeader::kKeepAlive) {
    absl::StrAppend(&out, "Connection: keep-alive\r\n");
  }
  for (const http::Header& header : response.headers) {
    absl::StrAppend(&out, header.name, ": ", header.value, "\r\n");
  }
  absl::StrAppend(&out, "\r\n");
}

absl::string_view DateClock::Now() {
  const std::time_t second = std::time(nullptr);
  if (second != second_) {
    second_ = second;
    // RFC 9110, section 5.6.7.
    text_ =
        absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::FromTimeT(second), absl::UTCTimeZone());
  }
  return text_;
}

}  // namespace tcsync::listener
