#include "base/process_mark.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace tcsync::base {

namespace {

std::atomic<uint64_t> forks = 0;  // by which this process was made

// The descriptors of this process. A fork takes the mutex, so the child finds the list consistent.
std::mutex descriptors_mutex;
ClosedInChild* first_descriptor = nullptr;

}  // namespace

// On the one thread of a new child, where only signal-safe calls are allowed.
void CloseInChild() {
  while (first_descriptor != nullptr) {
    ClosedInChild* const entry = first_descriptor;
    first_descriptor = entry->next_;
    close(entry->descriptor_);
    entry->descriptor_ = -1;
  }
}

namespace {

// From the start, because later another thread might be forking at that moment.
const bool kIsCounting = [] {
  pthread_atfork([] { descriptors_mutex.lock(); }, [] { descriptors_mutex.unlock(); },
                 [] {
                   forks.fetch_add(1, std::memory_order_relaxed);
                   CloseInChild();
                   descriptors_mutex.unlock();
                 });
  return true;
}();

}  // namespace

ProcessMark ProcessMark::Current() {
  ProcessMark mark;
  mark.process_ = getpid();
  mark.forks_ = forks.load(std::memory_order_relaxed);
  return mark;
}

ClosedInChild::ClosedInChild(int descriptor) : descriptor_(descriptor) {
  if (descriptor_ < 0) return;
  const std::lock_guard<std::mutex> lock(descriptors_mutex);
  next_ = first_descriptor;
  if (next_ != nullptr) next_->previous_ = this;
  first_descriptor = this;
}

ClosedInChild::~ClosedInChild() {
  if (descriptor_ < 0) return;
  const std::lock_guard<std::mutex> lock(descriptors_mutex);
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : first_descriptor) = next_;
}

}  // namespace tcsync::base
