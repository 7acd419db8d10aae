#include "engine/housekeeping.h"

#include <algorithm>
#include <utility>

#include "base/thread.h"

namespace tcsync::engine {

Housekeeping::Housekeeping(std::vector<Chore> chores) {
  const Instant now = std::chrono::steady_clock::now();
  for (Chore& chore : chores) {
    const Instant first = now + chore.first_after;
    chores_.push_back({std::move(chore), first});
  }
  if (chores_.empty()) return;
  thread_ = base::StartThread("tcsync-chores", [this] { Run(); });
}

Housekeeping::~Housekeeping() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stops_.notify_all();
  thread_.join();
}

void Housekeeping::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto due = std::min_element(chores_.begin(), chores_.end(),
                                      [](const Due& a, const Due& b) { return a.next < b.next; });
    if (stops_.wait_until(lock, due->next, [this] { return stopping_; })) return;
    lock.unlock();
    const bool has_more = due->chore.run_piece();
    const Instant now = std::chrono::steady_clock::now();
    // A chore with more pieces runs after those that are due: it must not starve them.
    due->next = has_more ? now : now + due->chore.interval;
    lock.lock();
  }
}

}  // namespace tcsync::engine
