#include "storage/rocksdb/rocksdb_storage.h"

#include <algorithm>
#include <atomic>
#include <chrono>
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
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "storage/rocksdb/access_records.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/probe.h"
#include "storage/rocksdb/reader_pool.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/seen_notes.h"
#include "storage/rocksdb/storage_instruments.h"

namespace tcsync {
namespace {

class RocksdbStorage final : public Storage, private AdministeredStorage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<const StorageInstruments> instruments,
                 std::unique_ptr<HeadCache> head_cache, std::unique_ptr<Database> database,
                 uint64_t client_count, const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        instruments_(std::move(instruments)),
        head_cache_(std::move(head_cache)),
        database_(std::move(database)),
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
    const auto read_head = [&](const ChainReader& reader) { return Head(reader, client_id); };
    const absl::StatusOr<std::optional<ChainHead>> head = ReadAt(ReadTier::kMemory, read_head);
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

  void Probe(ProbeCallback done) override;

  StorageAdministration* administration() override { return &administration_; }

 private:
  absl::Status WithDatabase(Use use) override;
  absl::Status Commit(PendingChange::Decide change) override;
  absl::Status FlushNotes() override;
  uint64_t client_count() const override { return client_count_; }
  CommitterQueue queue() const override { return committer_.queue(); }
  uint64_t head_cache_bytes() const override { return head_cache_->bytes(); }

  void FlushNotesNowAndThen();
  // Calls `done` with whether that probe can be read.
  void ReadBack(uint64_t probe_number, ProbeCallback done);

  using Outcome = std::variant<absl::StatusOr<AppendOutcome>, absl::StatusOr<StoreSnapshotOutcome>>;

  // Calls `done` with what `read` finds: at once if memory has it, and otherwise from a thread that
  // may wait for the disk.
  template <typename ReadFunction, typename Callback>
  void Read(ReadFunction read, Callback done) {
    auto found = ReadAt(ReadTier::kMemory, read);
    if (!NeedsDisk(found.status())) return done(std::move(found));
    if (instruments_ != nullptr) instruments_->disk_reads.Add();
    reader_pool_.Run([this, read = std::move(read),
                      done = std::move(done)](const absl::Status& admission) mutable {
      if (!admission.ok()) return done(admission);
      done(ReadAt(ReadTier::kDisk, read));
    });
  }

  // What `read` finds; kUnavailable when the database is not open.
  template <typename ReadFunction>
  auto ReadAt(ReadTier tier, ReadFunction& read)
      -> decltype(read(std::declval<const ChainReader&>())) {
    const absl::StatusOr<Database::Loan> database = database_->Borrow(tier);
    if (database.ok()) return read(database->reader(tier));
    if (NeedsDisk(database.status())) return database.status();
    return absl::UnavailableError(database.status().message());
  }

  absl::StatusOr<std::optional<ChainHead>> Head(const ChainReader& reader, const Uuid& client_id) {
    return head_cache_->Get(client_id, [&] { return reader.ReadHead(client_id); });
  }

  absl::StatusOr<ChildOutcome> FindChild(const ChainReader& reader, const Uuid& client_id,
                                         const Uuid& parent_version_id);

  // Queues a write, and before that brings into memory what the committer will need to decide it:
  // all others' writes would wait with the committer for the disk.
  template <typename Pending>
  void Prepare(Pending pending) {
    const absl::Status prepared = LoadNeedsAt(ReadTier::kMemory, pending.request);
    if (!NeedsDisk(prepared)) return Submit(prepared, std::move(pending));
    reader_pool_.Run([this, pending = std::move(pending)](const absl::Status& admission) mutable {
      const absl::Status loaded =
          admission.ok() ? LoadNeedsAt(ReadTier::kDisk, pending.request) : admission;
      Submit(loaded, std::move(pending));
    });
  }

