#include "base/logger.h"

#include "absl/container/inlined_vector.h"
#include "base/one_line.h"

namespace tcsync {

std::string ToText(const LogRecord& record) {
  std::string text;
  for (const LogField& field : record.fields) {
    absl::StrAppend(&text, text.empty() ? "" : " ", field.name, "=", field.value);
  }
  absl::StrAppend(&text, text.empty() ? "" : ": ", record.message);
  return text;
}

namespace base {

void Logger::Write(LogLevel level, const LogFields& fields, std::string message) const {
  MakeOneLine(message);
  const std::string status = fields.status == 0 ? "" : absl::StrCat(fields.status);
  const std::string client = fields.client && naming_ != nullptr ? naming_(*fields.client) : "";
  const std::string version = fields.version ? fields.version->ToString() : "";
  absl::InlinedVector<LogField, 6> present;
  for (const LogField& field : {LogField{"status", status}, LogField{"reason", fields.reason},
                                LogField{"endpoint", fields.endpoint}, LogField{"client", client},
                                LogField{"version", version}, LogField{"source", fields.source}}) {
    if (!field.value.empty()) present.push_back(field);
  }
  function_({.level = level, .message = message, .fields = present});
}

}  // namespace base
}  // namespace tcsync
