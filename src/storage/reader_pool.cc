#include "storage/reader_pool.h"

#include <utility>

#include "base/limits.h"
#include "base/thread.h"

namespace tcsync::storage {

ReaderPool::ReaderPool(int threads, std::chrono::milliseconds wait_max) : wait_max_(wait_max) {
  threads_.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) {
      threads_.push_back(base::StartThread("tcsync-read", [this] { Work(); }));
    }
  } catch (...) {
    Stop();
    throw;
  }
}

ReaderPool::~ReaderPool() { Stop(); }

void ReaderPool::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

absl::Status ReaderPool::Admit(Task& task, bool is_continued) {
  const Instant now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return absl::UnavailableError("the storage is closing");
    if (!is_continued && queue_.size() >= base::kReadsWaitingMax) {
      return absl::UnavailableError("too many reads are waiting for the disk");
    }
    if (!is_continued && !queue_.empty() && now - queue_.front().since > wait_max_) {
      return absl::UnavailableError("reads are waiting too long for the disk");
    }
    queue_.push_back({std::move(task), now});
  }
  has_work_.notify_one();
  return absl::OkStatus();
}

void ReaderPool::Run(Task task) {
  if (const absl::Status admission = Admit(task, /*is_continued=*/false); !admission.ok()) {
    task(admission);
  }
}

void ReaderPool::Continue(Task task) {
  if (const absl::Status admission = Admit(task, /*is_continued=*/true); !admission.ok()) {
    task(admission);
  }
}

size_t ReaderPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void ReaderPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Task task = std::move(queue_.front().task);
    queue_.pop_front();
    lock.unlock();
    task(absl::OkStatus());
    task = nullptr;  // releases the task's objects before the lock is taken
    lock.lock();
  }
}

}  // namespace tcsync::storage
