#include "storage/rocksdb/rocksdb_storage.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/thread.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "storage/rocksdb/access_records.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/reader_pool.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/seen_notes.h"
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

class RocksdbStorage final : public Storage, private AdministeredStorage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<rocksdb::Env> env,
                 std::unique_ptr<rocksdb::DB> database, uint64_t client_count,
                 const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        env_(std::move(env)),
        database_(std::move(database)),
        memory_reader_(*database_, ReadTier::kMemory),
        disk_reader_(*database_, ReadTier::kDisk),
        instruments_(options.registry == nullptr
                         ? nullptr
                         : std::make_unique<StorageInstruments>(*options.registry)),
        head_cache_(options.head_cache_bytes, instruments_.get()),
        client_count_(client_count),
        reader_pool_(options.reader_threads, options.disk_wait_max),
        committer_(
            options.queue_bytes_max, options.disk_wait_max,
            [this](std::vector<PendingWrite>& batch) { CommitAll(batch); }, instruments_.get()),
        notes_thread_(StartThread("tcsync-notes", [this] { FlushNotesNowAndThen(); })) {
    if (options.registry == nullptr) return;
    read_queue_registration_ = options.registry->AddCallback(
        metrics::Type::kGauge, "tcsync_disk_read_queue_reads",
        "Reads that wait for a reader thread.",
        [this] { return static_cast<double>(reader_pool_.waiting()); });
  }

  // The readers' last tasks may be writes, and the committer's last callbacks may want to read.
  ~RocksdbStorage() override {
    {
      const std::lock_guard lock(closing_mutex_);
      is_closing_ = true;
    }
    closing_.notify_one();
    notes_thread_.join();  // which writes the last notes
    reader_pool_.Stop();
  }

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

  void NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id,
                       int64_t now_unix_seconds) override {
    const uint32_t day = DayOf(now_unix_seconds);
    if (notes_.IsNoted(client_id, version_id, day)) return;
    const absl::StatusOr<std::optional<ChainHead>> head = Head(memory_reader_, client_id);
    if (head.ok() && head->has_value() && (*head)->latest_version_id == version_id) {
      notes_.Note(client_id, version_id, (*head)->latest_number, day);
    } else if (!head.ok() || head->has_value()) {
      notes_.NoteUnresolved({client_id, version_id, day});
    }
  }

  void NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id,
                        int64_t now_unix_seconds) override {
    // A replica at the nil version is empty, and ahead of nobody.
    if (!version_id.IsNil()) notes_.NoteAhead(client_id, version_id, now_unix_seconds);
  }

  StorageAdministration* administration() override { return &administration_; }

 private:
  absl::Status WithDatabase(Use use) override { return use(*database_, disk_reader_); }
  absl::Status Commit(PendingChange::Decide change) override;
  absl::Status FlushNotes() override;
  uint64_t client_count() const override { return client_count_; }
  CommitterQueue queue() const override { return committer_.queue(); }

  void FlushNotesNowAndThen();

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
  absl::Status LoadNeedsOf(const ChainReader& reader, const AppendRequest& request);
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

  absl::Status Write(rocksdb::WriteBatch& writes, bool sync);
  absl::Status MeasuredWrite(rocksdb::WriteBatch& writes, bool sync);
  // Makes the database accept writes again after the disk was full; false when it cannot be.
  bool Resume();
  void CommitAll(std::vector<PendingWrite>& batch);
  // Commits as many of the writes from `begin` on as one batch of RocksDB's may have; returns the
  // index of the first one that it left.
  size_t CommitSome(std::vector<PendingWrite>& batch, size_t begin);
  void CommitChange(PendingChange& change);
  // Writes what the builder has collected, and tells the caches.
  absl::Status Finish(BatchBuilder& builder);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits what is queued, goes first.
  const DataDirectory directory_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::unique_ptr<rocksdb::DB> database_;
  const ChainReader memory_reader_;
  const ChainReader disk_reader_;
  const std::unique_ptr<const StorageInstruments> instruments_;  // null: not measured
  HeadCache head_cache_;
  SeenNotes notes_;
  std::atomic<uint64_t> client_count_;  // changed by the committer
  RocksdbAdministration administration_{*this};
  ReaderPool reader_pool_;
  Committer committer_;
  std::mutex flush_mutex_;  // one at a time writes notes
  std::mutex closing_mutex_;
  std::condition_variable closing_;
  bool is_closing_ = false;  // under closing_mutex_
  metrics::Registry::Registration read_queue_registration_;
  std::thread notes_thread_;  // last: it uses the members above
};

