// The RocksDB database under the storage: opens it, lends it to whoever reads or writes, and opens
// it again after a write has failed.
//
// Why again: a write to the log that failed (the disk was full) may stand there in part, or whole,
// and nothing may be written behind it. RocksDB's own way on, DB::Resume() and a thread that calls
// it unasked, begins a new log only if the memtable has something to write out, and otherwise goes
// on in the failed one: a later start then loses what was acknowledged, and a build with assertions
// aborts at the next write. So RocksDB's recovery is off here. After a failed write
//
//   1. reads go on, and writes are refused, for as long as a probe finds no room on the disk;
//   2. with room, the database is closed, which waits for those who have it on loan, and opened
//   from
//      the directory, as at a start: what the log holds of acknowledged writes becomes table files,
//      what was refused is left out, and a new log begins;
//   3. if it cannot be opened, nobody can read either, until an attempt succeeds. Whoever wants to
//      read or write next makes it.
//
// Before it is opened, at a start and again, the directory is examined (database_check.h), and one
// that is not whole is refused as it is: nothing is created in it or deleted. While it is open, a
// thread looks every second whether the path still leads there (directory_watch.h), and otherwise
// writes are refused. The same thread notes how far acknowledged writes go (database_file.h).
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

// One that shares nothing with `status`. Each receiver of a failure may drop it on another thread,
// and distributions' Abseil counts the references in code that thread sanitizers cannot see.
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
  // The database on loan: it is not closed for as long as this lives. Iterators and snapshots must
  // be gone before. Who has one must not wait for another, and not call back into storage.
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
    // Called each time before it is opened again, when nobody has it on loan.
    std::function<void()> before_reopening;
    // Whether room on the disk is short, so that compactions must leave some for the log. Called on
    // any thread.
    std::function<bool()> is_room_short;
  };

  // Opens the database in `directory`, creating it when the directory is new. kDataLoss: it is not
  // whole; nothing was changed.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DataDirectory& directory,
                                                        const RocksdbStorageOptions& options,
                                                        const base::Logger& logger, Hooks hooks);

  // What opening it again needs on the disk.
  static uint64_t RoomBytes(const RocksdbStorageOptions& options);

  // Nobody may have it on loan.
  ~Database();

  // kMemory: never waits; an error that NeedsDisk() while the database is not open. kDisk: waits
  // while it is opened again, or tries that when it had failed; an error says why it failed.
  absl::StatusOr<Loan> Borrow(ReadTier tier);

  // Before a write: after one that failed, opens the database again. Errors: kResourceExhausted
  // when there is still no room on the disk, kFailedPrecondition when the directory is not where it
  // was, kDataLoss when it is not whole any more, or what made it fail. Nothing may be on loan to
  // the caller.
  absl::Status MakeWritable();

  // Writes all of `writes` or nothing, and syncs it if `sync`. After an error the database, for
  // others who read it, is as it was before. One thread at a time.
  absl::Status Write(const Loan& loan, rocksdb::WriteBatch& writes, bool sync);

 private:
  class FailureListener;
  class AcknowledgedOnly;

  Database(const DataDirectory& directory, const RocksdbStorageOptions& options,
           const base::Logger& logger, Hooks hooks);

  // Reads DATABASE.
  absl::Status LoadFile(const DataDirectory& directory);
  // Whether what is in the directory may be opened.
  absl::Status Examine();
  absl::Status OpenDirectory();
  // Notes how far acknowledged writes go. `begins_log`: the database was just opened, and nobody
  // has written yet.
  absl::Status NoteMark(rocksdb::DB& db, bool begins_log);
  absl::Status UpdateMark();
  // The log that the mark names.
  uint64_t NotedLog();
  // Whether the files are there that are in use.
  absl::Status CheckFiles();
  void WatchNowAndThen();
  void WatchOnce(bool with_files);
  absl::Status Place() const;
  bool IsLendable() const;
  void GiveBack();
  // Opens it again if it is closed or, for a writer, if a write had failed.
  absl::Status Reopen(bool for_writing);
  // Whether the disk has the room that opening and going on will need.
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

  // Up to where writes are synced; and that number while writes stand behind it that are not, for
  // the writer.
  std::atomic<uint64_t> synced_sequence_{0};
  std::optional<uint64_t> unsynced_since_;

  // Since a write has failed, RocksDB's own ones in the background among them.
  std::atomic<bool> write_failed_{false};

  std::mutex reopening_mutex_;      // held while it is closed and opened again
  std::unique_ptr<Opened> opened_;  // changed under reopening_mutex_ when nobody has it on loan

  mutable std::mutex mutex_;  // of what follows; held for a moment only
  std::condition_variable all_given_back_;
  bool is_lendable_ = false;
  int loans_ = 0;

  std::mutex file_mutex_;             // of what follows; held while a mark is written
  std::optional<DatabaseFile> file_;  // nullopt: it is not made yet

  std::optional<DirectoryWatch> watch_;  // once it is open
  mutable std::mutex place_mutex_;       // of what follows
  std::condition_variable closing_;
  absl::Status place_;  // what was wrong with the directory's place when that was last looked at
  bool is_closing_ = false;
  bool mark_failed_ = false;  // the watch thread's
  absl::Status refusal_;      // of the last attempt to open it again, and when that was; under
  std::chrono::steady_clock::time_point refused_at_{};  // reopening_mutex_
  std::thread watch_thread_;                            // uses the members above
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_
