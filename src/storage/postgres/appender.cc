#include "storage/postgres/appender.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/thread.h"
#include "storage/postgres/client_record.h"

namespace tcsync::postgres_storage {
namespace {

constexpr int kVersionIdColumn = 1 + kRecordColumns;  // of kAppendBatch
constexpr size_t kNumberBytes = 6;  // of an ID with a number (base/numbered_uuid.h)

// A row that is locked, by an operator's long removal for example, is skipped, so that the batch
// waits for no other transaction. One that was changed since the statement began is read anew:
// PostgreSQL does that for rows that it locks at READ COMMITTED, and compare-and-append depends on
// it.
constexpr Sql kAppendBatch{"append_batch", R"(
  WITH request AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[],
                         $7::bigint[], $8::bigint[])
      AS r (client_id, parent, random_id, segment, parent_hint, appended, bytes_max, versions_max)
  ), locked AS MATERIALIZED (
    SELECT * FROM tcsync.clients WHERE client_id = ANY ($1) ORDER BY client_id FOR UPDATE SKIP LOCKED
  ), accepted AS MATERIALIZED (
    SELECT r.*, l.latest_number + 1 AS number,
           (lpad(to_hex(l.latest_number + 1), 12, '0') || r.random_id)::uuid AS version_id
    FROM request AS r JOIN locked AS l USING (client_id)
    WHERE l.latest_version_id = r.parent
      AND (r.bytes_max = 0
           OR l.history_bytes + l.snapshot_bytes + length(r.segment) <= r.bytes_max)
      AND (r.versions_max = 0 OR l.latest_number + 2 - l.first_number <= r.versions_max)
  ), changed AS (
    UPDATE tcsync.clients AS c SET revision = c.revision + 1, latest_number = a.number,
      latest_version_id = a.version_id, latest_appended = a.appended,
      history_bytes = c.history_bytes + length(a.segment)
    FROM accepted AS a WHERE c.client_id = a.client_id
  ), added AS (
    INSERT INTO tcsync.versions (client_id, number, version_id, parent_version_id,
      parent_leads_here, appended, bytes, segment, upload_id, pieces)
    SELECT client_id, number, version_id, parent, parent_hint = number, appended, length(segment),
           segment, NULL, 0
    FROM accepted
  ), used AS (
    UPDATE tcsync.usage SET live_bytes = live_bytes +
      (SELECT coalesce(sum(length(segment) + $10::bigint), 0) FROM accepted)::bigint
    WHERE slot = $9 AND EXISTS (SELECT 1 FROM accepted)
  )
  SELECT c.client_id, )" TCSYNC_POSTGRES_RECORD_COLUMNS R"(, a.version_id
  FROM locked AS c LEFT JOIN accepted AS a USING (client_id))"};

Statement StatementOf(const std::vector<PendingAppend>& batch) {
  const size_t count = batch.size();
  auto clients = ArrayParameter::OfUuids(count);
  auto parents = ArrayParameter::OfUuids(count);
  auto random_ids = ArrayParameter::OfTexts(count);
  auto segments = ArrayParameter::OfBytes(count);
  auto parent_hints = ArrayParameter::OfIntegers(count);
  auto times = ArrayParameter::OfIntegers(count);
  auto bytes_max = ArrayParameter::OfIntegers(count);
  auto versions_max = ArrayParameter::OfIntegers(count);
  for (const PendingAppend& append : batch) {
    const AppendRequest& request = append.request;
    clients.Add(request.client_id);
    parents.Add(request.expected_parent);
    random_ids.AddBytes(
        absl::BytesToHexString(append.random_id.AsStringView().substr(kNumberBytes)));
    segments.AddBytes(request.segment);
    parent_hints.Add(NumberAfter(request.expected_parent));
    times.Add(request.now_unix_seconds);
    bytes_max.Add(request.limits.bytes_max);
    versions_max.Add(request.limits.versions_max);
  }
  Statement statement(kAppendBatch);
  statement.Add(std::move(clients))
      .Add(std::move(parents))
      .Add(std::move(random_ids))
      .Add(std::move(segments))
      .Add(std::move(parent_hints))
      .Add(std::move(times))
      .Add(std::move(bytes_max))
      .Add(std::move(versions_max))
      .Add(NextUsageSlot())
      .Add(base::kVersionRecordBytes);
  return statement;
}

