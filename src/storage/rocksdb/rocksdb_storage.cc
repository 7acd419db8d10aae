#include "storage/rocksdb/rocksdb_storage.h"

#include <chrono>
#include <condition_variable>
#include <memory>
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
#include "storage/reader_pool.h"
#include "storage/rocksdb/access_records.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/batch_writer.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/opening.h"
#include "storage/rocksdb/probe.h"
#include "storage/rocksdb/replica_activity.h"
#include "storage/rocksdb/reserve.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/storage_instruments.h"
#include "storage/rocksdb/stored_pieces.h"
#include "storage/rocksdb/upload_admission.h"
#include "storage/rocksdb/uploads.h"

namespace tcsync::rocksdb_storage {
namespace {

class RocksdbStorage final : public Storage,
                             private AdministeredStorage,
                             private StagingStorage,
                             private PieceStorage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<const StorageInstruments> instruments,
                 std::unique_ptr<HeadCache> head_cache, std::unique_ptr<UploadTable> uploads,
                 std::unique_ptr<Reserve> reserve, std::unique_ptr<Database> database,
                 const OpenedState& opened, const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        instruments_(std::move(instruments)),
        head_cache_(std::move(head_cache)),
        uploads_(std::move(uploads)),
        reserve_(std::move(reserve)),
        database_(std::move(database)),
        writer_({.database = *database_,
                 .head_cache = *head_cache_,
                 .uploads = *uploads_,
                 .reserve = *reserve_,
                 .notes = notes_,
                 .instruments = instruments_.get()},
                opened),
        reader_pool_(options.reader_threads, options.disk_wait_max),
        committer_(
            options.queue_bytes_max, options.disk_wait_max,
            [this](std::vector<PendingWrite>& batch) { CommitAll(batch); }, instruments_.get()),
        notes_thread_(base::StartThread("tcsync-notes", [this] { FlushNotesPeriodically(); })) {
    if (options.registry == nullptr) return;
    read_queue_registration_ = options.registry->AddCallback(
        metrics::Type::kGauge, "tcsync_disk_read_queue_reads",
        "Reads that wait for a reader thread.",
        [this] { return static_cast<double>(reader_pool_.waiting()); });
  }

  // The readers' last tasks may be writes, and the committer's last callbacks may start reads.
  ~RocksdbStorage() override {
    {
      const std::lock_guard lock(closing_mutex_);
      is_closing_ = true;
    }
    closing_.notify_one();
    notes_thread_.join();  // writes the last notes
    reader_pool_.Stop();
  }

  bool RefusesWrites() const override { return committer_.IsLate(); }

  void BeginUpload(UploadRequest request, BeginUploadCallback done) override {
    Read([this, request = std::move(request)](
             const ChainReader& reader) { return DecideUpload(reader, request); },
         std::move(done));
  }

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
    Read([this, client_id](const ChainReader& reader) { return FindSnapshot(reader, client_id); },
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
    // A replica at the nil version has nothing of the history, and is ahead of nobody.
    if (!version_id.IsNil()) notes_.NoteAhead(client_id, version_id, now_unix_seconds);
  }

  void Probe(ProbeCallback done) override;

  StorageAdministration& administration() override { return administration_; }

  // At the start: removes the pieces of uploads that the end of the process interrupted.
  void RemoveAbandonedUploads(const base::Logger& logger) {
    rocksdb_storage::RemoveAbandonedUploads(*this, logger);
  }

 private:
  void AddPiece(std::shared_ptr<UploadState> upload, std::string piece,
                Upload::AddedCallback done) override;
  void Discard(std::shared_ptr<UploadState> upload) override;
  void ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces, uint32_t piece,
                      PieceSource::PieceCallback done) override;
  std::shared_ptr<PieceSource> OpenPieces(const PiecesOwner& owner,
                                          const PiecesRecord& pieces) override {
    return OpenStoredPieces(*this, owner, pieces);
  }
  UploadTable& uploads() override { return *uploads_; }
  absl::Status WithDatabase(Use use) override;
  absl::Status Commit(PendingChange::Decide change, Room room) override {
    return CommitAndWait(
        committer_,
        {.decide = std::move(change), .may_use_reserve = room == Room::kReserve, .done = nullptr});
  }
  absl::Status MakeRoom() override;
  absl::Status FlushNotes(Room room) override;
  StorageTotals totals() const override { return writer_.totals(); }
  bool has_removals() const override { return writer_.has_removals(); }
  void set_has_removals(bool has_removals) override { writer_.set_has_removals(has_removals); }
  uint64_t removals() const override { return writer_.removals(); }
  CommitterQueue queue() const override { return committer_.queue(); }
  uint64_t head_cache_bytes() const override { return head_cache_->bytes(); }

