// Text from outside, in the form in which a log line or an error message may show it.
//
// People put secrets into wrong places: a client ID for a method, a secret into CLIENT_ID, a
// password into a URL, a token into the reason for a ban. A reader of a log must not find the key
// to a history there, so every quotation of foreign text in a message passes through here.
#ifndef TCSYNC_SRC_BASE_FOREIGN_TEXT_H_
#define TCSYNC_SRC_BASE_FOREIGN_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::base {

// `text` with a note of their length in place of
//   words that look like an ID, a key, a digest or a token: 16 or more hexadecimal digits, with
//     dashes between them or not, or 20 or more characters with digits among them; but not numbers;
//   the user and the password of a URL;
//   the bytes after the first 200.
// Other bytes are unchanged: escaping is up to the writer of a log line or to a terminal. A short
// password looks like any other word, and is shown: use ShowLength for a text that is likely to be
// one.
std::string ShowForeign(absl::string_view text);

// "a text of 12 bytes".
std::string ShowLength(absl::string_view text);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_FOREIGN_TEXT_H_