// The live bytes that the batch added.
int64_t AddedBytes(const std::vector<PendingAppend>& batch, const Rows& rows) {
  absl::flat_hash_set<Uuid> accepted;
  for (int row = 0; row < rows.size(); ++row) {
    if (!rows.IsNull(row, kVersionIdColumn)) accepted.insert(rows.UuidAt(row, 0));
  }
  int64_t bytes = 0;
  for (const PendingAppend& append : batch) {
    if (!accepted.contains(append.request.client_id)) continue;
    bytes += static_cast<int64_t>(append.request.segment.size() + base::kVersionRecordBytes);
  }
  return bytes;
}

}  // namespace

bool IsSameButForNumber(const Uuid& a, const Uuid& b) {
  return a.AsStringView().substr(kNumberBytes) == b.AsStringView().substr(kNumberBytes);
}

Appender::Appender(Sessions& sessions, Usage& usage, int threads, uint64_t queue_bytes_max,
                   const storage::CommitInstruments* instruments, AloneFunction append_alone)
    : sessions_(sessions),
      usage_(usage),
      queue_bytes_max_(queue_bytes_max),
      instruments_(instruments),
      append_alone_(std::move(append_alone)) {
  try {
    for (int i = 0; i < threads; ++i) {
      threads_.push_back(base::StartThread("tcsync-append", [this] { Work(); }));
    }
  } catch (...) {
    Stop();
    throw;
  }
}

Appender::~Appender() { Stop(); }

void Appender::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Appender::Figures Appender::queued() const {
  const std::lock_guard lock(mutex_);
  return {.writes = queue_.size(), .bytes = queue_bytes_};
}

bool Appender::is_full() const {
  const std::lock_guard lock(mutex_);
  return queue_bytes_ >= queue_bytes_max_;
}

void Appender::Append(PendingAppend append) {
  const uint64_t bytes = append.request.segment.size();
  const char* refusal = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      refusal = "the storage is closing";
    } else if (queue_.size() >= base::kReadsWaitingMax || queue_bytes_ + bytes > queue_bytes_max_) {
      refusal = "too many writes are waiting for PostgreSQL";
    } else {
      queue_.push_back(std::move(append));
      queue_bytes_ += bytes;
    }
  }
  if (refusal != nullptr) return append.done(absl::UnavailableError(refusal));
  has_work_.notify_one();
}

std::vector<PendingAppend> Appender::TakeBatch() {
  std::vector<PendingAppend> batch;
  uint64_t bytes = 0;
  for (auto it = queue_.begin(); it != queue_.end() && batch.size() < base::kAppendsPerBatchMax;) {
    const uint64_t segment_bytes = it->request.segment.size();
    if (!batch.empty() && bytes + segment_bytes > base::kCommitBatchBytesMax) break;
    if (!under_way_.insert(it->request.client_id).second) {
      ++it;  // it waits for the version before it
      continue;
    }
    bytes += segment_bytes;
    batch.push_back(std::move(*it));
    it = queue_.erase(it);
  }
  queue_bytes_ -= bytes;
  return batch;
}

void Appender::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::vector<PendingAppend> batch = TakeBatch();
    if (batch.empty()) {
      if (stopping_ && queue_.empty()) return;
      has_work_.wait(lock);
      continue;
    }
    std::vector<Uuid> clients;
    for (const PendingAppend& append : batch) clients.push_back(append.request.client_id);
    lock.unlock();
    RunBatch(std::move(batch));
    lock.lock();
    for (const Uuid& client : clients) under_way_.erase(client);
    // Appends of these clients may be waiting, for this thread or, at a stop, for others.
    if (!queue_.empty() || stopping_) has_work_.notify_all();
  }
}

