// The well-formedness of UTF-8 (RFC 3629).
#ifndef TCSYNC_SRC_BASE_UTF8_H_
#define TCSYNC_SRC_BASE_UTF8_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace tcsync::base {

// The length of the well-formed sequence of two to four bytes at the start of `text`; 0 when there
// is none, so for ASCII and for an empty text.
size_t Utf8SequenceLength(absl::string_view text) noexcept;

bool IsUtf8(absl::string_view text) noexcept;

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_UTF8_H_
