#include "storage/rocksdb/database.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/limits.h"
#include "base/signal_block.h"
#include "base/thread.h"
#include "rocksdb/cache.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/transaction_log.h"
#include "rocksdb/wal_filter.h"
#include "storage/rocksdb/database_check.h"
#include "storage/rocksdb/info_log.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/manifest.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/release_note.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

// A memtable being filled, one being written to disk, and one more before writers must wait.
constexpr int kMemtables = 3;
constexpr int kLevel0FilesPerCompaction = 8;
constexpr uint64_t kBytesPerBackgroundSync = uint64_t{1} << 20;
constexpr double kBlobFilesCollected = 0.25;
constexpr double kFilterBitsPerKey = 10;
constexpr double kMemtableFilterShare = 0.02;

// The disk space that reopening the database needs at most: the content of all memtables, and a new
// log.
constexpr uint64_t kRoomInMemtables = kMemtables + 1;
// The space that compactions leave free: the same, so that the database can be reopened beside one,
// but on a small disk at most this share of the reserve.
constexpr uint64_t kLogShareOfReserve = 2;
constexpr size_t kRoomProbeBytes = 64 * 1024;

// One of so many checks of the directory's place covers all of its files.
constexpr int kFilesWatchTimes = 5;

rocksdb::Options DatabaseOptions(const RocksdbStorageOptions& options, rocksdb::Env& env) {
  rocksdb::Options database;
  database.env = &env;
  // The database's identity is the storage's, and backups include it (backups.h).
  database.write_dbid_to_manifest = true;
  // Allows checks of whole files, and lets backups recognise a blob file without reading it.
  database.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();

  // Memory: everything that grows is bounded by a number of ours.
  database.write_buffer_size = options.memtable_bytes;
  database.max_write_buffer_number = kMemtables;
  database.max_open_files = base::kStorageOpenFilesMax;
  // By default opening starts 16 threads for the tables, however few there are, and ends the
  // process if one of them cannot be started. Opening reads a quarter of the open files: on one
  // thread, too, that takes some milliseconds.
  database.max_file_opening_threads = 1;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  // Indexes and filters are cached like data, in parts of a block's size: as a whole, those of one
  // file take half a megabyte, which a read of a cold client would have to fetch.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.format_version = 5;

  // Reads: most are of one client, many are of a key that does not exist.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  database.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  database.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kKeyPrefixBytes));
  database.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
  database.memtable_whole_key_filtering = true;

  // Sealed bytes do not compress, and large values should not be rewritten by compaction.
  database.compression = rocksdb::kNoCompression;
  database.bottommost_compression = rocksdb::kNoCompression;
  database.enable_blob_files = true;
  database.min_blob_size = base::kBlobBytesMin;
  database.blob_file_size = base::kBlobFileBytesMax;
  database.blob_compression_type = rocksdb::kNoCompression;
  database.enable_blob_garbage_collection = true;
  // Replaced snapshots are the garbage. A compaction moves live values out of the oldest files
  // only; otherwise it would write each large value again at each compaction.
  database.blob_garbage_collection_age_cutoff = kBlobFilesCollected;
  database.blob_garbage_collection_force_threshold = 0.5;

  // Writes: the committer is the only writer.
  database.allow_concurrent_memtable_write = false;
  database.enable_write_thread_adaptive_yield = false;
  database.level_compaction_dynamic_level_bytes = true;
  // Compactions of more files are less frequent. Reads of one client skip the files without it by
  // their filters.
  database.level0_file_num_compaction_trigger = kLevel0FilesPerCompaction;
  // Many level-0 files slow writes down and never stop them: on a full disk no compaction reduces
  // their number, and a stopped write, even a removal, would wait for ever.
  database.level0_stop_writes_trigger = std::numeric_limits<int>::max();
  // A table file that was synced as a whole at its end would hold up the log's syncs.
  database.bytes_per_sync = kBytesPerBackgroundSync;
  // So would the pieces of large uploads if only the sync at their end wrote them to the disk.
  database.wal_bytes_per_sync = kBytesPerBackgroundSync;
  // An event loop that was the last user of a memtable or a file must not be the one to delete it.
  database.avoid_unnecessary_blocking_io = true;
  // All records up to the first torn one are kept; an acknowledged batch is not torn.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.skip_stats_update_on_db_open = true;
  // After an error the storage reopens the database instead.
  database.max_bgerror_resume_count = 0;
  return database;
}

