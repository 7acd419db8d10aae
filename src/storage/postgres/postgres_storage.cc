#include "storage/postgres/postgres_storage.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "base/random.h"
#include "base/thread.h"
#include "storage/postgres/administration.h"
#include "storage/postgres/appender.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/client_writes.h"
#include "storage/postgres/core.h"
#include "storage/postgres/other_servers.h"
#include "storage/postgres/schema.h"
#include "storage/postgres/uploads.h"

namespace tcsync::postgres_storage {
namespace {

using Clock = std::chrono::steady_clock;

// The last column: the client should have a version at the number to which the parent's ID leads,
// and has none.
constexpr Sql kReadChild{"read_child", R"(
  SELECT c.latest_version_id, c.accepts_diverged, v.number, v.version_id, v.bytes, v.segment,
         v.upload_id, v.pieces,
         CASE WHEN v.number IS NULL AND $3 BETWEEN c.first_number AND c.latest_number
              THEN NOT EXISTS (SELECT 1 FROM tcsync.versions AS n
                               WHERE n.client_id = c.client_id AND n.number = $3)
              ELSE false END
  FROM tcsync.clients AS c )" TCSYNC_POSTGRES_CHILD " WHERE c.client_id = $1"};
// In one statement, so that the record and the bytes are of one moment.
constexpr Sql kReadSnapshot{"read_snapshot", R"(
  SELECT c.snapshot_version_id, c.snapshot_bytes, c.snapshot_upload_id, c.snapshot_pieces, s.bytes
  FROM tcsync.clients AS c LEFT JOIN tcsync.snapshots AS s ON s.client_id = c.client_id
  WHERE c.client_id = $1 AND c.snapshot_version_id IS NOT NULL)"};
constexpr Sql kProbe{"probe", R"(
  INSERT INTO tcsync.settings AS p (name, value) VALUES ('probe', $1)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value)"};
constexpr Sql kReadProbe{"read_probe", "SELECT 1 FROM tcsync.settings WHERE name = 'probe'"};
constexpr size_t kProbeBytes = 16;
// For snapshots, and the appends that no batch takes: a few at a time.
constexpr int kWriteThreads = 4;

class PostgresStorage final : public Storage {
 public:
  PostgresStorage(std::shared_ptr<Target> target, const PostgresStorageOptions& options,
                  const base::Logger& logger)
      : logger_(logger),
        queue_bytes_max_(options.queue_bytes_max),
        instruments_(options.registry == nullptr
                         ? nullptr
                         : std::make_unique<storage::CommitInstruments>(*options.registry)),
        sessions_(std::move(target), options.wait_max, logger),
        usage_(sessions_),
        notes_(sessions_),
        pool_(options.reader_threads, options.wait_max),
        write_pool_(kWriteThreads, options.wait_max),
        administration_(core(), [this] { return appender_->queued(); }) {
    appender_ = std::make_unique<Appender>(
        sessions_, usage_, options.writer_threads, options.queue_bytes_max, instruments_.get(),
        [this](PendingAppend append) { AppendAloneLater(std::move(append)); });
  }

  // The callbacks of the last operations may use the storage.
  ~PostgresStorage() override {
    if (upkeep_thread_.joinable()) {
      {
        const std::lock_guard lock(closing_mutex_);
        is_closing_ = true;
      }
      closing_.notify_all();
      upkeep_thread_.join();
    }
    appender_->Stop();
    write_pool_.Stop();
    pool_.Stop();
    if (const absl::Status flushed = notes_.Flush(); !flushed.ok()) {
      logger_.Log(LogLevel::kWarning,
                  "the last notes of replicas were not written: ", flushed.message());
    }
  }

  absl::Status Open() {
    const absl::StatusOr<DatabaseReport> report = InspectDatabase(sessions_);
    if (!report.ok()) return report.status();
    if (absl::Status checked = CheckReport(*report); !checked.ok()) return checked;
    for (const std::string& warning : report->warnings) {
      logger_.Log(LogLevel::kWarning, warning);
    }
    const absl::Status refreshed = usage_.Refresh(sessions_.NewDeadline());
    if (!refreshed.ok()) return refreshed;
    upkeep_thread_ = base::StartThread("tcsync-upkeep", [this] { Upkeep(); });
    return absl::OkStatus();
  }

