// The log: one line for each record, on standard error, as text for people, or as a JSON object
// with "time", "level", the record's fields, and "message".
#ifndef TCSYNC_SRC_SERVER_SERVER_LOG_H_
#define TCSYNC_SRC_SERVER_SERVER_LOG_H_

#include <memory>
#include <string>
#include <string_view>

#include "tcsync.h"

namespace spdlog {
class logger;
}

namespace tcsync::server {

// Thread-safe.
class ServerLog {
 public:
  // Values of the options log-level and log-format.
  ServerLog(std::string_view least_level, std::string_view format);
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  void Info(const std::string& message);
  void Warn(const std::string& message);

  // From here on messages of the engine are not filtered again: it filters by its own level, which
  // an operator can change while it runs.
  void LeaveEngineLevel();

  // A tcsync_log_function; `user_data` is the ServerLog.
  static void Receive(void* user_data, const tcsync_log_record* record);

 private:
  // A message of the server's own, without fields.
  void Say(int level, const std::string& message);
  // Writes `line` in the format.
  void Write(int level, std::string_view line);

  const bool is_json_;
  const int own_level_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_SERVER_LOG_H_