uint64_t LogRoomBytes(const DataDirectory& directory, uint64_t room_bytes) {
  std::error_code error;
  const std::filesystem::space_info disk = std::filesystem::space(directory.path(), error);
  if (error) return room_bytes;
  return std::min<uint64_t>(room_bytes,
                            disk.capacity / base::kReserveDiskShare / kLogShareOfReserve);
}

}  // namespace

// Is told of errors on RocksDB's own threads and in writes, keeps RocksDB from recovering by
// itself, and lets flushes, but not compactions, take the space for logs.
class Database::FailureListener final : public rocksdb::EventListener {
 public:
  FailureListener(const base::Logger& logger, std::atomic<bool>& write_failed)
      : logger_(logger), write_failed_(write_failed) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (reason == rocksdb::BackgroundErrorReason::kCompaction &&
        error->severity() <= rocksdb::Status::Severity::kSoftError) {
      // No data depends on a compaction. By default, RocksDB retries it after a second.
      logger_.Log(LogLevel::kWarning, "the database cannot compact: ", error->ToString());
      *error = rocksdb::Status::OK();
      return;
    }
    logger_.Log(LogLevel::kError, "the database refuses writes: ", error->ToString());
    // Errors other than the disk's would return.
    if (error->IsIOError()) write_failed_ = true;
  }

  // Both are called on the thread that writes the files, before it does.
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    SetMayTakeLogRoom(true);
  }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    SetMayTakeLogRoom(false);
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  const base::Logger& logger_;
  std::atomic<bool>& write_failed_;
};

// Drops refused writes during recovery: a write whose sync failed is in the log as a whole. Failed
// writes do not advance the database's sequence number, so all acknowledged ones are up to it.
class Database::AcknowledgedOnly final : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "AcknowledgedOnly"; }

  void SetLast(rocksdb::SequenceNumber last) { last_ = last; }
  rocksdb::SequenceNumber last() const { return last_; }

  WalProcessingOption LogRecordFound(unsigned long long, const std::string&,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                     bool*) override {
    return SequenceOf(batch) <= last_ ? WalProcessingOption::kContinueProcessing
                                      : WalProcessingOption::kIgnoreCurrentRecord;
  }

 private:
  // A batch in the log begins with its number: 8 bytes, little-endian.
  static rocksdb::SequenceNumber SequenceOf(const rocksdb::WriteBatch& batch) {
    rocksdb::SequenceNumber number = 0;
    for (int i = 7; i >= 0; --i) number = number << 8 | static_cast<uint8_t>(batch.Data()[i]);
    return number;
  }

  // At the start, all writes in the log.
  rocksdb::SequenceNumber last_ = std::numeric_limits<rocksdb::SequenceNumber>::max();
};

Database::Database(const DataDirectory& directory, const RocksdbStorageOptions& options,
                   const base::Logger& logger, Hooks hooks)
    : logger_(logger),
      data_dir_(directory.path()),
      path_(directory.DatabasePath()),
      file_path_(directory.DatabaseFilePath()),
      room_path_(directory.RoomPath()),
      room_bytes_(RoomBytes(options)),
      before_reopening_(std::move(hooks.before_reopening)),
      watch_interval_(options.watch_interval),
      may_create_(directory.is_new()),
      log_env_(
          EnvWithFullLengthLogs(options.env != nullptr ? *options.env : *rocksdb::Env::Default())),
      env_(EnvWithRoomForLogs(*log_env_, LogRoomBytes(directory, room_bytes_),
                              std::move(hooks.is_room_short))),
      acknowledged_only_(std::make_unique<AcknowledgedOnly>()),
      options_(DatabaseOptions(options, *env_)) {
  options_.info_log = InfoLogInto(logger_);
  options_.listeners.push_back(std::make_shared<FailureListener>(logger_, write_failed_));
  options_.wal_filter = acknowledged_only_.get();
}

Database::~Database() {
  if (!watch_thread_.joinable()) return;
  {
    const std::lock_guard lock(place_mutex_);
    is_closing_ = true;
  }
  closing_.notify_all();
  watch_thread_.join();
  UpdateMark().IgnoreError();
}

