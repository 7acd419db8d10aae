#include "capi/src/work_thread.h"

#include <condition_variable>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace tcsync::capi {

// Shared with the thread, which outlives the WorkThread when that is finished on it.
struct WorkThread::Shared {
  void Run() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return is_finishing || first != nullptr; });
      if (first == nullptr) return;
      std::shared_ptr<Task> task = std::move(first);
      first = std::move(task->next_);
      if (first == nullptr) last = nullptr;
      lock.unlock();
      task->Run();
      task.reset();
      lock.lock();
    }
  }

  std::mutex mutex;  // of the members below
  std::condition_variable wake;
  std::shared_ptr<Task> first;
  Task* last = nullptr;
  bool is_finishing = false;
  std::thread thread;
};

WorkThread::WorkThread(const char* name) : name_(name), shared_(std::make_shared<Shared>()) {}

WorkThread::~WorkThread() { Finish(); }

void WorkThread::Start() {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->thread.joinable() || shared_->is_finishing) return;
  shared_->thread = base::StartThread(name_, [shared = shared_] { shared->Run(); });
}

void WorkThread::Post(std::shared_ptr<Task> task) noexcept {
  const std::lock_guard lock(shared_->mutex);
  // A dropped task belongs to the parameter, which is destroyed after the mutex is free.
  if (shared_->is_finishing) return;
  Task* const added = task.get();
  (shared_->last == nullptr ? shared_->first : shared_->last->next_) = std::move(task);
  shared_->last = added;
  shared_->wake.notify_one();
}

void WorkThread::Finish() noexcept {
  std::thread thread;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_finishing = true;
    thread = std::move(shared_->thread);
    shared_->wake.notify_one();
  }
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();
  } else {
    thread.join();
  }
}

}  // namespace tcsync::capi
