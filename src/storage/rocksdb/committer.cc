#include "storage/rocksdb/committer.h"

#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/thread.h"

namespace tcsync::rocksdb_storage {
namespace {

// The part of the queue's bound that the write takes.
uint64_t BytesOf(const PendingWrite& write) { return sizeof(PendingWrite) + PayloadBytes(write); }

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

}  // namespace

uint64_t PayloadBytes(const PendingWrite& write) {
  if (const auto* append = std::get_if<PendingAppend>(&write)) {
    return append->request.segment.size();
  }
  if (const auto* snapshot = std::get_if<PendingSnapshot>(&write)) {
    return snapshot->request.bytes.size();
  }
  if (const auto* piece = std::get_if<PendingPiece>(&write)) return piece->bytes;
  return 0;
}

Committer::Committer(uint64_t queue_bytes_max, std::chrono::milliseconds wait_max,
                     CommitFunction commit, const StorageInstruments* instruments)
    : queue_bytes_max_(queue_bytes_max),
      wait_max_(wait_max),
      commit_(std::move(commit)),
      instruments_(instruments),
      thread_(base::StartThread("tcsync-commit", [this] { Run(); })) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  has_work_.notify_one();
  thread_.join();
}

bool Committer::IsLate() const {
  const Instant since = oldest_since_.load(std::memory_order_relaxed);
  return since != kNone && Now() - since > wait_max_;
}

CommitterQueue Committer::queue() const {
  const std::lock_guard lock(mutex_);
  return {.writes = queue_.size(), .bytes = queue_bytes_};
}

bool Committer::Submit(PendingWrite& write) {
  if (IsLate()) return false;
  const uint64_t bytes = BytesOf(write);
  const Instant now = Now();
  {
    const std::lock_guard lock(mutex_);
    // A write larger than the whole bound still gets its turn, alone.
    if (queue_bytes_ > 0 && queue_bytes_ + bytes > queue_bytes_max_) return false;
    queue_bytes_ += bytes;
    queue_.push_back({std::move(write), now});
    if (oldest_since_.load() == kNone) oldest_since_ = now;
  }
  has_work_.notify_one();
  return true;
}

void Committer::SubmitPiece(PendingPiece piece) {
  {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
  }
  has_work_.notify_one();
}

void Committer::NoteWritten() {
  const std::lock_guard lock(mutex_);
  oldest_since_ = queue_.empty() ? kNone : queue_.front().since;
}

std::vector<PendingWrite> Committer::TakeBatch() {
  std::vector<PendingWrite> batch;
  std::vector<Instant> since;
  std::unique_lock lock(mutex_);
  oldest_since_ = queue_.empty() ? kNone : queue_.front().since;
  has_work_.wait(lock, [this] { return closing_ || !queue_.empty() || !pieces_.empty(); });
  uint64_t batch_bytes = 0;
  while (!queue_.empty()) {
    const uint64_t bytes = BytesOf(queue_.front().write);
    if (!batch.empty() && batch_bytes + bytes > base::kCommitBatchBytesMax) break;
    batch_bytes += bytes;
    if (instruments_ != nullptr) since.push_back(queue_.front().since);
    batch.push_back(std::move(queue_.front().write));
    queue_.pop_front();
  }
  queue_bytes_ -= batch_bytes;
  for (uint64_t bytes = 0; !pieces_.empty() && bytes < base::kPieceBatchBytesMax;) {
    bytes += pieces_.front().bytes;
    batch.emplace_back(std::move(pieces_.front()));
    pieces_.pop_front();
  }
  lock.unlock();
  Measure(batch, since);
  return batch;
}

void Committer::Measure(const std::vector<PendingWrite>& batch,
                        const std::vector<Instant>& since) const {
  if (instruments_ == nullptr || batch.empty()) return;
  const Instant now = Now();
  for (const Instant instant : since) instruments_->wait_seconds.Observe(now - instant);
  uint64_t bytes = 0;
  for (const PendingWrite& write : batch) bytes += PayloadBytes(write);
  instruments_->batch_writes.Observe(batch.size());
  instruments_->batch_bytes.Observe(bytes);
}

void Committer::Run() {
  for (;;) {
    std::vector<PendingWrite> batch = TakeBatch();
    if (batch.empty()) return;
    commit_(batch);
  }
}

absl::Status CommitAndWait(Committer& committer, PendingChange change) {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> result;
  change.done = [&](absl::Status status) {
    const std::lock_guard lock(mutex);
    result = std::move(status);
    changed.notify_one();  // before the waiter may leave
  };
  PendingWrite write = std::move(change);
  if (!committer.Submit(write)) {
    return absl::UnavailableError("too many writes are waiting for the disk");
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return result.has_value(); });
  return *std::move(result);
}

}  // namespace tcsync::rocksdb_storage