  void FlushNotesPeriodically();
  // Calls `done` with the result of reading that probe.
  void ReadBack(uint64_t probe_number, ProbeCallback done);

  using Outcome = std::variant<absl::StatusOr<AppendOutcome>, absl::StatusOr<StoreSnapshotOutcome>,
                               absl::Status>;

  // Calls `done` with the result of `read`: at once if memory has it, and otherwise on a thread
  // that may wait for the disk.
  template <typename ReadFunction, typename Callback>
  void Read(ReadFunction read, Callback done) {
    ReadBy(&storage::ReaderPool::Run, std::move(read), std::move(done));
  }
  // The same for the continuation of an admitted read.
  template <typename ReadFunction, typename Callback>
  void ContinueRead(ReadFunction read, Callback done) {
    ReadBy(&storage::ReaderPool::Continue, std::move(read), std::move(done));
  }
  template <typename ReadFunction, typename Callback>
  void ReadBy(void (storage::ReaderPool::*run)(storage::ReaderPool::Task), ReadFunction read,
              Callback done) {
    auto found = ReadAt(ReadTier::kMemory, read);
    if (!NeedsDisk(found.status())) return done(std::move(found));
    if (instruments_ != nullptr) instruments_->disk_reads.Add();
    (reader_pool_.*run)([this, read = std::move(read),
                         done = std::move(done)](const absl::Status& admission) mutable {
      if (!admission.ok()) return done(admission);
      done(ReadAt(ReadTier::kDisk, read));
    });
  }

  // The result of `read`; kUnavailable when the database is not open.
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
  absl::StatusOr<std::optional<Snapshot>> FindSnapshot(const ChainReader& reader,
                                                       const Uuid& client_id);
  absl::StatusOr<UploadOutcome> DecideUpload(const ChainReader& reader,
                                             const UploadRequest& request);

  // Prefetches the records that the committer will need for the write, and queues it: in the
  // committer, a wait for the disk would hold up all other writes.
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

  // Reads the records that BatchBuilder will need for the request.
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
  // Commits as many of the writes from `begin` on as fit into one batch of RocksDB; returns the
  // index of the first one left over.
  size_t CommitSome(std::vector<PendingWrite>& batch, size_t begin);
  void CommitChange(PendingChange& change);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits the queued writes, is destroyed first.
  const DataDirectory directory_;
  const std::unique_ptr<const StorageInstruments> instruments_;  // null: not measured
  const std::unique_ptr<HeadCache> head_cache_;                  // cleared by the database
  const std::unique_ptr<UploadTable> uploads_;                   // broken by the database
  const std::unique_ptr<Reserve> reserve_;
  const std::unique_ptr<Database> database_;
  ReplicaActivity notes_;
  BatchWriter writer_;
  uint64_t probe_number_ = 0;  // of the latest probe; the committer's
  RocksdbAdministration administration_{*this};
  storage::ReaderPool reader_pool_;
  Committer committer_;
  std::mutex flush_mutex_;  // held while notes are written
  std::mutex closing_mutex_;
  std::condition_variable closing_;
  bool is_closing_ = false;   // under closing_mutex_
  std::thread notes_thread_;  // uses the members above
  metrics::Registry::Registration read_queue_registration_;
};

