// A test against each storage backend.
#ifndef TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_
#define TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_

#include <optional>

#include "gtest/gtest.h"
#include "test_server.h"

namespace tcsync::conformance {

// The values of the option `storage`.
inline auto Backends() { return testing::Values("rocksdb", "memory"); }

// Each test has a server, with every default but the backend.
class BackendTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { server_.emplace(OptionsFor(GetParam())); }

  TestServer& server() { return *server_; }

 private:
  std::optional<TestServer> server_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_
