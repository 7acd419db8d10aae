// The RocksDB database under the storage: opens it, lends it to readers and the writer, and opens
// it again after a failed write.
//
// A failed write to the log (the disk was full) may have left a part of it there, or all of it, and
// nothing may be written behind it. RocksDB's own recovery, DB::Resume() and a thread that calls it
// unasked, begins a new log only if the memtable is not empty, and otherwise continues in the
// failed one: a later start then loses acknowledged writes, and a build with assertions aborts at
// the next write. So RocksDB's recovery is off here. After a failed write
//
//   1. reads continue and writes are refused, for as long as a probe finds no room on the disk;
//   2. with room, the database is closed, which waits for its borrowers, and opened from the
//      directory, as at a start: acknowledged writes in the log become table files, refused ones
//      are dropped, and a new log begins;
//   3. if it cannot be opened, reads are refused as well, until an attempt succeeds. Each following
//      read or write makes one.
//
// Before each opening, the directory is examined (database_check.h), and one that is not whole is
// refused unchanged: nothing is created or deleted in it. While the database is open, a thread
// checks every second that the path still leads there (directory_watch.h); if not, writes are
// refused. The same thread notes the extent of the acknowledged writes (database_file.h).
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/logger.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database_file.h"
#include "storage/rocksdb/directory_watch.h"
#include "storage/rocksdb/rocksdb_storage_options.h"

namespace tcsync::rocksdb_storage {

// A copy that shares nothing with `status`. Each receiver of a failure may drop it on another
// thread, and distributions' Abseil counts the references in code that thread sanitizers cannot
// see.
inline absl::Status OwnCopy(const absl::Status& status) {
  return {status.code(), status.message()};
}

// Thread-safe.
class Database {
 private:
  // One opening of the database, and its readers.
  struct Opened {
    explicit Opened(std::unique_ptr<rocksdb::DB> database)
        : db(std::move(database)),
          memory_reader(*db, ReadTier::kMemory),
          disk_reader(*db, ReadTier::kDisk) {}

    const std::unique_ptr<rocksdb::DB> db;
    const ChainReader memory_reader;
    const ChainReader disk_reader;
  };

 public:
  // The database on loan: it is not closed during the loan's lifetime. Iterators and snapshots must
  // be gone before. A borrower must not wait for another one, and not call back into storage.
  class Loan {
   public:
    Loan(Loan&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)), opened_(other.opened_) {}
    Loan& operator=(Loan&& other) = delete;
    ~Loan() {
      if (database_ != nullptr) database_->GiveBack();
    }

    rocksdb::DB& db() const { return *opened_->db; }
    const ChainReader& reader(ReadTier tier) const {
      return tier == ReadTier::kMemory ? opened_->memory_reader : opened_->disk_reader;
    }

   private:
    friend class Database;
    Loan(Database& database, const Opened& opened) : database_(&database), opened_(&opened) {}

    Database* database_;
    const Opened* opened_;
  };

  struct Hooks {
    // Called before each reopening, when nobody has the database on loan.
    std::function<void()> before_reopening;
    // Whether disk space is short, so that compactions must leave some for the log. Called on any
    // thread.
    std::function<bool()> is_room_short;
  };

  // Opens the database in `directory`, and creates it when the directory is new. kDataLoss: it is
  // not whole; nothing was changed.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DataDirectory& directory,
                                                        const RocksdbStorageOptions& options,
                                                        const base::Logger& logger, Hooks hooks);

  // The disk space that reopening needs.
  static uint64_t RoomBytes(const RocksdbStorageOptions& options);

  // Nobody may have the database on loan.
  ~Database();

  // kMemory: never waits; an error that NeedsDisk() while the database is not open. kDisk: waits
  // for a reopening in progress, or tries one after a failed one; the error has the reason of the
  // failure.
  absl::StatusOr<Loan> Borrow(ReadTier tier);

  // To be called before a write: reopens the database after a failed one. Errors:
  // kResourceExhausted when there is still no room on the disk, kFailedPrecondition when the
  // directory is not in its place, kDataLoss when it is not whole any more, or the error that made
  // it fail. The caller may have nothing on loan.
  absl::Status MakeWritable();

  // Writes all of `writes` or nothing, and syncs it if `sync`. After an error the database is
  // unchanged for its readers. One thread at a time.
  absl::Status Write(const Loan& loan, rocksdb::WriteBatch& writes, bool sync);

 private:
  class FailureListener;
  class AcknowledgedOnly;

  Database(const DataDirectory& directory, const RocksdbStorageOptions& options,
           const base::Logger& logger, Hooks hooks);

  // Reads DATABASE.
  absl::Status LoadFile(const DataDirectory& directory);
  // Whether the database in the directory may be opened.
  absl::Status Examine();
  absl::Status OpenDirectory();
  // Notes the extent of the acknowledged writes. `begins_log`: the database was just opened, and
  // nothing has been written yet.
  absl::Status NoteMark(rocksdb::DB& db, bool begins_log);
  absl::Status UpdateMark();
  // The log that the mark names.
  uint64_t NotedLog();
  // Whether the files in use are present.
  absl::Status CheckFiles();
  void WatchPeriodically();
  void WatchOnce(bool with_files);
  absl::Status Place() const;
  bool IsLendable() const;
  void GiveBack();
  // Reopens the database if it is closed or, for a writer, if a write had failed.
  absl::Status Reopen(bool for_writing);
  // Whether the disk has the room for opening and for the writes after it.
  absl::Status CheckRoom() const;
  void Close();

  const base::Logger logger_;
  const std::string data_dir_;
  const std::string path_;
  const std::string file_path_;
  const std::string room_path_;
  const uint64_t room_bytes_;
  const std::function<void()> before_reopening_;
  const std::chrono::milliseconds watch_interval_;
  bool may_create_;  // the directory is new, and no database was opened in it yet
  const std::unique_ptr<rocksdb::Env> log_env_;
  const std::unique_ptr<rocksdb::Env> env_;  // over log_env_
  const std::unique_ptr<AcknowledgedOnly> acknowledged_only_;
  rocksdb::Options options_;

  // The end of the synced writes; and, for the writer, the same number while there are unsynced
  // writes behind it.
  std::atomic<uint64_t> synced_sequence_{0};
  std::optional<uint64_t> unsynced_since_;

  // Whether a write has failed since the last opening, RocksDB's own background ones included.
  std::atomic<bool> write_failed_{false};

  std::mutex reopening_mutex_;      // held during a reopening
  std::unique_ptr<Opened> opened_;  // changed under reopening_mutex_ when nobody has it on loan

  mutable std::mutex mutex_;  // guards the members below; held for a moment only
  std::condition_variable all_given_back_;
  bool is_lendable_ = false;
  int loans_ = 0;

  std::mutex file_mutex_;             // guards file_; held while a mark is written
  std::optional<DatabaseFile> file_;  // nullopt: it is not made yet

  std::optional<DirectoryWatch> watch_;  // once it is open
  mutable std::mutex place_mutex_;       // guards the members below
  std::condition_variable closing_;
  absl::Status place_;  // the fault that the last check of the directory's place found
  bool is_closing_ = false;
  bool mark_failed_ = false;  // the watch thread's
  absl::Status refusal_;      // of the last attempt to open it again, and when that was; under
  std::chrono::steady_clock::time_point refused_at_{};  // reopening_mutex_
  std::thread watch_thread_;                            // uses the members above
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_
