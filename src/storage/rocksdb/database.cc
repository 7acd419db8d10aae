#include "storage/rocksdb/database.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "rocksdb/cache.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/wal_filter.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/release_note.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync {
namespace {

// A memtable being filled, one being written to disk, and one more before writers must wait.
constexpr int kMemtables = 3;
constexpr int kLevel0FilesPerCompaction = 8;
constexpr uint64_t kBytesPerBackgroundSync = uint64_t{1} << 20;
constexpr double kBlobFilesCollected = 0.25;
constexpr double kFilterBitsPerKey = 10;
constexpr double kMemtableFilterShare = 0.02;
constexpr size_t kDatabaseLogBytesMax = size_t{1} << 20;
constexpr size_t kDatabaseLogFilesMax = 4;

// What opening the database again takes on the disk at most: what all memtables hold, and a new
// log.
constexpr uint64_t kRoomInMemtables = kMemtables + 1;
constexpr size_t kRoomProbeBytes = 64 * 1024;

rocksdb::Options DatabaseOptions(const RocksdbStorageOptions& options, rocksdb::Env& env) {
  rocksdb::Options database;
  database.create_if_missing = true;
  database.env = &env;
  // Its identity is the storage's, and comes along with backups (backups.h).
  database.write_dbid_to_manifest = true;
  // Lets whole files be checked, and backups know a blob file again without reading it.
  database.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();

  // Memory: everything that grows is bounded by a number of ours.
  database.write_buffer_size = options.memtable_bytes;
  database.max_write_buffer_number = kMemtables;
  database.max_open_files = kStorageOpenFilesMax;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  // Indexes and filters are cached like data, in parts of a block's size: whole, those of one file
  // take half a megabyte, which a read of a cold client would have to fetch.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.format_version = 5;

  // Reads: most are of one client, many are of something that is not there.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  database.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  database.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kKeyPrefixBytes));
  database.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
  database.memtable_whole_key_filtering = true;

  // Sealed bytes do not compress, and large ones should not be rewritten by compaction.
  database.compression = rocksdb::kNoCompression;
  database.bottommost_compression = rocksdb::kNoCompression;
  database.enable_blob_files = true;
  database.min_blob_size = kBlobBytesMin;
  database.blob_compression_type = rocksdb::kNoCompression;
  database.enable_blob_garbage_collection = true;
  // Replaced snapshots are the garbage. A compaction moves what is alive out of the oldest files;
  // moving it out of every file would write each large value again at each compaction.
  database.blob_garbage_collection_age_cutoff = kBlobFilesCollected;
  database.blob_garbage_collection_force_threshold = 0.5;

  // Writes: the committer is the only writer.
  database.allow_concurrent_memtable_write = false;
  database.enable_write_thread_adaptive_yield = false;
  database.level_compaction_dynamic_level_bytes = true;
  // Compacting more files at a time compacts less often. Reads of one client skip the files
  // without it by their filters.
  database.level0_file_num_compaction_trigger = kLevel0FilesPerCompaction;
  // A table file that is written to disk all at once at its end would hold up the log's syncs.
  database.bytes_per_sync = kBytesPerBackgroundSync;
  // An event loop that was the last to use a memtable or a file must not be the one to remove it.
  database.avoid_unnecessary_blocking_io = true;
  // Everything up to the first torn record is kept; a batch that was acknowledged is not torn.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  database.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  database.max_log_file_size = kDatabaseLogBytesMax;
  database.keep_log_file_num = kDatabaseLogFilesMax;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.skip_stats_update_on_db_open = true;
  // After an error it is opened again instead.
  database.max_bgerror_resume_count = 0;
  return database;
}

}  // namespace

// Learns what RocksDB meets in its own threads and in writes, and keeps it from recovering by
// itself.
class Database::FailureListener final : public rocksdb::EventListener {
 public:
  FailureListener(const Logger& logger, std::atomic<bool>& write_failed)
      : logger_(logger), write_failed_(write_failed) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (reason == rocksdb::BackgroundErrorReason::kCompaction &&
        error->severity() <= rocksdb::Status::Severity::kSoftError) {
      // No data depends on it. Left alone, RocksDB tries again after a second.
      logger_.Log(LogLevel::kWarning, "the database cannot compact: ", error->ToString());
      *error = rocksdb::Status::OK();
      return;
    }
    logger_.Log(LogLevel::kError, "the database refuses writes: ", error->ToString());
    // Other errors than the disk's would come again.
    if (error->IsIOError()) write_failed_ = true;
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  const Logger& logger_;
  std::atomic<bool>& write_failed_;
};

