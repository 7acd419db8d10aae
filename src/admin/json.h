// The JSON of the administration API's answers.
#ifndef TCSYNC_SRC_ADMIN_JSON_H_
#define TCSYNC_SRC_ADMIN_JSON_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// Members keep the order of their insertion, which is the order of docs/administration.md.
using Json = nlohmann::ordered_json;

// The text of `value`, in one line. Bytes outside UTF-8 become replacement characters.
std::string ToText(const Json& value);

// null in place of 0, an empty text or no UUID, where they say that there is no value.
template <typename Value>
Json OrNull(const Value& value) {
  return value == Value{} ? Json() : Json(value);
}
inline Json OrNull(const std::optional<Uuid>& id) { return id ? Json(id->ToString()) : Json(); }

// An error with details for programs beside its sentence: the members of the object `details`.
absl::Status WithDetails(absl::Status status, const Json& details);
// Those members; an empty object if there are none.
Json DetailsOf(const absl::Status& status);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_JSON_H_
