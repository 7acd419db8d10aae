#include "storage/rocksdb/committer.h"

#include <utility>

#include "base/limits.h"
#include "base/thread.h"

namespace tcsync {
namespace {

// What it takes of the queue's bound.
uint64_t BytesOf(const PendingWrite& write) { return sizeof(PendingWrite) + PayloadBytes(write); }

}  // namespace

uint64_t PayloadBytes(const PendingWrite& write) {
  if (const auto* append = std::get_if<PendingAppend>(&write)) {
    return append->request.segment.size();
  }
  return std::get<PendingSnapshot>(write).request.bytes.size();
}

Committer::Committer(uint64_t queue_bytes_max, CommitFunction commit)
    : queue_bytes_max_(queue_bytes_max),
      commit_(std::move(commit)),
      thread_(StartThread("tcsync-commit", [this] { Run(); })) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  has_work_.notify_one();
  thread_.join();
}

bool Committer::Submit(PendingWrite& write) {
  const uint64_t bytes = BytesOf(write);
  {
    const std::lock_guard lock(mutex_);
    // A write that is larger than the whole bound still gets its turn, when it is alone.
    if (queue_bytes_ > 0 && queue_bytes_ + bytes > queue_bytes_max_) return false;
    queue_bytes_ += bytes;
    queue_.push_back(std::move(write));
  }
  has_work_.notify_one();
  return true;
}

std::vector<PendingWrite> Committer::TakeBatch() {
  std::vector<PendingWrite> batch;
  std::unique_lock lock(mutex_);
  has_work_.wait(lock, [this] { return closing_ || !queue_.empty(); });
  uint64_t batch_bytes = 0;
  while (!queue_.empty()) {
    const uint64_t bytes = BytesOf(queue_.front());
    if (!batch.empty() && batch_bytes + bytes > kCommitBatchBytesMax) break;
    batch_bytes += bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queue_bytes_ -= batch_bytes;
  return batch;
}

void Committer::Run() {
  for (;;) {
    std::vector<PendingWrite> batch = TakeBatch();
    if (batch.empty()) return;
    commit_(batch);
  }
}

}  // namespace tcsync