  // Reads what BatchBuilder will read for the request.
  template <typename Request>
  absl::Status LoadNeedsAt(ReadTier tier, const Request& request) {
    const absl::StatusOr<Database::Loan> database = database_->Borrow(tier);
    return database.ok() ? LoadNeedsOf(database->reader(tier), request) : database.status();
  }
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

  void CommitAll(std::vector<PendingWrite>& batch);
  // Commits as many of the writes from `begin` on as one batch of RocksDB's may have; returns the
  // index of the first one that it left.
  size_t CommitSome(std::vector<PendingWrite>& batch, size_t begin);
  void CommitChange(PendingChange& change);
  // Lets `decide` collect a batch, writes it, and tells the caches. Nothing is on loan afterwards,
  // when callbacks are called.
  absl::Status Write(uint64_t bytes, absl::FunctionRef<absl::Status(BatchBuilder&)> decide);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits what is queued, goes first.
  const DataDirectory directory_;
  const std::unique_ptr<const StorageInstruments> instruments_;  // null: not measured
  const std::unique_ptr<HeadCache> head_cache_;                  // which the database clears
  const std::unique_ptr<Database> database_;
  SeenNotes notes_;
  std::atomic<uint64_t> client_count_;  // changed by the committer
  uint64_t probe_number_ = 0;           // of the latest probe; the committer's
  RocksdbAdministration administration_{*this};
  ReaderPool reader_pool_;
  Committer committer_;
  std::mutex flush_mutex_;  // one at a time writes notes
  std::mutex closing_mutex_;
  std::condition_variable closing_;
  bool is_closing_ = false;   // under closing_mutex_
  std::thread notes_thread_;  // uses the members above
  metrics::Registry::Registration read_queue_registration_;
};

absl::StatusOr<ChildOutcome> RocksdbStorage::FindChild(const ChainReader& reader,
                                                       const Uuid& client_id,
                                                       const Uuid& parent_version_id) {
  // The head comes first: a chain grows at its end, so a parent that is not its end has a child now
  // unless it is not here.
  for (;;) {
    const uint64_t removals = head_cache_->Removals(client_id);
    const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, client_id);
    if (!head.ok()) return head.status();
    if (!head->has_value()) return NoSuchClient{};
    if ((*head)->latest_version_id == parent_version_id) return NoChild{parent_version_id};
    absl::StatusOr<std::optional<Version>> child =
        reader.FindChild(client_id, **head, parent_version_id);
    if (!child.ok()) return child.status();
    if (child->has_value()) return std::move(**child);
    // If the head is still what it was, nothing was removed between the two looks, which might be
    // what was looked for; unless a whole client was, and came back with the same versions.
    const absl::StatusOr<std::optional<ChainHead>> now = Head(reader, client_id);
    if (!now.ok()) return now.status();
    if (now->has_value() && (*now)->IsSameChain(**head) &&
        head_cache_->Removals(client_id) == removals) {
      return NoChild{.latest_version_id = (*head)->latest_version_id,
                     .may_carry_on = (*head)->MayCarryOnFrom(parent_version_id)};
    }
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

void RocksdbStorage::Probe(ProbeCallback done) {
  const auto number = std::make_shared<uint64_t>(0);
  Submit(
      absl::OkStatus(),
      PendingChange{.decide =
                        [this, number](BatchBuilder& batch) {
                          // Later than those of earlier processes.
                          const auto now = std::chrono::system_clock::now().time_since_epoch();
                          const auto now_us = static_cast<uint64_t>(
                              std::chrono::duration_cast<std::chrono::microseconds>(now).count());
                          probe_number_ = std::max(probe_number_ + 1, now_us);
                          *number = probe_number_;
                          WriteProbe(*number, batch.writes());
                          return absl::OkStatus();
                        },
                    .done =
                        [this, number, done = std::move(done)](absl::Status written) mutable {
                          if (!written.ok()) return done(std::move(written));
                          ReadBack(*number, std::move(done));
                        }});
}

void RocksdbStorage::ReadBack(uint64_t probe_number, ProbeCallback done) {
  reader_pool_.Run(
      [this, probe_number, done = std::move(done)](const absl::Status& admission) mutable {
        if (!admission.ok()) return done(admission);
        done(WithDatabase([probe_number](rocksdb::DB& database, const ChainReader&) {
          return ReadProbe(database, probe_number);
        }));
      });
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

absl::Status RocksdbStorage::WithDatabase(Use use) {
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return absl::UnavailableError(database.status().message());
  return use(database->db(), database->reader(ReadTier::kDisk));
}

absl::Status RocksdbStorage::Write(uint64_t bytes,
                                   absl::FunctionRef<absl::Status(BatchBuilder&)> decide) {
  const absl::Status writable = database_->MakeWritable();
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return database.status();
  BatchBuilder builder(database->reader(ReadTier::kDisk), *head_cache_, client_count_, bytes);
  if (const absl::Status decided = decide(builder); !decided.ok()) return decided;
  if (builder.writes().Count() == 0) return absl::OkStatus();  // needs no room on the disk
  if (!writable.ok()) return writable;
  builder.BeforeWrite();
  const auto since = std::chrono::steady_clock::now();
  const absl::Status written = database_->Write(*database, builder.writes(), builder.needs_sync());
  if (instruments_ != nullptr && builder.writes().Count() > 0 && builder.needs_sync()) {
    instruments_->sync_seconds.Observe(std::chrono::steady_clock::now() - since);
  }
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
  absl::Status written = Write(0, [&](BatchBuilder& builder) { return change.decide(builder); });
  committer_.NoteWritten();
  change.done(std::move(written));
}

size_t RocksdbStorage::CommitSome(std::vector<PendingWrite>& batch, size_t begin) {
  constexpr uint64_t kRecordBytes = 128;  // keys, trailer and RocksDB's own for one write
  uint64_t bytes = 0;
  size_t end = begin;
  for (; end < batch.size() && !std::holds_alternative<PendingChange>(batch[end]); ++end) {
    bytes += kRecordBytes + PayloadBytes(batch[end]);
  }
  std::vector<Outcome> outcomes;
  outcomes.reserve(end - begin);
  const absl::Status written = Write(bytes, [&](BatchBuilder& builder) {
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
    return absl::OkStatus();
  });
  committer_.NoteWritten();
  for (size_t i = begin; i < end; ++i) {
    // After a failed write no outcome holds: even a conflict may be with a version of this batch.
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      using AppendResult = absl::StatusOr<AppendOutcome>;
      append->done(written.ok() ? std::get<AppendResult>(std::move(outcomes[i - begin]))
                                : AppendResult(OwnCopy(written)));
    } else {
      using SnapshotResult = absl::StatusOr<StoreSnapshotOutcome>;
      std::get<PendingSnapshot>(batch[i]).done(
          written.ok() ? std::get<SnapshotResult>(std::move(outcomes[i - begin]))
                       : SnapshotResult(OwnCopy(written)));
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
  std::unique_ptr<const StorageInstruments> instruments;
  if (options.registry != nullptr) {
    instruments = std::make_unique<StorageInstruments>(*options.registry);
  }
  auto head_cache = std::make_unique<HeadCache>(options.head_cache_bytes, instruments.get());
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open(*directory, options, logger, [heads = head_cache.get()] { heads->Clear(); });
  if (!database.ok()) return database.status();
  const absl::StatusOr<uint64_t> client_count = [&]() -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<Database::Loan> loan = (*database)->Borrow(ReadTier::kDisk);
    if (!loan.ok()) return loan.status();
    return UpgradeAndCountClients(loan->db(), *directory);
  }();
  if (!client_count.ok()) return client_count.status();
  if (const absl::Status ended = directory->EndCreation(); !ended.ok()) return ended;
  return std::make_unique<RocksdbStorage>(std::move(*directory), std::move(instruments),
                                          std::move(head_cache), std::move(*database),
                                          *client_count, options);
}

}  // namespace tcsync