uint64_t Database::RoomBytes(const RocksdbStorageOptions& options) {
  return kRoomInMemtables * options.memtable_bytes;
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DataDirectory& directory,
                                                         const RocksdbStorageOptions& options,
                                                         const base::Logger& logger, Hooks hooks) {
  // RocksDB starts its threads when it opens a database: here, on a thread of the host's, and later
  // only on threads of the engine.
  const base::SignalBlock block;
  std::unique_ptr<Database> database(new Database(directory, options, logger, std::move(hooks)));
  absl::Status status = database->LoadFile(directory);
  if (status.ok()) status = database->Examine();
  if (status.ok()) status = database->OpenDirectory();
  if (!status.ok()) return status;
  database->watch_.emplace(directory);
  database->watch_thread_ =
      base::StartThread("tcsync-watch", [raw = database.get()] { raw->WatchPeriodically(); });
  return database;
}

absl::Status Database::LoadFile(const DataDirectory& directory) {
  // Older formats have none, or the one of an interrupted upgrade.
  if (directory.format() < kStorageFormatVersion) return absl::OkStatus();
  constexpr absl::string_view kAnew = " ('tcsync-server repair-log' creates it again)";
  absl::StatusOr<DatabaseFile> file = DatabaseFile::Open(file_path_);
  if (file.ok()) {
    file_.emplace(*std::move(file));
    may_create_ = false;
    return absl::OkStatus();
  }
  if (absl::IsDataLoss(file.status()))
    return IncompleteError(data_dir_, absl::StrCat("DATABASE is damaged", kAnew));
  if (!absl::IsNotFound(file.status())) return file.status();
  return may_create_ ? absl::OkStatus()
                     : IncompleteError(data_dir_, absl::StrCat("DATABASE is missing", kAnew));
}

absl::Status Database::Examine() {
  if (may_create_) return CheckHasNoDatabase(*env_, data_dir_);
  const std::lock_guard lock(file_mutex_);
  const absl::StatusOr<DatabaseFindings> findings =
      ExamineDatabase(*env_, data_dir_, file_ ? &*file_ : nullptr);
  return findings.ok() ? RefusalOf(data_dir_, *findings) : findings.status();
}

absl::Status Database::OpenDirectory() {
  write_failed_ = false;
  options_.create_if_missing = may_create_;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = [&] {
    const MayTakeLogRoom exempt;
    return rocksdb::DB::Open(options_, path_, &opened);
  }();
  if (!status.ok()) {
    write_failed_ = true;
    const absl::Status failed = FromRocksdb(status, absl::StrCat("open the database ", path_));
    return absl::Status(failed.code(),
                        absl::StrCat(failed.message(), NewerReleaseNote(*env_, path_)));
  }
  std::unique_ptr<rocksdb::DB> owned(opened);
  // The content of the logs is in files now.
  synced_sequence_ = owned->GetLatestSequenceNumber();
  unsynced_since_.reset();
  // Before any write is acknowledged that the mark would have to cover.
  if (const absl::Status marked = NoteMark(*owned, /*begins_log=*/true); !marked.ok()) {
    write_failed_ = true;
    return marked;
  }
  may_create_ = false;
  opened_ = std::make_unique<Opened>(std::move(owned));
  const std::lock_guard lock(mutex_);
  is_lendable_ = true;
  return absl::OkStatus();
}

absl::Status Database::UpdateMark() {
  const absl::StatusOr<Loan> loan = Borrow(ReadTier::kMemory);
  // While the database is closed, no write is acknowledged.
  return loan.ok() ? NoteMark(loan->db(), /*begins_log=*/false) : absl::OkStatus();
}

