// Whether a database is whole, found out before it is opened for writing: RocksDB's opening deletes
// files that its list does not name, begins a new list, and takes what is missing for what never
// was. Nothing here changes anything in the directory.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_CHECK_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_CHECK_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/database_file.h"
#include "storage/rocksdb/write_ahead_log.h"

namespace tcsync::rocksdb_storage {

struct DatabaseFindings {
  std::string database_id;
  // Sentences without an end, such as "rocksdb/000012.sst is missing". Empty: every file is there
  // that the database lists, with its length.
  std::vector<std::string> problems;
  // Looked for only where there is no other problem.
  std::optional<LogDamage> log_damage;
};

// Looks at the database in a data directory, and compares it with what its DATABASE says; null:
// there is none yet. An error only when the system refuses.
absl::StatusOr<DatabaseFindings> ExamineDatabase(rocksdb::Env& env, const std::string& data_dir,
                                                 const DatabaseFile* file);

// kDataLoss for findings that forbid opening, saying what is wrong and what to do.
absl::Status RefusalOf(const std::string& data_dir, const DatabaseFindings& findings);

// The refusal of a data directory that lacks something beside the database.
absl::Status IncompleteError(const std::string& data_dir, absl::string_view what_is_wrong);

// kDataLoss when something in the database's folder is a part of a database that was in use, so
// that none may be created there.
absl::Status CheckNothingIsThere(rocksdb::Env& env, const std::string& data_dir);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_CHECK_H_