void Appender::MeasureBatch(const std::vector<PendingAppend>& batch) const {
  if (instruments_ == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  uint64_t bytes = 0;
  for (const PendingAppend& append : batch) {
    instruments_->wait_seconds.Observe(now - append.since);
    bytes += append.request.segment.size();
  }
  instruments_->batch_writes.Observe(batch.size());
  instruments_->batch_bytes.Observe(bytes);
}

void Appender::RunBatch(std::vector<PendingAppend> batch) {
  // Those that have waited for too long would take the time of the others.
  const auto expired =
      std::stable_partition(batch.begin(), batch.end(), [](const PendingAppend& append) {
        return std::chrono::steady_clock::now() < append.deadline;
      });
  for (auto it = expired; it != batch.end(); ++it) {
    it->done(absl::UnavailableError("PostgreSQL is too busy"));
  }
  batch.erase(expired, batch.end());
  if (batch.empty()) return;
  MeasureBatch(batch);
  Deadline deadline = batch.front().deadline;
  for (const PendingAppend& append : batch) deadline = std::min(deadline, append.deadline);
  const Statement statement = StatementOf(batch);
  bool is_unknown = false;
  const absl::StatusOr<std::optional<Rows>> rows =
      RunUntil(deadline, [&](int) -> absl::StatusOr<std::optional<Rows>> {
        usage_.Begin();
        const auto begin = std::chrono::steady_clock::now();
        absl::StatusOr<Rows> run = sessions_.Run(statement, deadline);
        if (instruments_ != nullptr) {
          instruments_->sync_seconds.Observe(std::chrono::steady_clock::now() - begin);
        }
        usage_.End(run.ok() ? AddedBytes(batch, *run) : 0);
        if (run.ok()) return *std::move(run);
        is_unknown = run.status().code() == absl::StatusCode::kUnknown;
        if (is_unknown) return std::nullopt;  // each append finds out what became of it
        return run.status();
      });
  if (!rows.ok()) {
    // The damage of one client is not to fail the appends of others.
    const bool is_of_one = batch.size() > 1 && !absl::IsUnavailable(rows.status()) &&
                           !absl::IsResourceExhausted(rows.status());
    for (PendingAppend& append : batch) {
      if (is_of_one) {
        append_alone_(std::move(append));
      } else {
        append.done(rows.status());
      }
    }
    return;
  }
  if (is_unknown) {
    for (PendingAppend& append : batch) {
      ++append.unknown_attempts;
      append_alone_(std::move(append));
    }
    return;
  }
  absl::flat_hash_map<Uuid, int> row_of;
  for (int row = 0; row < (*rows)->size(); ++row) row_of[(*rows)->UuidAt(row, 0)] = row;
  for (PendingAppend& append : batch) {
    const AppendRequest& request = append.request;
    const auto found = row_of.find(request.client_id);
    if (found == row_of.end()) {
      append_alone_(std::move(append));  // it does not exist, or its row is locked
      continue;
    }
    const int row = found->second;
    ClientRecord client = RecordAt(**rows, row, 1);  // before the append
    if (const auto version_id = (*rows)->OptionalUuidAt(row, kVersionIdColumn)) {
      ++client.latest_number;
      append.done(Appended{.version_id = *version_id, .snapshot = client.Summary()});
    } else if (client.latest_version_id == request.expected_parent) {
      append.done(OverLimit{
          .bytes = client.history_bytes + client.snapshot_bytes() + request.segment.size(),
          .versions = client.version_count() + 1});
    } else if (client.accepts_diverged && !request.expected_parent.IsNil()) {
      append_alone_(std::move(append));
    } else {
      append.done(Conflict{client.latest_version_id});
    }
  }
}

}  // namespace tcsync::postgres_storage
