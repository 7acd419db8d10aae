#include "capi/src/log_record.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "capi/src/guard.h"

using tcsync::LogField;
using tcsync::LogLevel;
using tcsync::capi::Checked;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

static_assert(TCSYNC_LOG_DEBUG == static_cast<int>(LogLevel::kDebug));
static_assert(TCSYNC_LOG_INFO == static_cast<int>(LogLevel::kInfo));
static_assert(TCSYNC_LOG_WARNING == static_cast<int>(LogLevel::kWarning));
static_assert(TCSYNC_LOG_ERROR == static_cast<int>(LogLevel::kError));

tcsync_log_record::tcsync_log_record(const tcsync::LogRecord& record)
    : level(static_cast<int>(record.level)) {
  constexpr absl::string_view kNul("", 1);
  strings = absl::StrCat(ToText(record), kNul);
  // The message ends the text.
  const size_t message_at = strings.size() - 1 - record.message.size();
  size_t at = strings.size();
  for (const LogField& field : record.fields) {
    absl::StrAppend(&strings, field.name, kNul, field.value, kNul);
  }
  text = strings.c_str();
  message = text + message_at;
  for (const LogField& field : record.fields) {
    const char* const name = text + at;
    const char* const value = name + field.name.size() + 1;
    fields.push_back({name, field.name.size(), value, field.value.size()});
    at += field.name.size() + field.value.size() + 2;
  }
}

int tcsync_log_record_level(const tcsync_log_record* record) {
  return Checked(record) == nullptr ? -1 : record->level;
}

const char* tcsync_log_record_text(const tcsync_log_record* record) {
  return Checked(record) == nullptr ? nullptr : record->text;
}

const char* tcsync_log_record_message(const tcsync_log_record* record) {
  return Checked(record) == nullptr ? nullptr : record->message;
}

size_t tcsync_log_record_field_count(const tcsync_log_record* record) {
  return Checked(record) == nullptr ? 0 : record->fields.size();
}

tcsync_code tcsync_log_record_field(const tcsync_log_record* record, size_t index,
                                    tcsync_header* field, tcsync_error** error) {
  tcsync::capi::ClearOutput(field);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(record, "record"); !result.ok()) return result;
    if (field == nullptr) return NullArgument("field");
    if (Result result = tcsync::capi::CheckIndex(index, record->fields.size(), "field");
        !result.ok()) {
      return result;
    }
    *field = record->fields[index];
    return {};
  });
}

const char* tcsync_log_record_field_value(const tcsync_log_record* record, const char* name) {
  if (Checked(record) == nullptr || name == nullptr) return nullptr;
  for (const tcsync_header& field : record->fields) {
    if (absl::string_view(name) == field.name) return field.value;
  }
  return nullptr;
}

void tcsync_log_record_free(tcsync_log_record* record) { delete Checked(record); }