// Leaves out of the log what was refused: a write whose sync failed stands there whole. Writes that
// fail do not advance the database's sequence number, so all that was acknowledged is up to it.
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
  // A batch in the log begins with its number: 8 bytes, the lowest first.
  static rocksdb::SequenceNumber SequenceOf(const rocksdb::WriteBatch& batch) {
    rocksdb::SequenceNumber number = 0;
    for (int i = 7; i >= 0; --i) number = number << 8 | static_cast<uint8_t>(batch.Data()[i]);
    return number;
  }

  // At the start, all that is there.
  rocksdb::SequenceNumber last_ = std::numeric_limits<rocksdb::SequenceNumber>::max();
};

Database::Database(const DataDirectory& directory, const RocksdbStorageOptions& options,
                   const Logger& logger, std::function<void()> before_reopening)
    : logger_(logger),
      path_(directory.DatabasePath()),
      room_path_(directory.RoomPath()),
      room_bytes_(kRoomInMemtables * options.memtable_bytes),
      before_reopening_(std::move(before_reopening)),
      env_(EnvWithFullLengthLogs(options.env != nullptr ? *options.env : *rocksdb::Env::Default())),
      acknowledged_only_(std::make_unique<AcknowledgedOnly>()),
      options_(DatabaseOptions(options, *env_)) {
  options_.listeners.push_back(std::make_shared<FailureListener>(logger_, write_failed_));
  options_.wal_filter = acknowledged_only_.get();
}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DataDirectory& directory,
                                                         const RocksdbStorageOptions& options,
                                                         const Logger& logger,
                                                         std::function<void()> before_reopening) {
  std::unique_ptr<Database> database(
      new Database(directory, options, logger, std::move(before_reopening)));
  if (const absl::Status status = database->OpenDirectory(); !status.ok()) return status;
  return database;
}

absl::Status Database::OpenDirectory() {
  write_failed_ = false;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options_, path_, &opened);
  if (!status.ok()) {
    write_failed_ = true;
    const absl::Status failed = FromRocksdb(status, absl::StrCat("open the database ", path_));
    return absl::Status(failed.code(),
                        absl::StrCat(failed.message(), NewerReleaseNote(*env_, path_)));
  }
  opened_ = std::make_unique<Opened>(std::unique_ptr<rocksdb::DB>(opened));
  const std::lock_guard lock(mutex_);
  is_lendable_ = true;
  return absl::OkStatus();
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
  return write_failed_ ? Reopen(/*for_writing=*/true) : absl::OkStatus();
}

absl::Status Database::Write(const Loan& loan, rocksdb::WriteBatch& writes, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = loan.db().Write(options, &writes);
  if (status.ok()) return absl::OkStatus();
  if (status.IsIOError()) write_failed_ = true;
  return FromRocksdb(status, "write to the database");
}

absl::Status Database::Reopen(bool for_writing) {
  const std::lock_guard one_at_a_time(reopening_mutex_);
  const bool was_open = IsLendable();
  // Another thread may have done it meanwhile.
  if (was_open && !(for_writing && write_failed_)) return absl::OkStatus();
  if (const absl::Status status = CheckRoom(); !status.ok()) return status;
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
        "the disk is full: ", free_bytes, " bytes are free, and to go on takes ", room_bytes_));
  }
  // A quota, for one, does not show in that number.
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
  std::unique_lock lock(mutex_);
  is_lendable_ = false;
  all_given_back_.wait(lock, [this] { return loans_ == 0; });
  lock.unlock();
  if (opened_ == nullptr) return;
  acknowledged_only_->SetLast(opened_->db->GetLatestSequenceNumber());
  opened_.reset();
}

}  // namespace tcsync