  bool RefusesWrites() const override {
    return sessions_.is_down() || appender_->is_full() || IsFullOfAppendsAlone();
  }

  void BeginUpload(UploadRequest request, BeginUploadCallback done) override {
    RunLater(pool_, std::move(done),
             [core = core(), request = std::move(request)](Deadline deadline) {
               return postgres_storage::BeginUpload(core, request, deadline);
             });
  }

  void Append(AppendRequest request, AppendCallback done) override {
    if (sessions_.is_down()) return done(Down());
    if (IsFullOfAppendsAlone()) {
      return done(absl::UnavailableError("too many writes are waiting for PostgreSQL"));
    }
    PendingAppend append{.request = std::move(request),
                         .done = std::move(done),
                         .random_id = base::RandomUuidWithNumber(0),
                         .since = Clock::now(),
                         .deadline = sessions_.NewDeadline()};
    if (append.request.upload != nullptr) return AppendAloneLater(std::move(append));
    appender_->Append(std::move(append));
  }

  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    RunLater(write_pool_, std::move(done),
             [core = core(), request = std::move(request)](Deadline deadline) mutable {
               return postgres_storage::StoreSnapshot(core, request, deadline);
             });
  }

  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override {
    RunLater(pool_, std::move(done), [this, client_id, parent_version_id](Deadline deadline) {
      return ReadChild(client_id, parent_version_id, deadline);
    });
  }

  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    RunLater(pool_, std::move(done),
             [this, client_id](Deadline deadline) { return ReadSnapshot(client_id, deadline); });
  }

