#include "storage/rocksdb/info_log.h"

#include <cstdarg>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "base/foreign_text.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr size_t kLineBytesMax = 1024;

class InfoLog final : public rocksdb::Logger {
 public:
  explicit InfoLog(const base::Logger& logger)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), logger_(logger) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    if (!logger_.Passes(LogLevel::kDebug)) return;
    char line[kLineBytesMax];
    vsnprintf(line, sizeof(line), format, arguments);
    // The message may contain keys, which begin with client IDs.
    logger_.Log(LogLevel::kDebug, "rocksdb: ", base::ShowForeign(absl::StripAsciiWhitespace(line)));
  }
  // These messages list all options and the library's build at each start.
  void LogHeader(const char*, va_list) override {}

 private:
  const base::Logger logger_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> InfoLogInto(const base::Logger& logger) {
  return std::make_shared<InfoLog>(logger);
}

std::shared_ptr<rocksdb::Logger> NoInfoLog() { return InfoLogInto(base::Logger()); }

}  // namespace tcsync::rocksdb_storage
