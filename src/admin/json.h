// JSON, as the administration API answers with it.
#ifndef TCSYNC_SRC_ADMIN_JSON_H_
#define TCSYNC_SRC_ADMIN_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace tcsync::admin {

// Members keep the order in which they were written, which is the order of docs/administration.md.
using Json = nlohmann::ordered_json;

// The text of `value`, in one line. Bytes that are no UTF-8 become replacement characters.
std::string ToText(const Json& value);

// An error that programs are told more of than its sentence: the members of the object `details`.
absl::Status WithDetails(absl::Status status, const Json& details);
// Those members; an empty object if there are none.
Json DetailsOf(const absl::Status& status);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_JSON_H_