absl::StatusOr<ChildOutcome> RocksdbStorage::FindChild(const ChainReader& reader,
                                                       const Uuid& client_id,
                                                       const Uuid& parent_version_id) {
  // The head comes first: a chain grows at its end, so a parent that is not its end has a child
  // now, unless the parent is not here.
  for (;;) {
    const uint64_t removals = head_cache_->Removals(client_id);
    const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, client_id);
    if (!head.ok()) return head.status();
    if (!head->has_value()) return NoSuchClient{};
    if ((*head)->latest_version_id == parent_version_id) return NoChild{parent_version_id};
    absl::StatusOr<std::optional<FoundVersion>> child =
        reader.FindChild(client_id, **head, parent_version_id);
    if (!child.ok()) return child.status();
    if (child->has_value()) {
      FoundVersion& found = **child;
      if (found.pieces) {
        found.version.pieces = OpenPieces({client_id, found.number}, *found.pieces);
      }
      return std::move(found.version);
    }
    // If the head is unchanged, no version was removed between the two reads that might have been
    // the requested one. The exception is a client that was removed as a whole and returned with
    // the same versions.
    const absl::StatusOr<std::optional<ChainHead>> now = Head(reader, client_id);
    if (!now.ok()) return now.status();
    if (now->has_value() && (*now)->IsSameChain(**head) &&
        head_cache_->Removals(client_id) == removals) {
      return NoChild{.latest_version_id = (*head)->latest_version_id,
                     .accepts_diverged = (*head)->AcceptsDivergedAt(parent_version_id)};
    }
  }
}

absl::StatusOr<std::optional<Snapshot>> RocksdbStorage::FindSnapshot(const ChainReader& reader,
                                                                     const Uuid& client_id) {
  absl::StatusOr<std::optional<FoundSnapshot>> found = reader.ReadSnapshot(client_id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return std::nullopt;
  Snapshot& snapshot = (*found)->snapshot;
  if ((*found)->pieces) snapshot.pieces = OpenPieces({.client_id = client_id}, *(*found)->pieces);
  return std::move(snapshot);
}

absl::StatusOr<UploadOutcome> RocksdbStorage::DecideUpload(const ChainReader& reader,
                                                           const UploadRequest& request) {
  std::optional<ChainHead> client;
  if (!std::holds_alternative<UploadRequest::ForImport>(request.purpose)) {
    const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, request.client_id);
    if (!head.ok()) return head.status();
    client = *head;
  }
  const absl::StatusOr<UploadAdmission> decided =
      AdmitUpload(reader, client, uploads_->BytesOf(request.client_id), request);
  if (!decided.ok()) return decided.status();
  if (const auto* conflict = std::get_if<Conflict>(&*decided)) return *conflict;
  if (const auto* over = std::get_if<OverLimit>(&*decided)) return *over;
  if (std::holds_alternative<NoSuchClient>(*decided)) return NoSuchClient{};
  if (std::holds_alternative<NotWanted>(*decided)) return NotWanted{};
  std::shared_ptr<UploadState> state =
      uploads_->Begin(request.client_id, std::get<uint64_t>(*decided), request.now_unix_seconds);
  if (state == nullptr) {
    return absl::UnavailableError(absl::StrCat("the client has ", base::kUploadsPerClientMax,
                                               " large uploads in progress already"));
  }
  StagingStorage& staging = *this;
  return std::make_unique<RocksdbUpload>(staging, std::move(state));
}

void RocksdbStorage::AddPiece(std::shared_ptr<UploadState> upload, std::string piece,
                              Upload::AddedCallback done) {
  const uint64_t bytes = piece.size();
  committer_.SubmitPiece(
      {.decide = [upload = std::move(upload), piece = std::move(piece)](
                     BatchBuilder& batch) mutable { return batch.AddPiece(upload, piece); },
       .bytes = bytes,
       .done = std::move(done)});
}

void RocksdbStorage::Discard(std::shared_ptr<UploadState> upload) {
  committer_.SubmitPiece(
      {.decide =
           [upload](BatchBuilder& batch) {
             batch.DiscardUpload(upload);
             return absl::OkStatus();
           },
       .bytes = base::kPieceBytesMax,  // a few in one write, because each has many keys
       .done =
           [this, upload](const absl::Status& written) {
             if (!written.ok()) uploads_->KeepForDiscarding(upload);
           }});
}

void RocksdbStorage::ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces,
                                    uint32_t piece, PieceSource::PieceCallback done) {
  ContinueRead([owner, pieces, piece](
                   const ChainReader& reader) { return ReadPiece(reader, owner, pieces, piece); },
               std::move(done));
}

