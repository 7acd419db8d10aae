#include "storage/rocksdb/rocksdb_storage.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/reader_pool.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/storage_instruments.h"

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

// Tells our log of what RocksDB meets in its own threads.
class BackgroundErrorLog final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrorLog(Logger logger) : logger_(std::move(logger)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    logger_.Log(LogLevel::kError, "the database refuses writes: ", error->ToString());
  }
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (!info.new_bg_error.ok()) return;
    logger_.Log(LogLevel::kInfo, "the database accepts writes again");
  }

 private:
  const Logger logger_;
};

rocksdb::Options DatabaseOptions(const RocksdbStorageOptions& options, rocksdb::Env& env,
                                 const Logger& logger) {
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
  database.listeners.push_back(std::make_shared<BackgroundErrorLog>(logger));
  return database;
}

class RocksdbStorage final : public Storage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<rocksdb::Env> env,
                 std::unique_ptr<rocksdb::DB> database, const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        env_(std::move(env)),
        database_(std::move(database)),
        memory_reader_(*database_, ReadTier::kMemory),
        disk_reader_(*database_, ReadTier::kDisk),
        instruments_(options.registry == nullptr
                         ? nullptr
                         : std::make_unique<StorageInstruments>(*options.registry)),
        head_cache_(options.head_cache_bytes, instruments_.get()),
        reader_pool_(options.reader_threads, options.disk_wait_max),
        committer_(
            options.queue_bytes_max, options.disk_wait_max,
            [this](std::vector<PendingWrite>& batch) { Commit(batch); }, instruments_.get()) {
    if (options.registry == nullptr) return;
    read_queue_registration_ = options.registry->AddCallback(
        metrics::Type::kGauge, "tcsync_disk_read_queue_reads",
        "Reads that wait for a reader thread.",
        [this] { return static_cast<double>(reader_pool_.waiting()); });
  }

  // The readers' last tasks may be writes, and the committer's last callbacks may want to read.
  ~RocksdbStorage() override { reader_pool_.Stop(); }

  bool RefusesWrites() const override { return committer_.IsLate(); }

  void Append(AppendRequest request, AppendCallback done) override {
    Prepare(PendingAppend{std::move(request), std::move(done)});
  }

  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    Prepare(PendingSnapshot{std::move(request), std::move(done)});
  }

  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override {
    Read([this, client_id, parent_version_id](
             const ChainReader& reader) { return FindChild(reader, client_id, parent_version_id); },
         std::move(done));
  }

  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    Read([client_id](const ChainReader& reader) { return reader.ReadSnapshot(client_id); },
         std::move(done));
  }

 private:
  using Outcome = std::variant<absl::StatusOr<AppendOutcome>, absl::StatusOr<StoreSnapshotOutcome>>;

  // Calls `done` with what `read` finds: at once if memory has it, and otherwise from a thread that
  // may wait for the disk.
  template <typename ReadFunction, typename Callback>
  void Read(ReadFunction read, Callback done) {
    auto found = read(memory_reader_);
    if (!NeedsDisk(found.status())) return done(std::move(found));
    if (instruments_ != nullptr) instruments_->disk_reads.Add();
    reader_pool_.Run([this, read = std::move(read),
                      done = std::move(done)](const absl::Status& admission) mutable {
      if (!admission.ok()) return done(admission);
      done(read(disk_reader_));
    });
  }

  absl::StatusOr<std::optional<ChainHead>> Head(const ChainReader& reader, const Uuid& client_id) {
    return head_cache_.Get(client_id, [&] { return reader.ReadHead(client_id); });
  }

  absl::StatusOr<ChildOutcome> FindChild(const ChainReader& reader, const Uuid& client_id,
                                         const Uuid& parent_version_id);

  // Queues a write, and before that brings into memory what the committer will need to decide it:
  // all others' writes would wait with the committer for the disk.
  template <typename Pending>
  void Prepare(Pending pending) {
    const absl::Status prepared = LoadNeedsOf(memory_reader_, pending.request);
    if (!NeedsDisk(prepared)) return Submit(prepared, std::move(pending));
    reader_pool_.Run([this, pending = std::move(pending)](const absl::Status& admission) mutable {
      const absl::Status loaded =
          admission.ok() ? LoadNeedsOf(disk_reader_, pending.request) : admission;
      Submit(loaded, std::move(pending));
    });
  }

  // Reads what BatchBuilder will read for the request.
  absl::Status LoadNeedsOf(const ChainReader& reader, const AppendRequest& request) {
    return Head(reader, request.client_id).status();
  }
  absl::Status LoadNeedsOf(const ChainReader& reader, const StoreSnapshotRequest& request) {
    const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, request.client_id);
    if (!head.ok() || !head->has_value()) return head.status();
    return reader
        .FindRecent(request.client_id, **head, request.version_id, request.recent_versions_max)
        .status();
  }

  template <typename Pending>
  void Submit(const absl::Status& prepared, Pending pending) {
    if (!prepared.ok()) return pending.done(prepared);
    PendingWrite write(std::move(pending));
    if (committer_.Submit(write)) return;
    std::get<Pending>(write).done(
        absl::UnavailableError("too many writes are waiting for the disk"));
  }

  static uint64_t BytesOf(const std::vector<PendingWrite>& batch);
  absl::Status Write(rocksdb::WriteBatch& writes);
  absl::Status MeasuredWrite(rocksdb::WriteBatch& writes);
  // Makes the database accept writes again after the disk was full; false when it cannot be.
  bool Resume();
  void Commit(std::vector<PendingWrite>& batch);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits what is queued, goes first.
  const DataDirectory directory_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::unique_ptr<rocksdb::DB> database_;
  const ChainReader memory_reader_;
  const ChainReader disk_reader_;
  const std::unique_ptr<const StorageInstruments> instruments_;  // null: not measured
  HeadCache head_cache_;
  ReaderPool reader_pool_;
  Committer committer_;
  metrics::Registry::Registration read_queue_registration_;
};