absl::StatusOr<ChildOutcome> RocksdbStorage::FindChild(const ChainReader& reader,
                                                       const Uuid& client_id,
                                                       const Uuid& parent_version_id) {
  // The head comes first: a chain grows at its end, so a parent that is not its end has a child now
  // unless it is not here.
  absl::StatusOr<std::optional<ChainHead>> head = Head(reader, client_id);
  for (;;) {
    if (!head.ok()) return head.status();
    if (!head->has_value()) return NoSuchClient{};
    if ((*head)->latest_version_id == parent_version_id) return NoChild{parent_version_id};
    absl::StatusOr<std::optional<Version>> child =
        reader.FindChild(client_id, **head, parent_version_id);
    if (!child.ok()) return child.status();
    if (child->has_value()) return std::move(**child);
    // If the head is still what it was, nothing was removed between the two looks, which might be
    // what was looked for.
    absl::StatusOr<std::optional<ChainHead>> now = Head(reader, client_id);
    if (now.ok() && now->has_value() && (*now)->IsSameChain(**head)) {
      return NoChild{.latest_version_id = (*head)->latest_version_id,
                     .may_carry_on = (*head)->MayCarryOnFrom(parent_version_id)};
    }
    head = std::move(now);
  }
}

absl::Status RocksdbStorage::LoadNeedsOf(const ChainReader& reader, const AppendRequest& request) {
  const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, request.client_id);
  if (!head.ok()) return head.status();
  if (!head->has_value()) {
    if (!request.create_client || !request.invite) return absl::OkStatus();
    return ReadInvite(reader, *request.invite).status();
  }
  if ((*head)->latest_version_id == request.expected_parent ||
      !(*head)->MayCarryOnFrom(request.expected_parent)) {
    return absl::OkStatus();
  }
  // It may have to remove all that is here.
  return reader
      .ReadKeysOfVersions(request.client_id, (*head)->record.first_number,
                          (*head)->latest_number + 1)
      .status();
}

absl::Status RocksdbStorage::Commit(PendingChange::Decide change) {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> result;
  PendingWrite write = PendingChange{.decide = std::move(change), .done = [&](absl::Status status) {
                                       const std::lock_guard lock(mutex);
                                       result = std::move(status);
                                       changed.notify_one();  // before the waiter may leave
                                     }};
  if (!committer_.Submit(write)) {
    return absl::UnavailableError("too many writes are waiting for the disk");
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return result.has_value(); });
  return *std::move(result);
}

absl::Status RocksdbStorage::FlushNotes() {
  const std::lock_guard lock(flush_mutex_);
  const std::vector<SeenNotes::Unresolved> unresolved = notes_.TakeUnresolved();
  const absl::Status loaded = WithDatabase([&](rocksdb::DB&, const ChainReader& reader) {
    for (const SeenNotes::Unresolved& note : unresolved) {
      const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, note.client_id);
      if (!head.ok()) return head.status();
      if (!head->has_value()) continue;
      const absl::StatusOr<std::optional<uint64_t>> number =
          reader.FindNumber(note.client_id, **head, note.version_id);
      if (!number.ok()) return number.status();
      if (number->has_value()) notes_.Note(note.client_id, note.version_id, **number, note.day);
    }
    const SeenNotes::Changes changes = notes_.Changed();
    for (const SeenNotes::Position& position : changes.positions) {
      static_cast<void>(Head(reader, position.client_id).ok());
    }
    LoadForNotes(changes, reader);
    return absl::OkStatus();
  });
  if (!loaded.ok()) return loaded;
  if (notes_.Changed().empty()) return absl::OkStatus();
  SeenNotes::Changes taken;
  absl::Status written = Commit([&](BatchBuilder& batch) {
    batch.LeaveUnsynced();
    taken = notes_.Take();
    return WriteNotes(taken, batch);
  });
  if (!written.ok()) notes_.Restore(taken);
  return written;
}

void RocksdbStorage::FlushNotesNowAndThen() {
  for (bool is_closing = false; !is_closing;) {
    {
      std::unique_lock lock(closing_mutex_);
      is_closing = closing_.wait_for(lock, std::chrono::milliseconds(kNotesFlushMs),
                                     [this] { return is_closing_; });
    }
    // Notes that cannot be written stay, and the next time is soon.
    static_cast<void>(FlushNotes().ok());
  }
}

absl::Status RocksdbStorage::Write(rocksdb::WriteBatch& writes, bool sync) {
  if (writes.Count() == 0) return absl::OkStatus();
  rocksdb::WriteOptions options;
  options.sync = sync;
  rocksdb::Status status = database_->Write(options, &writes);
  // A full disk stops all writes until the database is told to go on. If there is room again, the
  // replica that comes next should not have to wait for an operator.
  if (status.IsNoSpace() && Resume()) status = database_->Write(options, &writes);
  return status.ok() ? absl::OkStatus() : FromRocksdb(status, "write to the database");
}

