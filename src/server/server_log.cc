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

spdlog::level::level_enum LevelNamed(std::string_view name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "warning") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

}  // namespace

ServerLog::ServerLog(std::string_view least_level, std::string_view format)
    : is_json_(format == "json"),
      logger_(std::make_unique<spdlog::logger>("tcsync-server",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  // UTC, so that the lines of servers and users in several places can be put side by side.
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      is_json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
               : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v",
      spdlog::pattern_time_type::utc));
  logger_->set_level(LevelNamed(least_level));
}

ServerLog::~ServerLog() = default;

void ServerLog::Info(const std::string& message) {
  Receive(this, TCSYNC_LOG_INFO, message.data(), message.size());
}

void ServerLog::Receive(void* user_data, int level, const char* message, size_t message_size) {
  ServerLog& log = *static_cast<ServerLog*>(user_data);
  // As text, not as a format: a message may contain braces. spdlog reports its own errors itself.
  const auto write = [&log, level](std::string_view text) {
    log.logger_->log(LevelOf(level), spdlog::string_view_t(text.data(), text.size()));
  };
  const std::string_view text(message, message_size);
  if (log.is_json_) {
    write(JsonMembers(text));
  } else {
    write(text);
  }
}

}  // namespace tcsync::server