absl::Status Database::NoteMark(rocksdb::DB& db, bool begins_log) {
  const std::lock_guard lock(file_mutex_);
  if (!file_) {
    std::string database_id;
    const rocksdb::Status status = db.GetDbIdentity(database_id);
    if (!status.ok()) return FromRocksdb(status, "read the database's identity");
    absl::StatusOr<DatabaseFile> file = DatabaseFile::Create(file_path_, database_id);
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
  }
  LogMark mark = file_->mark().value_or(LogMark());
  // The number is read first, so that the mark does not claim more than the log has.
  const uint64_t last_sequence = synced_sequence_;
  // Without new writes, no mark is written.
  if (!begins_log && mark.last_sequence == last_sequence) return absl::OkStatus();
  mark.last_sequence = last_sequence;
  std::unique_ptr<rocksdb::LogFile> log;
  rocksdb::Status status = db.GetCurrentWalFile(&log);
  if (!status.ok()) return FromRocksdb(status, "find the log of the database");
  if (begins_log) {
    mark.log_number = log->LogNumber();
    mark.first_sequence = last_sequence + 1;
  } else if (log->LogNumber() != mark.log_number) {
    // While this log has no record, the previous one is still the newest with a record.
    const std::optional<uint64_t> first =
        FirstSequenceOf(*env_, absl::StrCat(path_, "/", LogFileName(log->LogNumber())));
    if (first) {
      mark.log_number = log->LogNumber();
      mark.first_sequence = *first;
    }
  }
  std::vector<std::string> files;
  uint64_t manifest_bytes = 0;
  status = db.GetLiveFiles(files, &manifest_bytes, /*flush_memtable=*/false);
  if (!status.ok()) return FromRocksdb(status, "list the files of the database");
  // The list in use is valid only once CURRENT names it.
  const std::optional<uint64_t> current = CurrentManifestNumber(*env_, path_);
  for (const std::string& file : files) {
    const std::optional<uint64_t> number = ManifestNumberOf(absl::StripPrefix(file, "/"));
    if (number && number == current) {
      mark.manifest_number = *number;
      mark.manifest_bytes = manifest_bytes;
    }
  }
  return file_->Write(mark);
}

uint64_t Database::NotedLog() {
  const std::lock_guard lock(file_mutex_);
  return file_ && file_->mark() ? file_->mark()->log_number : 0;
}

absl::Status Database::CheckFiles() {
  const absl::StatusOr<Loan> loan = Borrow(ReadTier::kMemory);
  if (!loan.ok()) return absl::OkStatus();
  // The files in use that do not exist. A compaction may just be removing one: then it is not in
  // use at the second look.
  const auto find_missing = [&] {
    std::vector<std::string> files;
    uint64_t manifest_bytes = 0;
    loan->db().GetLiveFiles(files, &manifest_bytes, false).PermitUncheckedError();
    // RocksDB checks the log as well, but does not name it when it is missing.
    std::unique_ptr<rocksdb::LogFile> log;
    const bool is_found = loan->db().GetCurrentWalFile(&log).ok();
    files.push_back("/" + LogFileName(is_found ? log->LogNumber() : NotedLog()));
    std::erase_if(files, [this](const std::string& file) {
      return absl::StartsWith(file, "/OPTIONS-") || !env_->FileExists(path_ + file).IsNotFound();
    });
    return std::set<std::string>(files.begin(), files.end());
  };
  const std::set<std::string> missing = find_missing();
  if (missing.empty()) return absl::OkStatus();
  for (const std::string& file : find_missing()) {
    if (missing.count(file) == 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path_, file,
                     " was removed while it was in use: nothing is stored. Put it back, and the "
                     "server continues; docs/recovery.md has other remedies"));
  }
  return absl::OkStatus();
}

absl::Status Database::Place() const {
  const std::lock_guard lock(place_mutex_);
  return OwnCopy(place_);
}

void Database::WatchPeriodically() {
  for (int times = 1;; ++times) {
    {
      std::unique_lock lock(place_mutex_);
      if (closing_.wait_for(lock, watch_interval_, [this] { return is_closing_; })) {
        return;
      }
    }
    WatchOnce(/*with_files=*/times % kFilesWatchTimes == 0 || !Place().ok());
  }
}

void Database::WatchOnce(bool with_files) {
  absl::Status place = watch_->Check();
  if (place.ok() && with_files) place = CheckFiles();
  const absl::Status before = Place();
  if (place.ok() && !before.ok()) {
    // RocksDB may have noticed the absence, and files may have been written elsewhere meanwhile.
    write_failed_ = true;
    logger_.Log(LogLevel::kWarning, "the data directory ", data_dir_,
                " is back; it is examined before anything is stored");
  }
  if (!place.ok() && place.message() != before.message()) {
    logger_.Log(LogLevel::kError, place.message());
  }
  {
    const std::lock_guard lock(place_mutex_);
    place_ = place;
  }
  if (!place.ok()) return;
  const absl::Status marked = UpdateMark();
  if (!marked.ok() && !mark_failed_) {
    logger_.Log(LogLevel::kWarning,
                "the extent of the log cannot be recorded, so damage at its end would not be "
                "found: ",
                marked.message());
  }
  mark_failed_ = !marked.ok();
}

bool Database::IsLendable() const {
  const std::lock_guard lock(mutex_);
  return is_lendable_;
}

