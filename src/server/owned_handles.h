// Owners for the handles of the C ABI, so that every path out of the server frees them.
#ifndef TCSYNC_SRC_SERVER_OWNED_HANDLES_H_
#define TCSYNC_SRC_SERVER_OWNED_HANDLES_H_

#include <memory>
#include <stdexcept>
#include <string>

#include "tcsync.h"

namespace tcsync::server {

template <auto Function>
struct FreeWith {
  template <typename Handle>
  void operator()(Handle* handle) const {
    Function(handle);
  }
};

using Config = std::unique_ptr<tcsync_config, FreeWith<tcsync_config_free>>;
using Engine = std::unique_ptr<tcsync_engine, FreeWith<tcsync_engine_free>>;
using Listener = std::unique_ptr<tcsync_listener, FreeWith<tcsync_listener_free>>;
using Response = std::unique_ptr<tcsync_response, FreeWith<tcsync_response_free>>;
using Bytes = std::unique_ptr<tcsync_bytes, FreeWith<tcsync_bytes_free>>;

// The exit status, other than success (0) or a signal.
inline constexpr int kExitFailure = 1;  // the request failed
inline constexpr int kExitUsage = 2;    // the request is invalid

// A failure that ends the program: one line for people, and the exit status.
class Failure : public std::runtime_error {
 public:
  Failure(int exit_status, const std::string& message)
      : std::runtime_error(message), exit_status_(exit_status) {}

  int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

// Calls a function of the C ABI that takes `arguments` and then a tcsync_error**; throws Failure if
// it fails. An argument that it calls invalid came from the command line or the environment.
template <typename Function, typename... Arguments>
void Call(Function function, Arguments... arguments) {
  tcsync_error* error = nullptr;
  const tcsync_code code = function(arguments..., &error);
  if (code == TCSYNC_OK) return;
  const std::unique_ptr<tcsync_error, FreeWith<tcsync_error_free>> owner(error);
  // There is no error object if memory ran out while it was made.
  const std::string message =
      error != nullptr ? tcsync_error_message(error) : tcsync_code_name(code);
  throw Failure(TCSYNC_COARSE(code) == TCSYNC_INVALID_ARGUMENT ? kExitUsage : kExitFailure,
                message);
}

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_OWNED_HANDLES_H_