absl::Status RocksdbStorage::MeasuredWrite(rocksdb::WriteBatch& writes, bool sync) {
  if (instruments_ == nullptr || writes.Count() == 0 || !sync) return Write(writes, sync);
  const auto since = std::chrono::steady_clock::now();
  absl::Status status = Write(writes, sync);
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

absl::Status RocksdbStorage::Finish(BatchBuilder& builder) {
  builder.BeforeWrite();
  const absl::Status written = MeasuredWrite(builder.writes(), builder.needs_sync());
  builder.AfterWrite(written.ok());
  if (!written.ok()) return written;
  client_count_ = builder.client_count();
  for (const Uuid& client_id : builder.forgotten_clients()) notes_.Forget(client_id);
  return written;
}

void RocksdbStorage::CommitAll(std::vector<PendingWrite>& batch) {
  for (size_t next = 0; next < batch.size();) {
    if (auto* change = std::get_if<PendingChange>(&batch[next])) {
      CommitChange(*change);
      ++next;
    } else {
      next = CommitSome(batch, next);
    }
  }
}

void RocksdbStorage::CommitChange(PendingChange& change) {
  BatchBuilder builder(disk_reader_, head_cache_, client_count_, 0);
  absl::Status status = change.decide(builder);
  if (status.ok()) status = Finish(builder);
  change.done(std::move(status));
}

size_t RocksdbStorage::CommitSome(std::vector<PendingWrite>& batch, size_t begin) {
  constexpr uint64_t kRecordBytes = 128;  // keys, trailer and RocksDB's own for one write
  uint64_t bytes = 0;
  size_t end = begin;
  for (; end < batch.size() && !std::holds_alternative<PendingChange>(batch[end]); ++end) {
    bytes += kRecordBytes + PayloadBytes(batch[end]);
  }
  BatchBuilder builder(disk_reader_, head_cache_, client_count_, bytes);
  std::vector<Outcome> outcomes;
  outcomes.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) {
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      if (builder.NeedsAnotherBatch(append->request)) {
        end = i;
        break;
      }
      outcomes.emplace_back(builder.Append(append->request));
    } else {
      outcomes.emplace_back(builder.StoreSnapshot(std::get<PendingSnapshot>(batch[i]).request));
    }
  }
  const absl::Status written = Finish(builder);
  for (size_t i = begin; i < end; ++i) {
    // After a failed write no outcome holds: even a conflict may be with a version of this batch.
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      auto& outcome = std::get<absl::StatusOr<AppendOutcome>>(outcomes[i - begin]);
      if (!written.ok()) outcome = written;
      append->done(std::move(outcome));
    } else {
      auto& outcome = std::get<absl::StatusOr<StoreSnapshotOutcome>>(outcomes[i - begin]);
      if (!written.ok()) outcome = written;
      std::get<PendingSnapshot>(batch[i]).done(std::move(outcome));
    }
  }
  return end;
}

// How many clients have records.
absl::StatusOr<uint64_t> CountClients(rocksdb::DB& database) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;  // from client to client
  uint64_t count = 0;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  for (iterator->SeekToFirst(); iterator->Valid();) {
    const absl::string_view key(iterator->key().data(), iterator->key().size());
    if (key.size() < Uuid::kBytes) {  // kOpenedKey
      iterator->Next();
      continue;
    }
    // The client record is a client's first key; other keys at the front are the storage's own.
    if (ParseClientKey(key)) ++count;
    iterator->Seek(EndOfClient(Uuid::FromBytes(key.data())));
  }
  if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "count the clients");
  return count;
}

// Reads how many clients there are, and brings a directory of an older format to this one.
absl::StatusOr<uint64_t> UpgradeAndCountClients(rocksdb::DB& database, DataDirectory& directory) {
  std::string value;
  const rocksdb::Status read = database.Get(rocksdb::ReadOptions(), ClientCountKey(), &value);
  if (!read.ok() && !read.IsNotFound()) return FromRocksdb(read, "read the count of clients");
  // A count that is there in an older format is from an upgrade that was cut short, and an older
  // release may have made clients since.
  if (read.ok() && directory.format() == kStorageFormatVersion) {
    const std::optional<uint64_t> count = DecodeNumber(value);
    if (!count) return absl::DataLossError("the count of clients is malformed");
    return *count;
  }
  const absl::StatusOr<uint64_t> count = CountClients(database);
  if (!count.ok()) return count;
  if (directory.format() == kStorageFormatVersion) return count;
  rocksdb::WriteOptions durable;
  durable.sync = true;
  const rocksdb::Status written = database.Put(durable, ClientCountKey(), EncodeNumber(*count));
  if (!written.ok()) return FromRocksdb(written, "write the count of clients");
  // Last: whoever reads this format may rely on all that it has.
  const absl::Status upgraded = directory.Upgrade();
  if (!upgraded.ok()) return upgraded;
  return count;
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
  std::unique_ptr<rocksdb::DB> database(opened);
  database->Put(rocksdb::WriteOptions(), kOpenedKey, "").PermitUncheckedError();
  const absl::StatusOr<uint64_t> client_count = UpgradeAndCountClients(*database, *directory);
  if (!client_count.ok()) return client_count.status();
  return std::make_unique<RocksdbStorage>(std::move(*directory), std::move(env),
                                          std::move(database), *client_count, options);
}

}  // namespace tcsync
