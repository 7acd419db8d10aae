// The storage suite: the required behaviour of every backend, as in include/tcsync/storage.h. Each
// test runs against each backend of storage_suite.cc; a new backend is one more entry there.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_
#define TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tcsync/storage.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {

struct Backend {
  std::string name;
  // With an empty directory or, for PostgreSQL, the connection string of a new database.
  std::function<absl::StatusOr<std::unique_ptr<Storage>>(const std::string& place)> open;
  bool is_in_postgres = false;

  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) {
    return out << backend.name;
  }
};

class StorageSuite : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    std::string place = directory_.path();
    if (GetParam().is_in_postgres) {
      if (const std::optional<std::string> missing = PostgresMissing()) {
        TCSYNC_MISSING_PREREQUISITE(*missing);
      }
      absl::StatusOr<std::unique_ptr<PostgresDatabase>> database = PostgresDatabase::Make();
      ASSERT_TRUE(database.ok()) << database.status();
      database_ = *std::move(database);
      place = database_->url();
    }
    absl::StatusOr<std::unique_ptr<Storage>> storage = GetParam().open(place);
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  Storage& storage() { return *storage_; }

 private:
  const TemporaryDirectory directory_;
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_STORAGE_SUITE_H_
