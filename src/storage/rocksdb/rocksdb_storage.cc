#include "storage/rocksdb/rocksdb_storage.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <limits>
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
#include "storage/rocksdb/reserve.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/seen_notes.h"
#include "storage/rocksdb/storage_instruments.h"
#include "storage/rocksdb/stored_pieces.h"
#include "storage/rocksdb/uploads.h"

namespace tcsync {
namespace {

// The keys of what uploads left behind, and of each upload the client.
absl::Status FindAbandonedUploads(rocksdb::DB& database, std::vector<std::string>& keys,
                                  std::vector<Uuid>& clients) {
  const std::string begin = FirstUploadKey();
  const std::string end = EndOfUploadKeys();
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> registered(database.NewIterator(options));
  for (registered->Seek(begin); registered->Valid(); registered->Next()) {
    const absl::string_view key(registered->key().data(), registered->key().size());
    keys.emplace_back(key);
    const std::optional<ParsedUploadKey> upload = ParseUploadKey(key);
    if (!upload) continue;
    clients.push_back(upload->client_id);
    // They are numbered from 0, so that the last one says which there are; to walk over all would
    // read their bytes.
    const std::string first_piece = PieceKey(upload->client_id, upload->upload_id, 0);
    const std::string last_piece =
        PieceKey(upload->client_id, upload->upload_id, std::numeric_limits<uint32_t>::max());
    const rocksdb::Slice first_slice(first_piece);
    rocksdb::ReadOptions options_of_pieces;
    options_of_pieces.total_order_seek = true;
    options_of_pieces.iterate_lower_bound = &first_slice;
    const std::unique_ptr<rocksdb::Iterator> pieces(database.NewIterator(options_of_pieces));
    pieces->SeekForPrev(last_piece);
    if (!pieces->status().ok()) return FromRocksdb(pieces->status(), "find the last piece");
    if (!pieces->Valid()) continue;
    const std::optional<ParsedPieceKey> last = ParsePieceKey(
        upload->client_id, absl::string_view(pieces->key().data(), pieces->key().size()));
    if (!last || last->upload_id != upload->upload_id) continue;
    for (uint32_t piece = 0; piece <= last->piece; ++piece) {
      keys.push_back(PieceKey(upload->client_id, upload->upload_id, piece));
    }
  }
  if (!registered->status().ok()) return FromRocksdb(registered->status(), "find uploads");
  return absl::OkStatus();
}

// What is known of the whole storage when it is opened.
struct OpenedState {
  StorageTotals totals;
  bool has_removals = false;
};

class RocksdbStorage final : public Storage,
                             private AdministeredStorage,
                             private StagingStorage,
                             private PieceStorage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<const StorageInstruments> instruments,
                 std::unique_ptr<HeadCache> head_cache, std::unique_ptr<UploadTable> uploads,
                 std::unique_ptr<Reserve> reserve, std::unique_ptr<Database> database,
                 const OpenedState& opened,                  const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        instruments_(std::move(instruments)),
        head_cache_(std::move(head_cache)),
        uploads_(std::move(uploads)),
        reserve_(std::move(reserve)),
        database_(std::move(database)),
        client_count_(opened.totals.clients),
        live_bytes_(opened.totals.live_bytes),
        has_removals_(opened.has_removals),
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

  StorageAdministration* administration() override { return &administration_; }

  // At the start: removes what uploads left behind that were under way when the process ended.
  void RemoveAbandonedUploads(const Logger& logger);

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
  absl::Status Commit(PendingChange::Decide change, Room room) override;
  absl::Status MakeRoom() override;
  absl::Status FlushNotes(Room room) override;
  StorageTotals totals() const override {
    return {.clients = client_count_, .live_bytes = live_bytes_};
  }
  bool has_removals() const override { return has_removals_; }
  void set_has_removals(bool has_removals) override { has_removals_ = has_removals; }
  uint64_t removals() const override { return removals_; }
  CommitterQueue queue() const override { return committer_.queue(); }
  uint64_t head_cache_bytes() const override { return head_cache_->bytes(); }

  void FlushNotesNowAndThen();
  // Calls `done` with whether that probe can be read.
  void ReadBack(uint64_t probe_number, ProbeCallback done);

  using Outcome = std::variant<absl::StatusOr<AppendOutcome>, absl::StatusOr<StoreSnapshotOutcome>,
                               absl::Status>;