absl::StatusOr<ChildOutcome> RocksdbStorage::FindChild(const ChainReader& reader,
                                                       const Uuid& client_id,
                                                       const Uuid& parent_version_id) {
  // The head comes first: a chain only grows, so a parent that is not its end has a child now.
  const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, client_id);
  if (!head.ok()) return head.status();
  if (!head->has_value()) return NoSuchClient{};
  if ((*head)->latest_version_id == parent_version_id) return NoChild{parent_version_id};
  absl::StatusOr<std::optional<Version>> child =
      reader.FindChild(client_id, **head, parent_version_id);
  if (!child.ok()) return child.status();
  if (!child->has_value()) return NoChild{(*head)->latest_version_id};
  return std::move(**child);
}

uint64_t RocksdbStorage::BytesOf(const std::vector<PendingWrite>& batch) {
  constexpr uint64_t kRecordBytes = 128;  // keys, trailer and RocksDB's own for one write
  uint64_t bytes = 0;
  for (const PendingWrite& write : batch) bytes += kRecordBytes + PayloadBytes(write);
  return bytes;
}

absl::Status RocksdbStorage::Write(rocksdb::WriteBatch& writes) {
  if (writes.Count() == 0) return absl::OkStatus();
  rocksdb::WriteOptions durable;
  durable.sync = true;
  rocksdb::Status status = database_->Write(durable, &writes);
  // A full disk stops all writes until the database is told to go on. If there is room again, the
  // replica that comes next should not have to wait for an operator.
  if (status.IsNoSpace() && Resume()) status = database_->Write(durable, &writes);
  return status.ok() ? absl::OkStatus() : FromRocksdb(status, "write to the database");
}

absl::Status RocksdbStorage::MeasuredWrite(rocksdb::WriteBatch& writes) {
  if (instruments_ == nullptr || writes.Count() == 0) return Write(writes);
  const auto since = std::chrono::steady_clock::now();
  absl::Status status = Write(writes);
  instruments_->sync_seconds.Observe(std::chrono::steady_clock::now() - since);
  return status;
}

bool RocksdbStorage::Resume() {
  // Resuming writes the memtable out and begins a new log: the old one may hold half of the failed
  // write, or all of it. RocksDB 7.8 leaves that out when the memtable is empty, and must then not
  // be resumed, because it would go on in the old log.
  uint64_t entries = 0;
  database_->GetIntProperty(rocksdb::DB::Properties::kNumEntriesActiveMemTable, &entries);
  return entries > 0 && database_->Resume().ok();
}

void RocksdbStorage::Commit(std::vector<PendingWrite>& batch) {
  BatchBuilder builder(disk_reader_, head_cache_, BytesOf(batch));
  std::vector<Outcome> outcomes;
  outcomes.reserve(batch.size());
  for (PendingWrite& write : batch) {
    if (auto* append = std::get_if<PendingAppend>(&write)) {
      outcomes.emplace_back(builder.Append(append->request));
    } else {
      outcomes.emplace_back(builder.StoreSnapshot(std::get<PendingSnapshot>(write).request));
    }
  }
  const absl::Status written = MeasuredWrite(builder.writes());
  if (written.ok()) builder.PublishHeads();
  for (size_t i = 0; i < batch.size(); ++i) {
    // After a failed write no outcome holds: even a conflict may be with a version of this batch.
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      auto& outcome = std::get<absl::StatusOr<AppendOutcome>>(outcomes[i]);
      if (!written.ok()) outcome = written;
      append->done(std::move(outcome));
    } else {
      auto& outcome = std::get<absl::StatusOr<StoreSnapshotOutcome>>(outcomes[i]);
      if (!written.ok()) outcome = written;
      std::get<PendingSnapshot>(batch[i]).done(std::move(outcome));
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenRocksdbStorage(const RocksdbStorageOptions& options,
                                                            const Logger& logger) {
  absl::StatusOr<DataDirectory> directory = DataDirectory::Open(options.data_dir);
  if (!directory.ok()) return directory.status();
  std::unique_ptr<rocksdb::Env> env =
      EnvWithFullLengthLogs(options.env != nullptr ? *options.env : *rocksdb::Env::Default());
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(DatabaseOptions(options, *env, logger), directory->DatabasePath(), &opened);
  if (!status.ok()) {
    return FromRocksdb(status, absl::StrCat("open the database ", directory->DatabasePath()));
  }
  // The memtable must not be empty if the first write meets a full disk: see Resume(). If that is
  // so already, this fails, and only reading works until there is room and the next start.
  opened->Put(rocksdb::WriteOptions(), kOpenedKey, "").PermitUncheckedError();
  return std::make_unique<RocksdbStorage>(std::move(*directory), std::move(env),
                                          std::unique_ptr<rocksdb::DB>(opened), options);
}

}  // namespace tcsync
