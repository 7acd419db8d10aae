#include "replica/sqlite_library.h"

#include <sqlite3.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tcsync::replica {
namespace {

// The first release with JSON functions by default; DROP COLUMN is in it since 3.35. The build
// looks for the same one (src/cmake/TcsyncDependencies.cmake).
constexpr int kVersionNumberMin = 3'038'000;

}  // namespace

SqliteLibrary SqliteLibrary::Loaded() {
  return {.version = sqlite3_libversion(),
          .version_number = sqlite3_libversion_number(),
          .is_thread_safe = sqlite3_threadsafe() != 0,
          .has_json_functions = sqlite3_compileoption_used("OMIT_JSON") == 0};
}

absl::Status CheckSqliteLibrary(const SqliteLibrary& library) {
  const char* fault = nullptr;
  if (library.version_number < kVersionNumberMin) {
    fault = "it is older than 3.38";
  } else if (!library.is_thread_safe) {
    fault = "it was compiled without thread safety";
  } else if (!library.has_json_functions) {
    fault = "it was compiled without JSON functions";
  }
  if (fault == nullptr) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("this program has SQLite ", library.version,
                                               ", which cannot keep a replica: ", fault));
}

}  // namespace tcsync::replica
