// The server as its page presents it: its URL, its operator, its terms, and its readiness for new
// users.
#ifndef TCSYNC_SRC_HTTP_OPERATOR_DETAILS_H_
#define TCSYNC_SRC_HTTP_OPERATOR_DETAILS_H_

#include <string>

#include "absl/status/statusor.h"

namespace tcsync::http {

// The options' texts as the operator wrote them; empty: not given.
struct OperatorTexts {
  std::string public_url;
  std::string name;
  std::string contact;
  std::string terms_url;
};

// Checked; likewise.
struct OperatorDetails {
  enum class Newcomers { kWelcome, kInvited, kRefused };

  std::string public_url;  // without a slash at its end
  std::string name;
  std::string contact;       // for people
  std::string contact_link;  // the same as a URL: mailto: or https:
  std::string terms_url;
  Newcomers newcomers = Newcomers::kWelcome;

  // InvalidArgument, with the option, its value and the remedy, for a text that cannot be shown.
  static absl::StatusOr<OperatorDetails> From(const OperatorTexts& texts, Newcomers newcomers);
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_OPERATOR_DETAILS_H_