absl::StatusOr<Database::Loan> Database::Borrow(ReadTier tier) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (is_lendable_) {
        ++loans_;
        return Loan(*this, *opened_);
      }
    }
    if (tier == ReadTier::kMemory) return NeedsDiskError();
    if (const absl::Status status = Reopen(/*for_writing=*/false); !status.ok()) return status;
  }
}

void Database::GiveBack() {
  const std::lock_guard lock(mutex_);
  if (--loans_ == 0 && !is_lendable_) all_given_back_.notify_all();
}

absl::Status Database::MakeWritable() {
  if (const absl::Status place = Place(); !place.ok()) return place;
  return write_failed_ ? Reopen(/*for_writing=*/true) : absl::OkStatus();
}

absl::Status Database::Write(const Loan& loan, rocksdb::WriteBatch& writes, bool sync) {
  // A record in the log proves that everything before it was synced, unless its log data limits
  // that.
  if (unsynced_since_) writes.PutLogData(EncodeSyncedSequence(*unsynced_since_));
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = loan.db().Write(options, &writes);
  if (status.ok()) {
    if (sync) {
      unsynced_since_.reset();
      synced_sequence_ = loan.db().GetLatestSequenceNumber();
    } else if (!unsynced_since_) {
      unsynced_since_ = synced_sequence_;
    }
    return absl::OkStatus();
  }
  if (status.IsIOError()) write_failed_ = true;
  return FromRocksdb(status, "write to the database");
}

absl::Status Database::Reopen(bool for_writing) {
  const std::lock_guard one_at_a_time(reopening_mutex_);
  const bool was_open = IsLendable();
  // Another thread may have done it meanwhile.
  if (was_open && !(for_writing && write_failed_)) return absl::OkStatus();
  // Each write asks for it, and the check reads a lot.
  const auto now = std::chrono::steady_clock::now();
  if (!refusal_.ok() && now - refused_at_ < watch_interval_) {
    return OwnCopy(refusal_);
  }
  // In another directory, not even the probe for space may write.
  if (watch_) {
    if (const absl::Status place = watch_->Check(); !place.ok()) return place;
  }
  if (const absl::Status status = CheckRoom(); !status.ok()) return status;
  if (was_open) UpdateMark().IgnoreError();
  // While it is still open: a database that cannot be opened can at least be read. A file that
  // seems missing, or cannot be read, may have been removed by RocksDB during the check.
  absl::Status whole = Examine();
  if (!whole.ok() && was_open) whole = Examine();
  if (!whole.ok()) {
    if (whole != refusal_) logger_.Log(LogLevel::kError, "nothing is stored: ", whole.message());
    refusal_ = OwnCopy(whole);
    refused_at_ = now;
    return whole;
  }
  refusal_ = absl::OkStatus();
  Close();
  before_reopening_();
  const absl::Status status = OpenDirectory();
  if (!status.ok()) {
    if (was_open) logger_.Log(LogLevel::kError, "nothing can be read either: ", status.message());
    return status;
  }
  if (opened_->db->GetLatestSequenceNumber() < acknowledged_only_->last()) {
    logger_.Log(LogLevel::kError, "the log of the database ", path_,
                " is damaged: versions or snapshots that were acknowledged are lost");
  }
  logger_.Log(LogLevel::kInfo, "the database accepts writes again");
  return absl::OkStatus();
}

absl::Status Database::CheckRoom() const {
  uint64_t free_bytes = 0;
  if (env_->GetFreeSpace(path_, &free_bytes).ok() && free_bytes < room_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the disk is full: ", free_bytes, " bytes are free, and ", room_bytes_, " are needed"));
  }
  // A quota, for example, is not part of that number.
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env_->NewWritableFile(room_path_, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Append(std::string(kRoomProbeBytes, '\0'));
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  file.reset();
  env_->DeleteFile(room_path_).PermitUncheckedError();
  return status.ok() ? absl::OkStatus() : FromRocksdb(status, "write to the disk");
}

void Database::Close() {
  // Otherwise all requests wait until a manual compaction, which has borrowed the database, has
  // ended.
  if (opened_ != nullptr) opened_->db->DisableManualCompaction();
  std::unique_lock lock(mutex_);
  is_lendable_ = false;
  all_given_back_.wait(lock, [this] { return loans_ == 0; });
  lock.unlock();
  if (opened_ == nullptr) return;
  acknowledged_only_->SetLast(opened_->db->GetLatestSequenceNumber());
  opened_.reset();
}

}  // namespace tcsync::rocksdb_storage
