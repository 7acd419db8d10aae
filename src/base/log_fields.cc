#include "base/log_fields.h"

#include "absl/strings/str_cat.h"

namespace tcsync::base {

std::string WithLogFields(std::initializer_list<LogField> fields, absl::string_view sentence) {
  std::string message;
  for (const LogField& field : fields) {
    if (field.value.empty()) continue;
    absl::StrAppend(&message, message.empty() ? "" : " ", field.name, "=", field.value);
  }
  absl::StrAppend(&message, message.empty() ? "" : ": ", sentence);
  return message;
}

}  // namespace tcsync::base
