// A tcsync_request, checked and in the handlers' form.
#ifndef TCSYNC_CAPI_SRC_REQUEST_H_
#define TCSYNC_CAPI_SRC_REQUEST_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "tcsync.h"
#include "tcsync/http_message.h"

namespace tcsync::capi {

// Borrows its source.
class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  // Once. The fault of the request, if any.
  Result Read(const tcsync_request& given);

  const http::RequestHead& head() const { return head_; }
  absl::string_view body() const { return body_; }

 private:
  std::vector<http::HeaderView> headers_;
  http::RequestHead head_;
  absl::string_view body_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_REQUEST_H_
