// The object of a tcsync_log_record.
#ifndef TCSYNC_CAPI_SRC_LOG_RECORD_H_
#define TCSYNC_CAPI_SRC_LOG_RECORD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/log.h"

struct tcsync_log_record : tcsync::capi::Handle<tcsync::capi::HandleType::kLogRecord> {
  // A copy.
  explicit tcsync_log_record(const tcsync::LogRecord& record);
  // Without fields, for a text of a longer life. Needs no memory.
  tcsync_log_record(int level, const char* text) noexcept
      : level(level), text(text), message(text) {}

  // Its part of the memory for waiting records.
  size_t bytes() const { return strings.size(); }

  const int level;
  std::string strings = {};  // its own, each followed by a NUL
  const char* text = nullptr;
  const char* message = nullptr;
  std::vector<tcsync_header> fields = {};
};

#endif  // TCSYNC_CAPI_SRC_LOG_RECORD_H_
