// Text that others sent or wrote, as a log line or an error message may show it.
//
// People put things in wrong places: a client ID where the method belongs, a secret into CLIENT_ID,
// a password into a URL, a token into the reason for a ban. Whoever reads a log must not get from
// it into somebody's history. So everything foreign that a message quotes goes through here.
#ifndef TCSYNC_SRC_BASE_FOREIGN_TEXT_H_
#define TCSYNC_SRC_BASE_FOREIGN_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::base {

// `text` with a note of their length in place of
//   words that look like an ID, a key, a digest or a token: 16 or more hexadecimal digits, with
//     dashes between them or not, or 20 or more characters with digits among them; but not numbers;
//   the user and the password of a URL;
//   and what is behind the first 200 bytes.
// Other bytes are as they were: whoever writes a line of a log or to a terminal takes care of that.
// A short password is a word like any other, and is shown: where a text is likely to be one,
// ShowLength is for it.
std::string ShowForeign(absl::string_view text);

// "a text of 12 bytes".
std::string ShowLength(absl::string_view text);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_FOREIGN_TEXT_H_
