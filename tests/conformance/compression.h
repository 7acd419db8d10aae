// Compressed bodies for the tests, as clients make them.
#ifndef TCSYNC_TESTS_CONFORMANCE_COMPRESSION_H_
#define TCSYNC_TESTS_CONFORMANCE_COMPRESSION_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::conformance {

// "gzip" (RFC 1952).
std::string Gzip(absl::string_view bytes);

// "deflate" in the sense of RFC 9110, section 8.4.1.2: the zlib format (RFC 1950).
std::string Deflate(absl::string_view bytes);

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_COMPRESSION_H_