  // Calls `done` with what `read` finds: at once if memory has it, and otherwise from a thread that
  // may wait for the disk.
  template <typename ReadFunction, typename Callback>
  void Read(ReadFunction read, Callback done) {
    ReadBy(&ReaderPool::Run, std::move(read), std::move(done));
  }
  // The same for a read that continues one which was admitted.
  template <typename ReadFunction, typename Callback>
  void ContinueRead(ReadFunction read, Callback done) {
    ReadBy(&ReaderPool::Continue, std::move(read), std::move(done));
  }
  template <typename ReadFunction, typename Callback>
  void ReadBy(void (ReaderPool::*run)(ReaderPool::Task), ReadFunction read, Callback done) {
    auto found = ReadAt(ReadTier::kMemory, read);
    if (!NeedsDisk(found.status())) return done(std::move(found));
    if (instruments_ != nullptr) instruments_->disk_reads.Add();
    (reader_pool_.*run)([this, read = std::move(read),
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
  absl::StatusOr<std::optional<Snapshot>> FindSnapshot(const ChainReader& reader,
                                                       const Uuid& client_id);
  absl::StatusOr<UploadOutcome> DecideUpload(const ChainReader& reader,
                                             const UploadRequest& request);
  // How many bytes the client's uploads may have in all, or why none is begun.
  absl::StatusOr<std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted>>
  AllowedUpload(const ChainReader& reader, const UploadRequest& request);
  // Discards uploads of which that has failed; on a full disk it takes the reserve.
  void DiscardAgain();

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
  absl::Status Write(uint64_t bytes, Room room,
                     absl::FunctionRef<absl::Status(BatchBuilder&)> decide);
  absl::Status WriteOnce(uint64_t bytes, Room room,
                         absl::FunctionRef<absl::Status(BatchBuilder&)> decide);
  // Makes the database writable, for that kind of write.
  absl::Status MakeWritable(Room room);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits what is queued, goes first.
  const DataDirectory directory_;
  const std::unique_ptr<const StorageInstruments> instruments_;  // null: not measured
  const std::unique_ptr<HeadCache> head_cache_;                  // which the database clears
  const std::unique_ptr<UploadTable> uploads_;                   // which the database breaks
  const std::unique_ptr<Reserve> reserve_;
  const std::unique_ptr<Database> database_;
  SeenNotes notes_;
  std::atomic<uint64_t> client_count_;  // these two are changed by the committer
  std::atomic<uint64_t> live_bytes_;
  std::atomic<bool> has_removals_;     // whether there are notes of removals
  std::atomic<uint64_t> removals_{0};  // that this process has made
  uint64_t probe_number_ = 0;          // of the latest probe; the committer's
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

absl::StatusOr<std::optional<Snapshot>> RocksdbStorage::FindSnapshot(const ChainReader& reader,
                                                                     const Uuid& client_id) {
  absl::StatusOr<std::optional<FoundSnapshot>> found = reader.ReadSnapshot(client_id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return std::nullopt;
  Snapshot& snapshot = (*found)->snapshot;
  if ((*found)->pieces) snapshot.pieces = OpenPieces({.client_id = client_id}, *(*found)->pieces);
  return std::move(snapshot);
}

absl::StatusOr<std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted>>
RocksdbStorage::AllowedUpload(const ChainReader& reader, const UploadRequest& request) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  if (std::holds_alternative<UploadRequest::ForImport>(request.purpose)) return kAny;
  const absl::StatusOr<std::optional<ChainHead>> found = Head(reader, request.client_id);
  if (!found.ok()) return found.status();
  uint64_t kept_bytes = 0;
  uint64_t versions = 0;
  if (const auto* append = std::get_if<UploadRequest::ForAppend>(&request.purpose)) {
    if (found->has_value()) {
      const ChainHead& head = **found;
      const bool is_latest = head.latest_version_id == append->expected_parent;
      if (!is_latest && !head.MayCarryOnFrom(append->expected_parent)) {
        return Conflict{head.latest_version_id};
      }
      if (is_latest) {
        kept_bytes = head.kept_history_bytes() + head.snapshot_bytes();
        versions = head.version_count();
      }
    } else if (!append->create_client) {
      return NoSuchClient{};
    } else if (append->invite) {
      const absl::StatusOr<std::optional<Invite>> invite = ReadInvite(reader, *append->invite);
      if (!invite.ok()) return invite.status();
      if (!invite->has_value() || !MayCreateClient(**invite, request.now_unix_seconds)) {
        return NoSuchClient{};
      }
    }
    ++versions;
  } else {
    const auto& of_snapshot = std::get<UploadRequest::ForSnapshot>(request.purpose);
    if (!found->has_value()) return NoSuchClient{};
    const ChainHead& head = **found;
    const absl::StatusOr<std::optional<uint64_t>> number = reader.FindRecent(
        request.client_id, head, of_snapshot.version_id, of_snapshot.recent_versions_max);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return NotWanted{};
    if (head.record.snapshot && head.record.snapshot->number >= **number) return NotWanted{};
    kept_bytes = head.kept_history_bytes();
  }
  const ClientLimits& limits = request.limits;
  const uint64_t announced =
      uploads_->BytesOf(request.client_id) + std::max<uint64_t>(request.announced_bytes, 1);
  if ((limits.bytes_max > 0 && kept_bytes + announced > limits.bytes_max) ||
      (limits.versions_max > 0 && versions > limits.versions_max)) {
    return OverLimit{.bytes = kept_bytes + announced, .versions = versions};
  }
  return limits.bytes_max > 0 ? limits.bytes_max - kept_bytes : kAny;
}

absl::StatusOr<UploadOutcome> RocksdbStorage::DecideUpload(const ChainReader& reader,
                                                           const UploadRequest& request) {
  const auto decided = AllowedUpload(reader, request);
  if (!decided.ok()) return decided.status();
  if (const auto* conflict = std::get_if<Conflict>(&*decided)) return *conflict;
  if (const auto* over = std::get_if<OverLimit>(&*decided)) return *over;
  if (std::holds_alternative<NoSuchClient>(*decided)) return NoSuchClient{};
  if (std::holds_alternative<NotWanted>(*decided)) return NotWanted{};
  std::shared_ptr<UploadState> state =
      uploads_->Begin(request.client_id, std::get<uint64_t>(*decided), request.now_unix_seconds);
  if (state == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("the client has ", kUploadsPerClientMax, " large uploads under way already"));
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
  committer_.SubmitPiece({.decide =
                              [upload](BatchBuilder& batch) {
                                batch.DiscardUpload(upload);
                                return absl::OkStatus();
                              },
                          .bytes = 0,
                          .done =
                              [this, upload](const absl::Status& written) {
                                if (!written.ok()) uploads_->KeepForDiscarding(upload);
                              }});
}

void RocksdbStorage::DiscardAgain() {
  for (std::shared_ptr<UploadState>& upload : uploads_->TakeForDiscarding()) {
    const absl::Status written = Commit(
        [&upload](BatchBuilder& batch) {
          batch.DiscardUpload(upload);
          return absl::OkStatus();
        },
        Room::kReserve);
    if (!written.ok()) uploads_->KeepForDiscarding(std::move(upload));
  }
}

void RocksdbStorage::ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces,
                                    uint32_t piece, PieceSource::PieceCallback done) {
  ContinueRead([owner, pieces, piece](
                   const ChainReader& reader) { return ReadPiece(reader, owner, pieces, piece); },
               std::move(done));
}

void RocksdbStorage::RemoveAbandonedUploads(const Logger& logger) {
  std::vector<std::string> keys;
  std::vector<Uuid> clients;
  const absl::Status read = WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    return FindAbandonedUploads(database, keys, clients);
  });
  absl::Status removed = read;
  if (read.ok() && !keys.empty()) {
    removed = Commit(
        [&](BatchBuilder& batch) {
          batch.LeaveUnsynced();
          for (const std::string& key : keys) batch.Delete(key);
          for (const Uuid& client_id : clients) batch.NoteRemoval(client_id);
          return absl::OkStatus();
        },
        Room::kReserve);
  }
  if (!removed.ok()) {
    logger.Log(LogLevel::kWarning,
               "what uploads left behind that were cut short cannot be removed, and will be at the "
               "next start: ",
               removed.message());
  } else if (!clients.empty()) {
    logger.Log(LogLevel::kInfo, "removed what ", clients.size(),
               " uploads left behind that were cut short");
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

absl::Status RocksdbStorage::Commit(PendingChange::Decide change, Room room) {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> result;
  PendingWrite write = PendingChange{.decide = std::move(change),
                                     .may_use_reserve = room == Room::kReserve,
                                     .done = [&](absl::Status status) {
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

absl::Status RocksdbStorage::FlushNotes(Room room) {
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

void RocksdbStorage::FlushNotesNowAndThen() {
  for (bool is_closing = false; !is_closing;) {
    {
      std::unique_lock lock(closing_mutex_);
      is_closing = closing_.wait_for(lock, std::chrono::milliseconds(kNotesFlushMs),
                                     [this] { return is_closing_; });
    }
    // Notes that cannot be written stay, and the next time is soon.
    static_cast<void>(FlushNotes(Room::kOrdinary).ok());
    DiscardAgain();
    reserve_->Maintain();
  }
}

absl::Status RocksdbStorage::WithDatabase(Use use) {
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return absl::UnavailableError(database.status().message());
  return use(database->db(), database->reader(ReadTier::kDisk));
}

absl::Status RocksdbStorage::MakeWritable(Room room) {
  if (room == Room::kOrdinary) {
    if (reserve_->IsGivenUp()) {
      return absl::ResourceExhaustedError(
          "the disk is full: what room is left is kept for making room");
    }
    return database_->MakeWritable();
  }
  const absl::Status writable = database_->MakeWritable();
  if (!absl::IsResourceExhausted(writable) || !reserve_->GiveUp()) return writable;
  return database_->MakeWritable();
}

absl::Status RocksdbStorage::MakeRoom() {
  if (reserve_->IsNeeded()) reserve_->GiveUp();
  const absl::Status writable = MakeWritable(Room::kReserve);
  if (!writable.ok()) return writable;
  return WithDatabase([](rocksdb::DB&, const ChainReader&) { return absl::OkStatus(); });
}

absl::Status RocksdbStorage::Write(uint64_t bytes, Room room,
                                   absl::FunctionRef<absl::Status(BatchBuilder&)> decide) {
  absl::Status written = WriteOnce(bytes, room, decide);
  if (room == Room::kReserve && absl::IsResourceExhausted(written) && reserve_->GiveUp()) {
    written = WriteOnce(bytes, room, decide);
  }
  return written;
}

absl::Status RocksdbStorage::WriteOnce(uint64_t bytes, Room room,
                                       absl::FunctionRef<absl::Status(BatchBuilder&)> decide) {
  const absl::Status writable = MakeWritable(room);
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return database.status();
  BatchBuilder builder(database->reader(ReadTier::kDisk), *head_cache_, *uploads_, totals(), bytes);
  if (const absl::Status decided = decide(builder); !decided.ok()) return decided;
  if (builder.writes().Count() == 0) {  // needs no room on the disk
    builder.AfterWrite(true);
    return absl::OkStatus();
  }
  if (!writable.ok()) return writable;
  builder.BeforeWrite();
  const auto since = std::chrono::steady_clock::now();
  const absl::Status written = database_->Write(*database, builder.writes(), builder.needs_sync());
  if (instruments_ != nullptr && builder.writes().Count() > 0 && builder.needs_sync()) {
    instruments_->sync_seconds.Observe(std::chrono::steady_clock::now() - since);
  }
  builder.AfterWrite(written.ok());
  if (!written.ok()) return written;
  client_count_ = builder.totals().clients;
  live_bytes_ = builder.totals().live_bytes;
  if (builder.removes()) {
    ++removals_;
    has_removals_ = true;
  }
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
  const Room room = change.may_use_reserve ? Room::kReserve : Room::kOrdinary;
  absl::Status written =
      Write(0, room, [&](BatchBuilder& builder) { return change.decide(builder); });
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
  bool only_pieces = true;
  const absl::Status written = Write(bytes, Room::kOrdinary, [&](BatchBuilder& builder) {
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

// What all clients together have, from their records.
absl::StatusOr<StorageTotals> CountTotals(rocksdb::DB& database, const ChainReader& chains) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;  // from client to client
  options.fill_cache = false;
  StorageTotals totals;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  for (iterator->SeekToFirst(); iterator->Valid();) {
    const absl::string_view key(iterator->key().data(), iterator->key().size());
    if (key.size() < Uuid::kBytes) {  // kOpenedKey
      iterator->Next();
      continue;
    }
    // The client record is a client's first key; other keys at the front are the storage's own.
    if (const std::optional<Uuid> client_id = ParseClientKey(key)) {
      ++totals.clients;
      const absl::StatusOr<std::optional<ChainHead>> head = chains.ReadHead(*client_id);
      // What is damaged counts as nothing; verify says so.
      if (head.ok() && head->has_value()) totals.live_bytes += (*head)->live_bytes();
      if (!head.ok() && !absl::IsDataLoss(head.status())) return head.status();
    }
    iterator->Seek(EndOfClient(Uuid::FromBytes(key.data())));
  }
  if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "count the clients");
  return totals;
}

// The number at a key of the storage's own; nullopt when there is none.
absl::StatusOr<std::optional<uint64_t>> ReadNumber(const ChainReader& reader,
                                                   const std::string& key) {
  const absl::StatusOr<std::optional<std::string>> value = reader.Read(key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<uint64_t> number = DecodeNumber(**value);
  if (!number) return absl::DataLossError("a count of the storage's own is malformed");
  return number;
}

// Reads what all clients together have, and brings a directory of an older format to this one.
absl::StatusOr<StorageTotals> UpgradeAndReadTotals(rocksdb::DB& database, const ChainReader& reader,
                                                   DataDirectory& directory) {
  const absl::StatusOr<std::optional<uint64_t>> clients = ReadNumber(reader, ClientCountKey());
  if (!clients.ok()) return clients.status();
  const absl::StatusOr<std::optional<uint64_t>> live_bytes = ReadNumber(reader, LiveBytesKey());
  if (!live_bytes.ok()) return live_bytes.status();
  // Counts that are there in an older format are from an upgrade that was cut short, and an older
  // release may have written since.
  const bool is_current = directory.format() == kStorageFormatVersion;
  if (is_current && clients->has_value() && live_bytes->has_value()) {
    return StorageTotals{.clients = **clients, .live_bytes = **live_bytes};
  }
  const absl::StatusOr<StorageTotals> totals = CountTotals(database, reader);
  if (!totals.ok() || is_current) return totals;
  rocksdb::WriteOptions durable;
  durable.sync = true;
  rocksdb::WriteBatch writes;
  rocksdb::Status written = writes.Put(ClientCountKey(), EncodeNumber(totals->clients));
  if (written.ok()) written = writes.Put(LiveBytesKey(), EncodeNumber(totals->live_bytes));
  if (written.ok()) written = database.Write(durable, &writes);
  if (!written.ok()) return FromRocksdb(written, "write the counts of the clients");
  // Last: whoever reads this format may rely on all that it has.
  const absl::Status upgraded = directory.Upgrade();
  if (!upgraded.ok()) return upgraded;
  return totals;
}

absl::StatusOr<bool> HasRemovals(rocksdb::DB& database) {
  const std::string end = EndOfRemovalKeys();
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  iterator->Seek(ErasedKey(Uuid()));
  if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "read what was removed");
  return iterator->Valid();
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
  auto uploads = std::make_unique<UploadTable>();
  auto reserve = std::make_unique<Reserve>(
      directory->ReservePath(), Database::RoomBytes(options) + kCompactionRoomBytes, logger);
  const auto open = [&] {
    return Database::Open(*directory, options, logger,
                          [heads = head_cache.get(), staged = uploads.get()] {
                            heads->Clear();
                            staged->BreakAll();
                          });
  };
  absl::StatusOr<std::unique_ptr<Database>> database = open();
  // A start writes out what the log has, and begins a new one.
  if (absl::IsResourceExhausted(database.status()) && reserve->GiveUp()) database = open();
  if (!database.ok()) return database.status();
  reserve->Maintain();
  const absl::StatusOr<OpenedState> opened = [&]() -> absl::StatusOr<OpenedState> {
    const absl::StatusOr<Database::Loan> loan = (*database)->Borrow(ReadTier::kDisk);
    if (!loan.ok()) return loan.status();
    const absl::StatusOr<StorageTotals> totals =
        UpgradeAndReadTotals(loan->db(), loan->reader(ReadTier::kDisk), *directory);
    if (!totals.ok()) return totals.status();
    const absl::StatusOr<bool> has_removals = HasRemovals(loan->db());
    if (!has_removals.ok()) return has_removals.status();
    return OpenedState{.totals = *totals, .has_removals = *has_removals};
  }();
  if (!opened.ok()) return opened.status();
  if (const absl::Status ended = directory->EndCreation(); !ended.ok()) return ended;
  auto storage = std::make_unique<RocksdbStorage>(
      std::move(*directory), std::move(instruments), std::move(head_cache), std::move(uploads),
      std::move(reserve), std::move(*database), *opened, options);
  storage->RemoveAbandonedUploads(logger);
  return storage;
}

}  // namespace tcsync
