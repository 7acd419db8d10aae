// The log: one line for each message, on standard error.
#ifndef TCSYNC_SRC_SERVER_SERVER_LOG_H_
#define TCSYNC_SRC_SERVER_SERVER_LOG_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace tcsync::server {

// Thread-safe.
class ServerLog {
 public:
  // `least_level` is a value of the option log-level.
  explicit ServerLog(std::string_view least_level);
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  void Info(const std::string& message);

  // A tcsync_log_function; `user_data` is the ServerLog.
  static void Receive(void* user_data, int level, const char* message, size_t message_size);

 private:
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_SERVER_LOG_H_
