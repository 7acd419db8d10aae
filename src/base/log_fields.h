// Fields of a log message: what programs look for, before the sentence for people
// (include/tcsync/log.h says how they are written).
#ifndef TCSYNC_SRC_BASE_LOG_FIELDS_H_
#define TCSYNC_SRC_BASE_LOG_FIELDS_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::base {

struct LogField {
  absl::string_view name;   // lower-case letters and underscores
  absl::string_view value;  // without spaces or a colon at its end; "" leaves the field away
};

// "status=429 reason=client-rate: sentence"; `sentence` alone when no field has a value.
std::string WithLogFields(std::initializer_list<LogField> fields, absl::string_view sentence);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_LOG_FIELDS_H_
