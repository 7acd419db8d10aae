// A test against each storage backend.
#ifndef TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_
#define TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"

namespace tcsync::conformance {

// The values of the option `storage`. ctest gives those tests a cluster that end with /postgres.
inline auto Backends() { return testing::Values("rocksdb", "memory", "postgres"); }

// Each test has a server, with every default but the backend.
class BackendTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (absl::string_view(GetParam()) == "postgres") {
      if (const std::optional<std::string> missing = PostgresMissing()) {
        TCSYNC_MISSING_PREREQUISITE(*missing);
      }
    }
    server_.emplace(OptionsFor(GetParam()));
  }

  TestServer& server() { return *server_; }

 private:
  std::optional<TestServer> server_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_BACKEND_TEST_H_
