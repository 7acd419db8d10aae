// Checks that a database is whole before it is opened for writing: when RocksDB opens one, it
// deletes files that its list does not name, begins a new list, and treats missing files as files
// that never existed. Nothing here changes the directory.
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
  // Sentences without a full stop, such as "rocksdb/000012.sst is missing". Empty: every file that
  // the database lists is present with its length.
  std::vector<std::string> problems;
  // Checked only where there is no other problem.
  std::optional<LogDamage> log_damage;
};

// Checks the database in a data directory, and compares it with its DATABASE; null: there is none
// yet. An error only when the system refuses.
absl::StatusOr<DatabaseFindings> ExamineDatabase(rocksdb::Env& env, const std::string& data_dir,
                                                 const DatabaseFile* file);

// kDataLoss for findings that forbid opening, with the fault and the remedy.
absl::Status RefusalOf(const std::string& data_dir, const DatabaseFindings& findings);

// The refusal of a data directory that lacks something beside the database.
absl::Status IncompleteError(const std::string& data_dir, absl::string_view what_is_wrong);

// kDataLoss when the database's folder has a part of a database that was in use, so that none may
// be created there.
absl::Status CheckHasNoDatabase(rocksdb::Env& env, const std::string& data_dir);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_CHECK_H_
