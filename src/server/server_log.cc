#include "server/server_log.h"

#include <memory>
#include <string>
#include <string_view>

#include "server/log_line.h"
#include "server/one_line.h"
#include "spdlog/logger.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace tcsync::server {
namespace {

spdlog::level::level_enum LevelOf(int level) {
  switch (level) {
    case TCSYNC_LOG_DEBUG:
      return spdlog::level::debug;
    case TCSYNC_LOG_INFO:
      return spdlog::level::info;
    case TCSYNC_LOG_WARNING:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

int LevelNamed(std::string_view name) {
  if (name == "debug") return TCSYNC_LOG_DEBUG;
  if (name == "warning") return TCSYNC_LOG_WARNING;
  if (name == "error") return TCSYNC_LOG_ERROR;
  return TCSYNC_LOG_INFO;
}

}  // namespace

ServerLog::ServerLog(std::string_view least_level, std::string_view format)
    : is_json_(format == "json"),
      own_level_(LevelNamed(least_level)),
      logger_(std::make_unique<spdlog::logger>("tcsync-server",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  // UTC, so that the lines of servers and users in several places can be compared.
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      is_json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
               : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v",
      spdlog::pattern_time_type::utc));
  logger_->set_level(LevelOf(own_level_));
}

ServerLog::~ServerLog() = default;

void ServerLog::Info(const std::string& message) { Say(TCSYNC_LOG_INFO, message); }

void ServerLog::Warn(const std::string& message) { Say(TCSYNC_LOG_WARNING, message); }

void ServerLog::LeaveEngineLevel() { logger_->set_level(spdlog::level::debug); }

void ServerLog::Receive(void* user_data, const tcsync_log_record* record) {
  auto& log = *static_cast<ServerLog*>(user_data);
  const int level = tcsync_log_record_level(record);
  if (!log.is_json_) return log.Write(level, tcsync_log_record_text(record));
  LogFields fields;
  const size_t field_count = tcsync_log_record_field_count(record);
  for (size_t i = 0; i < field_count; ++i) {
    tcsync_header field = {};
    if (tcsync_log_record_field(record, i, &field, nullptr) != TCSYNC_OK) continue;
    fields.push_back({{field.name, field.name_size}, {field.value, field.value_size}});
  }
  log.Write(level, JsonMembers(fields, tcsync_log_record_message(record)));
}

void ServerLog::Say(int level, const std::string& message) {
  if (level >= own_level_) Write(level, is_json_ ? JsonMembers({}, message) : OneLine(message));
}

void ServerLog::Write(int level, std::string_view line) {
  // As text, not as a format: a message may contain braces. spdlog reports its own errors itself.
  logger_->log(LevelOf(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tcsync::server
