// Text for people, as logs and error messages promise it: UTF-8 in one line.
#ifndef TCSYNC_SRC_BASE_ONE_LINE_H_
#define TCSYNC_SRC_BASE_ONE_LINE_H_

#include <string>

namespace tcsync::base {

// Overwrites control characters, those that end a line or turn the direction of writing (Unicode's
// bidirectional controls), and whatever is not UTF-8 (RFC 3629) with question marks. Messages
// repeat values that came from outside, which could otherwise split a line in two, end a C string
// early, steer a terminal or show as something else. Never allocates, and so never throws.
void MakeOneLine(std::string& text) noexcept;

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_ONE_LINE_H_
