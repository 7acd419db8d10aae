// Common parts of the tests of RemoteServer: a client with its key, and results taken apart.
#ifndef TCSYNC_TESTS_UNIT_REMOTE_REMOTE_CALLS_H_
#define TCSYNC_TESTS_UNIT_REMOTE_REMOTE_CALLS_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "tcsync/remote_server.h"

namespace tcsync {

inline const Uuid& TestClientId() {
  static const Uuid id = Uuid::Parse("b2f16405-dff1-413e-9117-cde1c959bd25").value();
  return id;
}

inline const Uuid& TestVersion() {
  static const Uuid id = Uuid::Parse("a7595bf3-1415-4efb-9513-3b5698d3ce6e").value();
  return id;
}

// Deriving takes a good part of a second, so once for all tests.
inline const SealingKey& TestKey() {
  static const SealingKey key = SealingKey::Derive(TestClientId(), "a secret of the tests").value();
  return key;
}

// No proxy, and a time that only bounds how long a failure takes.
inline RemoteServerOptions TestOptions() {
  RemoteServerOptions options;
  options.proxy = "";
  options.connect_timeout_ms = 30'000;
  options.timeout_ms = 30'000;
  return options;
}

inline std::unique_ptr<RemoteServer> OpenRemote(const std::string& url,
                                                const RemoteServerOptions& options = TestOptions(),
                                                bool has_client = true) {
  auto opened = RemoteServer::Open(url, has_client ? std::optional(TestClientId()) : std::nullopt,
                                   has_client ? &TestKey() : nullptr, options);
  if (const auto* const error = std::get_if<RemoteError>(&opened)) {
    ADD_FAILURE() << error->message;
    return nullptr;
  }
  return std::get<std::unique_ptr<RemoteServer>>(std::move(opened));
}

// The value of a result that must not be an error.
template <typename T>
T Value(RemoteResult<T> result) {
  if (const auto* const error = std::get_if<RemoteError>(&result)) {
    ADD_FAILURE() << "fault " << static_cast<int>(error->fault) << ": " << error->message;
    return T{};
  }
  return std::get<T>(std::move(result));
}

// The error of a result that must be one.
template <typename T>
RemoteError ErrorOf(RemoteResult<T> result) {
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  ADD_FAILURE() << "no error";
  return {};
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REMOTE_REMOTE_CALLS_H_
