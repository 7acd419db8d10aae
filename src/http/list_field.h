// Header fields whose values are lists.
#ifndef TCSYNC_SRC_HTTP_LIST_FIELD_H_
#define TCSYNC_SRC_HTTP_LIST_FIELD_H_

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

// Calls `visit` with each item of the fields of that name, which are one list (RFC 9110, section
// 5.3): first the item without the white space around it, then its parameters as they are, from the
// first semicolon on. Items in quotes must have no comma and no semicolon in them.
template <typename Visit>
void ForEachListItemWithParameters(const RequestHead& head, absl::string_view name,
                                   const Visit& visit) {
  for (const HeaderView& header : head.headers) {
    if (!absl::EqualsIgnoreCase(header.name, name)) continue;
    for (const absl::string_view item : absl::StrSplit(header.value, ',')) {
      const size_t end = std::min(item.find(';'), item.size());
      visit(absl::StripAsciiWhitespace(item.substr(0, end)), item.substr(end));
    }
  }
}

// The same without the parameters.
template <typename Visit>
void ForEachListItem(const RequestHead& head, absl::string_view name, const Visit& visit) {
  ForEachListItemWithParameters(
      head, name, [&visit](absl::string_view item, absl::string_view) { visit(item); });
}

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_LIST_FIELD_H_
