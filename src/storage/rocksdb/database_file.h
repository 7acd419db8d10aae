// The file DATABASE of a data directory: the identity of the database that belongs there, and the
// extent of its acknowledged writes. It is made right after the database, before any write is
// acknowledged, so that a directory with one is never mistaken for a new one.
//
//   at 0      "tcsync database ID\n": the identity that RocksDB gave the database
//   at 4096   a mark, a line of text: "3 log 12 from 1000 to 1100 manifest 5 346 crc32c 1a2b3c4d\n"
//   at 8192   another one
//
// Unused bytes are line breaks. The mark with the higher number is valid, and the next one
// overwrites the other, so that a loss of power during a write costs one mark at most. Marks are
// written when the database is opened and closed, and at most once a second while there are writes,
// never by the thread of the writes. They distinguish an incomplete log from a whole one.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/rocksdb/write_ahead_log.h"

namespace tcsync::rocksdb_storage {

// Thread-compatible; move-only.
class DatabaseFile {
 public:
  // kNotFound: it does not exist. kDataLoss: it is malformed.
  static absl::StatusOr<DatabaseFile> Open(const std::string& path);
  // Creates the file, or replaces it atomically, without a mark; durable when it returns.
  static absl::StatusOr<DatabaseFile> Create(const std::string& path,
                                             const std::string& database_id);

  DatabaseFile(DatabaseFile&& other) noexcept;
  DatabaseFile& operator=(DatabaseFile&& other) = delete;
  ~DatabaseFile();

  const std::string& database_id() const { return database_id_; }
  // nullopt: none was written yet.
  const std::optional<LogMark>& mark() const { return mark_; }

  // Durable when it returns. An unchanged mark is not written again.
  absl::Status Write(const LogMark& mark);

 private:
  DatabaseFile(std::string path, int fd, std::string database_id);

  std::string path_;
  int fd_;  // -1 after a move
  std::string database_id_;
  std::optional<LogMark> mark_;
  uint64_t number_ = 0;  // of the valid mark
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_
