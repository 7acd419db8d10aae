// The page at / for browsers: the purpose of the server, and the way to become its user.
//
// It is a static text with the operator's details in it. Nothing of a request reaches it but the
// token of its path, which is hexadecimal digits: a forged Host or query cannot change it. It has
// no script, and loads nothing.
#ifndef TCSYNC_SRC_HTTP_LANDING_PAGE_H_
#define TCSYNC_SRC_HTTP_LANDING_PAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "http/operator_details.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

// Immutable.
class LandingPage {
 public:
  explicit LandingPage(const OperatorDetails& details);

  // `token`: of the path, as access::IsToken knows it; "" for a path without one. The page does not
  // depend on its validity.
  Response Answer(absl::string_view token) const;

 private:
  const OperatorDetails details_;
  const std::string without_token_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_LANDING_PAGE_H_
