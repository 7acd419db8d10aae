// The SQLite that a process has loaded, which may be another one than the library was compiled
// with: a program that contains a copy of its own gives the library that one (docs/c-abi.md).
#ifndef TCSYNC_SRC_REPLICA_SQLITE_LIBRARY_H_
#define TCSYNC_SRC_REPLICA_SQLITE_LIBRARY_H_

#include <string>

#include "absl/status/status.h"

namespace tcsync::replica {

struct SqliteLibrary {
  std::string version;     // "3.40.1"
  int version_number = 0;  // 3040001
  // Connections may be used on several threads, one at a time.
  bool is_thread_safe = false;
  // The tables of a replica have columns that are computed with JSON functions.
  bool has_json_functions = false;

  static SqliteLibrary Loaded();
};

// kUnimplemented, with the property that it lacks, for a library that cannot keep a replica.
// Without this check, an old one fails in the middle of an upgrade, and one without mutexes
// corrupts memory.
absl::Status CheckSqliteLibrary(const SqliteLibrary& library);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_SQLITE_LIBRARY_H_
