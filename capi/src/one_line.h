// Text for people, as the header promises it: UTF-8 in one line.
#ifndef TCSYNC_CAPI_SRC_ONE_LINE_H_
#define TCSYNC_CAPI_SRC_ONE_LINE_H_

#include <string>

namespace tcsync::capi {

// Overwrites control characters and whatever is not UTF-8 (RFC 3629) with question marks. Messages
// repeat values that came from outside, which could otherwise split a line in two, end a C string
// early or steer a terminal. Never allocates, and so never throws.
void MakeOneLine(std::string& text) noexcept;

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_ONE_LINE_H_
