// A replica's database through SQLite itself: as other programs write it, and damage it.
#ifndef TCSYNC_TESTS_UNIT_REPLICA_RAW_DATABASE_H_
#define TCSYNC_TESTS_UNIT_REPLICA_RAW_DATABASE_H_

#include <sqlite3.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

inline Uuid TaskId(int number) {
  const std::string digits = std::to_string(number);
  return *Uuid::Parse("00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits);
}

inline std::string DatabasePath(const std::string& directory) {
  return directory + "/taskchampion.sqlite3";
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Null, and a failure of the test, if it cannot be opened.
inline std::unique_ptr<Replica> MustOpen(const std::string& directory,
                                         const ReplicaOptions& options = {}) {
  auto replica = Replica::Open(directory, options);
  if (!replica.ok()) {
    ADD_FAILURE() << replica.status();
    return nullptr;
  }
  return *std::move(replica);
}

// The status of opening the directory.
inline absl::Status TryOpen(const std::string& directory, const ReplicaOptions& options = {}) {
  return Replica::Open(directory, options).status();
}

// One connection. Every SQL must succeed, else the test fails.
class RawDatabase {
 public:
  explicit RawDatabase(const std::string& directory) {
    EXPECT_EQ(sqlite3_open(DatabasePath(directory).c_str(), &database_), SQLITE_OK);
  }
  RawDatabase(const RawDatabase&) = delete;
  RawDatabase& operator=(const RawDatabase&) = delete;
  ~RawDatabase() { sqlite3_close(database_); }

  // The rows, each with '|' between its columns.
  std::vector<std::string> Run(const std::string& sql) {
    std::vector<std::string> rows;
    char* error = nullptr;
    const int result = sqlite3_exec(
        database_, sql.c_str(),
        [](void* out, int columns, char** values, char**) {
          std::string& row = static_cast<std::vector<std::string>*>(out)->emplace_back();
          for (int i = 0; i < columns; ++i) {
            absl::StrAppend(&row, i > 0 ? "|" : "", values[i] != nullptr ? values[i] : "NULL");
          }
          return 0;
        },
        &rows, &error);
    EXPECT_EQ(result, SQLITE_OK) << sql << ": " << (error != nullptr ? error : "");
    sqlite3_free(error);
    return rows;
  }

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace tcsync::replica

#endif  // TCSYNC_TESTS_UNIT_REPLICA_RAW_DATABASE_H_
