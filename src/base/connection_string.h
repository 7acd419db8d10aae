// PostgreSQL's connection strings, as far as they must not be repeated.
#ifndef TCSYNC_SRC_BASE_CONNECTION_STRING_H_
#define TCSYNC_SRC_BASE_CONNECTION_STRING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::base {

// `text` with "***" in place of each password, and otherwise unchanged. Of a text that libpq would
// not take, or would take for something else than its author, nothing is shown: such a text, an @
// or a space in the password for example, may have a secret anywhere. The rules are those of
// libpq's conninfo_parse and conninfo_uri_parse.
std::string WithoutPassword(absl::string_view text);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_CONNECTION_STRING_H_
