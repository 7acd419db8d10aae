// The SQLite that a replica is opened with: if these fail, a program with an unsuitable one is told
// of a damaged database, or has its memory corrupted, instead of a reason.
#include "replica/sqlite_library.h"

#include <dlfcn.h>
#include <sqlite3.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tcsync/replica.h"

namespace {

bool has_unsafe_copy = false;

}  // namespace

// As in a program that contains SQLite: this one is called instead of the shared library's.
int sqlite3_threadsafe(void) {
  if (has_unsafe_copy) return 0;
  return reinterpret_cast<int (*)()>(dlsym(RTLD_NEXT, "sqlite3_threadsafe"))();
}

namespace tcsync::replica {
namespace {

using ::testing::HasSubstr;

SqliteLibrary Suitable() {
  return {.version = "3.38.0",
          .version_number = 3'038'000,
          .is_thread_safe = true,
          .has_json_functions = true};
}

void ExpectRefused(const SqliteLibrary& library, absl::string_view reason) {
  const absl::Status status = CheckSqliteLibrary(library);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr(library.version));
  EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
}

// If this fails, no replica can be opened on this machine.
TEST(SqliteLibraryTest, TheLoadedOneIsSuitable) {
  EXPECT_TRUE(CheckSqliteLibrary(SqliteLibrary::Loaded()).ok())
      << CheckSqliteLibrary(SqliteLibrary::Loaded());
}

// If this fails, a system is refused that has all that a replica needs.
TEST(SqliteLibraryTest, TheOldestThatIsSuitable) {
  EXPECT_TRUE(CheckSqliteLibrary(Suitable()).ok());
}

// If this fails, the first statement that such a release does not know fails, after others had
// effect.
TEST(SqliteLibraryTest, AnOlderOneIsRefused) {
  SqliteLibrary library = Suitable();
  library.version = "3.37.2";
  library.version_number = 3'037'002;
  ExpectRefused(library, "older than 3.38");
}

// If this fails, two replicas on two threads corrupt the memory that SQLite shares between them.
TEST(SqliteLibraryTest, OneWithoutThreadSafetyIsRefused) {
  SqliteLibrary library = Suitable();
  library.is_thread_safe = false;
  ExpectRefused(library, "thread safety");
}

// If this fails, every replica is reported as damaged: its tables cannot be read.
TEST(SqliteLibraryTest, OneWithoutJsonIsRefused) {
  SqliteLibrary library = Suitable();
  library.has_json_functions = false;
  ExpectRefused(library, "JSON functions");
}

// If this fails, the checks above are made nowhere.
TEST(SqliteLibraryTest, NoReplicaIsOpenedWithAnUnsuitableOne) {
  has_unsafe_copy = true;
  const auto replica = Replica::OpenInMemory();
  has_unsafe_copy = false;
  EXPECT_EQ(replica.status().code(), absl::StatusCode::kUnimplemented) << replica.status();
  EXPECT_TRUE(Replica::OpenInMemory().ok());
}

}  // namespace
}  // namespace tcsync::replica
