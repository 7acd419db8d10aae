// The storage suite: the required behaviour of every backend, as in include/tcsync/storage.h. Each
// test runs against each backend of storage_suite.cc; a new backend is one more entry there.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_
#define TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "tcsync/storage.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {

struct Backend {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Storage>>(const std::string& directory)> open;

  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) {
    return out << backend.name;
  }
};

class StorageSuite : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Storage>> storage = GetParam().open(directory_.path());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  Storage& storage() { return *storage_; }

 private:
  const TemporaryDirectory directory_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_