  void NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id,
                       int64_t now_unix_seconds) override {
    notes_.NoteSeen(client_id, version_id, now_unix_seconds);
  }
  void NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id,
                        int64_t now_unix_seconds) override {
    notes_.NoteAhead(client_id, version_id, now_unix_seconds);
  }

  void Probe(ProbeCallback done) override {
    RunLater(pool_, std::move(done), [this](Deadline deadline) -> absl::Status {
      const std::vector<Statement> statements = {
          Statement(kProbe).AddBytes(base::RandomBytes(kProbeBytes)), Statement(kReadProbe)};
      const auto run = RunUntil(sessions_, statements, deadline);
      if (!run.ok()) return run.status();
      return run->back().empty() ? absl::DataLossError("a record that was written is not there")
                                 : absl::OkStatus();
    });
  }

  StorageAdministration& administration() override { return administration_; }
  OtherServers* other_servers() override { return &servers_; }

 private:
  Core core() { return {.sessions = sessions_, .usage = usage_, .notes = notes_, .pool = pool_}; }

  absl::Status Down() const {
    return absl::UnavailableError(absl::StrCat("PostgreSQL is not there: ", sessions_.problem()));
  }

  // Calls `operation` with a deadline on a thread of the pool, and `done` with its result.
  template <typename Callback, typename Operation>
  void RunLater(storage::ReaderPool& pool, Callback done, Operation operation) {
    if (sessions_.is_down()) return done(Down());
    pool.Run([deadline = sessions_.NewDeadline(), done = std::move(done),
              operation = std::move(operation)](const absl::Status& admission) mutable {
      if (!admission.ok()) return done(admission);
      done(operation(deadline));
    });
  }

  // Appends that have left the queue of the appender, where they were counted.
  bool IsFullOfAppendsAlone() const {
    return bytes_alone_ > queue_bytes_max_ || write_pool_.waiting() >= base::kReadsWaitingMax;
  }

  // The append has been admitted already.
  void AppendAloneLater(PendingAppend append) {
    const uint64_t bytes = append.request.segment.size();
    bytes_alone_ += bytes;
    write_pool_.Continue(
        [this, bytes, append = std::move(append)](const absl::Status& admission) mutable {
          absl::StatusOr<AppendOutcome> outcome =
              admission.ok() ? AppendAlone(core(), append) : admission;
          append.request.upload.reset();
          bytes_alone_ -= bytes;
          append.done(std::move(outcome));
        });
  }

  absl::StatusOr<ChildOutcome> ReadChild(const Uuid& client_id, const Uuid& parent,
                                         Deadline deadline) {
    const Statement statement =
        Statement(kReadChild).Add(client_id).Add(parent).Add(NumberAfter(parent));
    const absl::StatusOr<Rows> rows = RunUntil(sessions_, statement, deadline);
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return NoSuchClient{};
    if (rows->BooleanAt(0, 8)) return absl::DataLossError("a version is missing");
    if (rows->IsNull(0, 2)) {
      const Uuid latest = rows->UuidAt(0, 0);
      return NoChild{
          .latest_version_id = latest,
          .accepts_diverged = rows->BooleanAt(0, 1) && latest != parent && !parent.IsNil()};
    }
    Version version{.version_id = rows->UuidAt(0, 3),
                    .parent_version_id = parent,
                    .segment = std::string(rows->BytesAt(0, 5))};
    if (const auto pieces = PiecesAt(*rows, 0, 6)) {
      version.pieces = OpenStoredPieces(core(), client_id, rows->CountAt(0, 4), *pieces);
    } else if (version.segment.size() != rows->CountAt(0, 4)) {
      return absl::DataLossError("the segment of a version has another length than was stored");
    }
    return version;
  }

  absl::StatusOr<std::optional<Snapshot>> ReadSnapshot(const Uuid& client_id, Deadline deadline) {
    const Statement statement = Statement(kReadSnapshot).Add(client_id);
    const absl::StatusOr<Rows> rows = RunUntil(sessions_, statement, deadline);
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return std::nullopt;
    Snapshot snapshot{.version_id = rows->UuidAt(0, 0), .bytes = ""};
    if (const auto pieces = PiecesAt(*rows, 0, 2)) {
      snapshot.pieces = OpenStoredPieces(core(), client_id, rows->CountAt(0, 1), *pieces);
      return snapshot;
    }
    if (rows->IsNull(0, 4)) return absl::DataLossError("the snapshot's bytes are missing");
    snapshot.bytes = std::string(rows->BytesAt(0, 4));
    if (snapshot.bytes.size() != rows->CountAt(0, 1)) {
      return absl::DataLossError("the snapshot has another length than was stored");
    }
    return snapshot;
  }

  // Writes notes now and then, removes abandoned uploads, keeps the totals fresh, and tries to
  // connect while the database is not usable.
  void Upkeep() {
    const std::chrono::milliseconds turn(base::kDatabaseRetryMs);
    Clock::time_point next_notes = Clock::now() + std::chrono::milliseconds(base::kNotesFlushMs);
    std::unique_lock lock(closing_mutex_);
    while (!closing_.wait_for(lock, turn, [this] { return is_closing_; })) {
      lock.unlock();
      sessions_.TryAgain();
      if (Clock::now() >= next_notes) {
        next_notes = Clock::now() + std::chrono::milliseconds(base::kNotesFlushMs);
        absl::Status kept = notes_.Flush();
        kept.Update(RemoveAbandonedUploads(core()));
        if (!kept.ok()) {
          logger_.Log(
              LogLevel::kWarning,
              "notes of replicas, or the removal of abandoned uploads, wait: ", kept.message());
        }
      }
      lock.lock();
    }
  }

  const base::Logger logger_;
  const uint64_t queue_bytes_max_;
  std::atomic<uint64_t> bytes_alone_ = 0;
  const std::unique_ptr<const storage::CommitInstruments> instruments_;  // null: not measured
  Sessions sessions_;
  Usage usage_;
  ReplicaNotes notes_;
  storage::ReaderPool pool_;
  storage::ReaderPool write_pool_;  // for what may wait for the locks of other transactions
  PostgresAdministration administration_;
  PostgresServers servers_{sessions_};
  std::unique_ptr<Appender> appender_;  // hands appends on to the pool
  std::mutex closing_mutex_;
  std::condition_variable closing_;
  bool is_closing_ = false;
  std::thread upkeep_thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenPostgresStorage(const PostgresStorageOptions& options,
                                                             const base::Logger& logger) {
  absl::StatusOr<std::shared_ptr<Target>> target = Target::Parse(options.url);
  if (!target.ok()) return target.status();
  auto storage = std::make_unique<PostgresStorage>(*std::move(target), options, logger);
  if (const absl::Status opened = storage->Open(); !opened.ok()) return opened;
  return storage;
}

}  // namespace tcsync::postgres_storage
