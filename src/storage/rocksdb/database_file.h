// The file DATABASE of a data directory: which database belongs there, and how far the writes that
// it acknowledged go. It is made when a database was created, before anything is acknowledged, so
// that a directory that has one is never taken for a new one.
//
//   at 0      "tcsync database ID\n": the identity that RocksDB gave the database
//   at 4096   a mark, a line of text: "3 log 12 from 1000 to 1100 manifest 5 346 crc32c 1a2b3c4d\n"
//   at 8192   another one
//
// What is not used is line ends. The mark with the higher number counts; the other one is what is
// written over next, so that a loss of power in the middle costs one mark at most. It is written
// when the database is opened and closed, and at most once a second while there are writes, and
// never by the thread that writes them: it tells logs that lack something from logs that are whole.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/rocksdb/write_ahead_log.h"

namespace tcsync::rocksdb_storage {

// Older storage formats have none.
inline constexpr int kFirstFormatWithDatabaseFile = 3;

// Thread-compatible; move-only.
class DatabaseFile {
 public:
  // kNotFound: it is not there. kDataLoss: it cannot be understood.
  static absl::StatusOr<DatabaseFile> Open(const std::string& path);
  // Makes it, or makes it anew, without a mark; durable when it returns. What was there is replaced
  // at once or not at all.
  static absl::StatusOr<DatabaseFile> Create(const std::string& path,
                                             const std::string& database_id);

  DatabaseFile(DatabaseFile&& other) noexcept;
  DatabaseFile& operator=(DatabaseFile&& other) = delete;
  ~DatabaseFile();

  const std::string& database_id() const { return database_id_; }
  // nullopt: none was written yet.
  const std::optional<LogMark>& mark() const { return mark_; }

  // Durable when it returns. Nothing happens for a mark that is there already.
  absl::Status Write(const LogMark& mark);

 private:
  DatabaseFile(std::string path, int fd, std::string database_id);

  std::string path_;
  int fd_;  // -1 when moved from
  std::string database_id_;
  std::optional<LogMark> mark_;
  uint64_t number_ = 0;  // of the mark that counts
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_FILE_H_