absl::Status RocksdbStorage::LoadNeedsOf(const ChainReader& reader, const AppendRequest& request) {
  const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, request.client_id);
  if (!head.ok()) return head.status();
  if (!head->has_value()) {
    if (!request.create_client || !request.invite) return absl::OkStatus();
    return ReadInvite(reader, *request.invite).status();
  }
  if ((*head)->latest_version_id == request.expected_parent ||
      !(*head)->AcceptsDivergedAt(request.expected_parent)) {
    return absl::OkStatus();
  }
  // The append may have to remove the present history.
  return reader
      .ReadKeysOfVersions(request.client_id, (*head)->record.first_number,
                          (*head)->latest_number + 1)
      .status();
}

void RocksdbStorage::Probe(ProbeCallback done) {
  const auto number = std::make_shared<uint64_t>(0);
  Submit(absl::OkStatus(),
         PendingChange{.decide =
                           [this, number](BatchBuilder& batch) {
                             *number = probe_number_ = WriteProbe(probe_number_, batch.writes());
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

absl::Status RocksdbStorage::FlushNotes(Room room) {
  const std::lock_guard lock(flush_mutex_);
  const std::vector<ReplicaActivity::Unresolved> unresolved = notes_.TakeUnresolved();
  const absl::Status loaded = WithDatabase([&](rocksdb::DB&, const ChainReader& reader) {
    for (const ReplicaActivity::Unresolved& note : unresolved) {
      const absl::StatusOr<std::optional<ChainHead>> head = Head(reader, note.client_id);
      if (!head.ok()) return head.status();
      if (!head->has_value()) continue;
      const absl::StatusOr<std::optional<uint64_t>> number =
          reader.FindNumber(note.client_id, **head, note.version_id);
      if (!number.ok()) return number.status();
      if (number->has_value()) notes_.Note(note.client_id, note.version_id, **number, note.day);
    }
    const ReplicaActivity::Changes changes = notes_.Changed();
    for (const ReplicaActivity::Position& position : changes.positions) {
      static_cast<void>(Head(reader, position.client_id).ok());
    }
    LoadForNotes(changes, reader);
    return absl::OkStatus();
  });
  if (!loaded.ok()) return loaded;
  if (notes_.Changed().empty()) return absl::OkStatus();
  ReplicaActivity::Changes taken;
  absl::Status written = Commit(
      [&](BatchBuilder& batch) {
        batch.LeaveUnsynced();
        notes_.Restore(taken);  // when it is decided again
        taken = notes_.Take();
        return WriteNotes(taken, batch);
      },
      room);
  if (!written.ok()) notes_.Restore(taken);
  return written;
}

void RocksdbStorage::FlushNotesPeriodically() {
  for (bool is_closing = false; !is_closing;) {
    {
      std::unique_lock lock(closing_mutex_);
      is_closing = closing_.wait_for(lock, std::chrono::milliseconds(base::kNotesFlushMs),
                                     [this] { return is_closing_; });
    }
    // Notes that cannot be written are kept, and tried again soon.
    static_cast<void>(FlushNotes(Room::kOrdinary).ok());
    DiscardAgain(*this);
    reserve_->Maintain();
  }
}

absl::Status RocksdbStorage::WithDatabase(Use use) {
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return absl::UnavailableError(database.status().message());
  return use(database->db(), database->reader(ReadTier::kDisk));
}

absl::Status RocksdbStorage::MakeRoom() {
  if (reserve_->IsNeeded()) reserve_->GiveUp();
  const absl::Status writable = writer_.MakeWritable(Room::kReserve);
  if (!writable.ok()) return writable;
  return WithDatabase([](rocksdb::DB&, const ChainReader&) { return absl::OkStatus(); });
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
  const Room room = change.may_use_reserve ? Room::kReserve : Room::kOrdinary;
  absl::Status written =
      writer_.Write(0, room, [&](BatchBuilder& builder) { return change.decide(builder); });
  committer_.NoteWritten();
  change.done(std::move(written));
}

size_t RocksdbStorage::CommitSome(std::vector<PendingWrite>& batch, size_t begin) {
  constexpr uint64_t kRecordBytes = 128;  // keys, trailer and RocksDB's overhead for one write
  uint64_t bytes = 0;
  size_t end = begin;
  for (; end < batch.size() && !std::holds_alternative<PendingChange>(batch[end]); ++end) {
    bytes += kRecordBytes + PayloadBytes(batch[end]);
  }
  std::vector<Outcome> outcomes;
  outcomes.reserve(end - begin);
  bool only_pieces = true;
  const absl::Status written = writer_.Write(bytes, Room::kOrdinary, [&](BatchBuilder& builder) {
    for (size_t i = begin; i < end; ++i) {
      if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
        if (builder.NeedsAnotherBatch(append->request)) {
          end = i;
          break;
        }
        outcomes.emplace_back(builder.Append(append->request));
        only_pieces = false;
      } else if (auto* piece = std::get_if<PendingPiece>(&batch[i])) {
        outcomes.emplace_back(piece->decide(builder));
      } else {
        only_pieces = false;
        outcomes.emplace_back(builder.StoreSnapshot(std::get<PendingSnapshot>(batch[i]).request));
      }
    }
    if (only_pieces) builder.LeaveUnsynced();
    return absl::OkStatus();
  });
  committer_.NoteWritten();
  for (size_t i = begin; i < end; ++i) {
    // After a failed write no outcome holds: even a conflict may be with a version of this batch.
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      using AppendResult = absl::StatusOr<AppendOutcome>;
      append->done(written.ok() ? std::get<AppendResult>(std::move(outcomes[i - begin]))
                                : AppendResult(OwnCopy(written)));
    } else if (auto* piece = std::get_if<PendingPiece>(&batch[i])) {
      piece->done(written.ok() ? std::get<absl::Status>(std::move(outcomes[i - begin]))
                               : OwnCopy(written));
    } else {
      using SnapshotResult = absl::StatusOr<StoreSnapshotOutcome>;
      std::get<PendingSnapshot>(batch[i]).done(
          written.ok() ? std::get<SnapshotResult>(std::move(outcomes[i - begin]))
                       : SnapshotResult(OwnCopy(written)));
    }
  }
  return end;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenRocksdbStorage(const RocksdbStorageOptions& options,
                                                            const base::Logger& logger) {
  absl::StatusOr<DataDirectory> directory = DataDirectory::Open(options.data_dir);
  if (!directory.ok()) return directory.status();
  std::unique_ptr<const StorageInstruments> instruments;
  if (options.registry != nullptr) {
    instruments = std::make_unique<StorageInstruments>(*options.registry);
  }
  auto head_cache = std::make_unique<HeadCache>(options.head_cache_bytes, instruments.get());
  auto uploads = std::make_unique<UploadTable>();
  auto reserve = std::make_unique<Reserve>(
      directory->ReservePath(), Database::RoomBytes(options) + base::kCompactionRoomBytes, logger);
  const auto open = [&] {
    return Database::Open(
        *directory, options, logger,
        {.before_reopening =
             [heads = head_cache.get(), staged = uploads.get()] {
               heads->Clear();
               staged->BreakAll();
             },
         .is_room_short = [kept = reserve.get()] { return kept->is_given_up(); }});
  };
  absl::StatusOr<std::unique_ptr<Database>> database = open();
  // A start flushes the content of the log, and begins a new one.
  if (absl::IsResourceExhausted(database.status()) && reserve->GiveUp()) database = open();
  if (!database.ok()) return database.status();
  reserve->Maintain();
  const absl::StatusOr<OpenedState> opened = [&]() -> absl::StatusOr<OpenedState> {
    const absl::StatusOr<Database::Loan> loan = (*database)->Borrow(ReadTier::kDisk);
    if (!loan.ok()) return loan.status();
    return ReadOpenedState(loan->db(), loan->reader(ReadTier::kDisk), *directory);
  }();
  if (!opened.ok()) return opened.status();
  if (const absl::Status ended = directory->EndCreation(); !ended.ok()) return ended;
  auto storage = std::make_unique<RocksdbStorage>(
      std::move(*directory), std::move(instruments), std::move(head_cache), std::move(uploads),
      std::move(reserve), std::move(*database), *opened, options);
  storage->RemoveAbandonedUploads(logger);
  return storage;
}

}  // namespace tcsync::rocksdb_storage
