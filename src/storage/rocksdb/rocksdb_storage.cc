#include "storage/rocksdb/rocksdb_storage.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/reader_pool.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync {
namespace {

class RocksdbStorage final : public Storage {
 public:
  RocksdbStorage(DataDirectory directory, std::unique_ptr<HeadCache> head_cache,
                 std::unique_ptr<Database> database, const RocksdbStorageOptions& options)
      : directory_(std::move(directory)),
        head_cache_(std::move(head_cache)),
        database_(std::move(database)),
        reader_pool_(options.reader_threads, options.disk_wait_max),
        committer_(options.queue_bytes_max, options.disk_wait_max,
                   [this](std::vector<PendingWrite>& batch) { Commit(batch); }) {}

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
    auto found = ReadAt(ReadTier::kMemory, read);
    if (!NeedsDisk(found.status())) return done(std::move(found));
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
  // Decides the batch and writes it: what came of each, or why nothing was written.
  absl::StatusOr<std::vector<Outcome>> DecideAndWrite(std::vector<PendingWrite>& batch);
  void Commit(std::vector<PendingWrite>& batch);

  // In the order of construction: the lock on the directory outlives the database, and the
  // committer, whose destructor commits what is queued, goes first.
  const DataDirectory directory_;
  const std::unique_ptr<HeadCache> head_cache_;  // which the database clears
  const std::unique_ptr<Database> database_;
  ReaderPool reader_pool_;
  Committer committer_;
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

absl::StatusOr<std::vector<RocksdbStorage::Outcome>> RocksdbStorage::DecideAndWrite(
    std::vector<PendingWrite>& batch) {
  const absl::Status writable = database_->MakeWritable();
  const absl::StatusOr<Database::Loan> database = database_->Borrow(ReadTier::kDisk);
  if (!database.ok()) return database.status();
  BatchBuilder builder(database->reader(ReadTier::kDisk), *head_cache_, BytesOf(batch));
  std::vector<Outcome> outcomes;
  outcomes.reserve(batch.size());
  for (PendingWrite& write : batch) {
    if (auto* append = std::get_if<PendingAppend>(&write)) {
      outcomes.emplace_back(builder.Append(append->request));
    } else {
      outcomes.emplace_back(builder.StoreSnapshot(std::get<PendingSnapshot>(write).request));
    }
  }
  if (builder.writes().Count() == 0) return outcomes;  // conflicts need no room on the disk
  // After a failed write no outcome holds: even a conflict may be with a version of this batch.
  const absl::Status written =
      writable.ok() ? database_->Write(*database, builder.writes()) : writable;
  if (!written.ok()) return written;
  builder.PublishHeads();
  return outcomes;
}

void RocksdbStorage::Commit(std::vector<PendingWrite>& batch) {
  absl::StatusOr<std::vector<Outcome>> outcomes = DecideAndWrite(batch);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (auto* append = std::get_if<PendingAppend>(&batch[i])) {
      using AppendResult = absl::StatusOr<AppendOutcome>;
      append->done(outcomes.ok() ? std::get<AppendResult>(std::move((*outcomes)[i]))
                                 : AppendResult(outcomes.status()));
    } else {
      using SnapshotResult = absl::StatusOr<StoreSnapshotOutcome>;
      std::get<PendingSnapshot>(batch[i]).done(
          outcomes.ok() ? std::get<SnapshotResult>(std::move((*outcomes)[i]))
                        : SnapshotResult(outcomes.status()));
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenRocksdbStorage(const RocksdbStorageOptions& options,
                                                            const Logger& logger) {
  absl::StatusOr<DataDirectory> directory = DataDirectory::Open(options.data_dir);
  if (!directory.ok()) return directory.status();
  auto head_cache = std::make_unique<HeadCache>(options.head_cache_bytes);
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open(*directory, options, logger, [heads = head_cache.get()] { heads->Clear(); });
  if (!database.ok()) return database.status();
  return std::make_unique<RocksdbStorage>(std::move(*directory), std::move(head_cache),
                                          std::move(*database), options);
}

}  // namespace tcsync
