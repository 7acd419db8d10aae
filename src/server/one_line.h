// Foreign text as a terminal or a log may show it.
#ifndef TCSYNC_SRC_SERVER_ONE_LINE_H_
#define TCSYNC_SRC_SERVER_ONE_LINE_H_

#include <string>
#include <string_view>

namespace tcsync::server {

// `text` with a question mark in place of each control character, each character that ends a line
// or turns the direction of writing, and each byte that is not UTF-8 (RFC 3629). Labels, paths and
// imported IDs could otherwise steer the operator's terminal, or show as something else. (The
// library does the same for its own messages.)
std::string OneLine(std::string_view text);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ONE_LINE_H_
