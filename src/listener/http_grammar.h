// The parts of HTTP's grammar that are checked here and not by the parser of heads.
#ifndef TCSYNC_SRC_LISTENER_HTTP_GRAMMAR_H_
#define TCSYNC_SRC_LISTENER_HTTP_GRAMMAR_H_

#include "absl/strings/string_view.h"

namespace tcsync::listener {

// Whether the character may be in a field's name (RFC 9110, section 5.6.2).
bool IsTokenCharacter(char c);

// Whether the character may be in a field's value: no control character but the tab.
bool IsFieldText(char c);

// Whether the text is a valid Host (RFC 9110, section 7.2): a host that is not empty, as in RFC
// 3986, and optionally a port.
bool IsHost(absl::string_view text);

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_HTTP_GRAMMAR_H_
