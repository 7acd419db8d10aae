#include "server/server_log.h"

#include <memory>
#include <string>
#include <string_view>

#include "server/log_line.h"
#include "spdlog/logger.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "tcsync.h"

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
  // UTC, so that the lines of servers and users in several places can be put side by side.
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      is_json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
               : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v",
      spdlog::pattern_time_type::utc));
  logger_->set_level(LevelOf(own_level_));
}

ServerLog::~ServerLog() = default;

void ServerLog::Info(const std::string& message) {
  if (own_level_ <= TCSYNC_LOG_INFO) Write(TCSYNC_LOG_INFO, message);
}

void ServerLog::Warn(const std::string& message) {
  if (own_level_ <= TCSYNC_LOG_WARNING) Write(TCSYNC_LOG_WARNING, message);
}

void ServerLog::LeaveEngineLevel() { logger_->set_level(spdlog::level::debug); }

void ServerLog::Receive(void* user_data, int level, const char* message, size_t message_size) {
  static_cast<ServerLog*>(user_data)->Write(level, {message, message_size});
}

void ServerLog::Write(int level, std::string_view message) {
  // As text, not as a format: a message may contain braces. spdlog reports its own errors itself.
  const std::string text = is_json_ ? JsonMembers(message) : std::string(message);
  logger_->log(LevelOf(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace tcsync::server
