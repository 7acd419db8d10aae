// Environment variables for the length of a test.
#ifndef TCSYNC_TESTS_UNIT_REMOTE_ENVIRONMENT_H_
#define TCSYNC_TESTS_UNIT_REMOTE_ENVIRONMENT_H_

#include <cstdlib>
#include <optional>
#include <string>

namespace tcsync {

// Sets a variable, or unsets it for a null value; puts it back when destroyed.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    Set(value);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { Set(before_ ? before_->c_str() : nullptr); }

 private:
  void Set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_.c_str());
    } else {
      setenv(name_.c_str(), value, 1);
    }
  }

  const std::string name_;
  std::optional<std::string> before_;
};

// No proxy, even if the machine's environment has one.
struct CleanProxyEnvironment {
  Variable http_proxy{"http_proxy", nullptr};
  Variable http_proxy_upper{"HTTP_PROXY", nullptr};
  Variable https_proxy{"https_proxy", nullptr};
  Variable https_proxy_upper{"HTTPS_PROXY", nullptr};
  Variable no_proxy{"no_proxy", nullptr};
  Variable no_proxy_upper{"NO_PROXY", nullptr};
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REMOTE_ENVIRONMENT_H_
