#include "capi/src/log_target.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/process_mark.h"
#include "base/thread.h"
#include "capi/src/log_backlog.h"
#include "capi/src/log_record.h"
#include "capi/src/process.h"

namespace tcsync::capi {
namespace {

// The time that a _free waits for one call of the log function: far longer than a log's disk needs,
// and bounded, because the function may be waiting for the thread that frees.
constexpr std::chrono::seconds kLogCallMax(5);

// The thread that calls a host's function. Shared with that thread, which outlives every owner if
// the function does not return.
class LogThread : public std::enable_shared_from_this<LogThread> {
 public:
  LogThread(tcsync_log_function function, void* user_data)
      : function_(function), user_data_(user_data) {}

  void Start() {
    const std::lock_guard lock(mutex_);
    thread_ = base::StartThread("tcsync-log", [self = shared_from_this()] { self->Run(); });
    id_ = thread_.get_id();
  }

  void Write(const LogRecord& record) noexcept {
    std::list<Waiting> node;
    try {
      node.emplace_back(record);
    } catch (...) {
      node.clear();
    }
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    if (node.empty()) {
      ++backlog_.dropped;
    } else if (backlog_.Add(node.front().record.bytes())) {
      node.front().dropped = std::exchange(backlog_.dropped, 0);
      records_.splice(records_.end(), node);
      ++written_;
    }
    wake_.notify_one();
  }

  // Waits until the function has received all earlier records. Gives up when one call of it takes
  // too long, and at once on the function's own thread.
  void Flush() noexcept {
    std::unique_lock lock(mutex_);
    if (std::this_thread::get_id() == id_) return;
    const uint64_t until = written_;
    const auto is_flushed = [&] {
      const bool is_idle = records_.empty() && backlog_.dropped == 0 && !is_calling_;
      return given_ > until || (given_ == until && is_idle);
    };
    while (!is_flushed()) {
      const uint64_t before = calls_;
      if (!called_.wait_for(lock, kLogCallMax, [&] { return calls_ != before; })) return;
    }
  }

  // Ends the calls of the function. A running call is abandoned.
  void Stop() noexcept {
    std::list<Waiting> unused;
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    unused.swap(records_);
    wake_.notify_one();
    const bool returns = !is_calling_ && std::this_thread::get_id() != id_;
    lock.unlock();
    if (returns) {
      thread_.join();
    } else {
      thread_.detach();
    }
  }

 private:
  struct Waiting {
    explicit Waiting(const LogRecord& written) : record(written) {}

    const tcsync_log_record record;
    int64_t dropped = 0;  // just before this one
  };

  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock,
                 [this] { return is_stopping_ || !records_.empty() || backlog_.dropped > 0; });
      if (is_stopping_) return;
      int64_t& dropped = records_.empty() ? backlog_.dropped : records_.front().dropped;
      if (dropped > 0) {
        ReportDropped(lock, std::exchange(dropped, 0));
        continue;
      }
      std::list<Waiting> node;
      node.splice(node.end(), records_, records_.begin());
      backlog_.Remove(node.front().record.bytes());
      Call(lock, node.front().record);
      ++given_;
      called_.notify_all();
    }
  }

  void ReportDropped(std::unique_lock<std::mutex>& lock, int64_t dropped) {
    char line[160];
    std::snprintf(line, sizeof(line),
                  "%lld log records were dropped here, because the log function "
                  "takes longer than they come, or memory ran out",
                  static_cast<long long>(dropped));
    Call(lock, tcsync_log_record(TCSYNC_LOG_WARNING, line));
    called_.notify_all();
  }

  void Call(std::unique_lock<std::mutex>& lock, const tcsync_log_record& record) {
    is_calling_ = true;
    lock.unlock();
    function_(user_data_, &record);
    lock.lock();
    is_calling_ = false;
    ++calls_;
  }

  const tcsync_log_function function_;
  void* const user_data_;
  std::mutex mutex_;  // of the members below
  std::condition_variable wake_;
  std::condition_variable called_;
  std::list<Waiting> records_;
  LogBacklog backlog_;    // of records_
  uint64_t written_ = 0;  // accepted records
  uint64_t given_ = 0;    // of those, the ones that the function has received
  uint64_t calls_ = 0;    // of the function, that have returned
  bool is_calling_ = false;
  bool is_stopping_ = false;
  std::thread::id id_;
  std::thread thread_;
};

// Has a thread in each process in which engines or listeners use it, while they do.
class FunctionLog final : public LogTarget {
 public:
  FunctionLog(tcsync_log_function function, void* user_data)
      : function_(function), user_data_(user_data) {}
  ~FunctionLog() override {
    if (Users* const users = users_.load(); !users->process.IsOfAnotherProcess()) delete users;
  }

  void Begin() override {
    Users& users = OfThisProcess();
    const std::lock_guard lock(users.mutex);
    if (users.count == 0) {
      auto thread = std::make_shared<LogThread>(function_, user_data_);
      thread->Start();
      users.thread = std::move(thread);
    }
    ++users.count;
  }

  void End() noexcept override {
    Thread()->Flush();
    std::shared_ptr<LogThread> last;
    {
      Users& users = *users_.load();
      const std::lock_guard lock(users.mutex);
      if (--users.count > 0) return;
      last = std::move(users.thread);
    }
    last->Stop();
  }

  void Write(const LogRecord& record) noexcept override {
    if (const std::shared_ptr<LogThread> thread = Thread()) thread->Write(record);
  }

 private:
  struct Users {
    const base::ProcessMark process = base::ProcessMark::Current();
    std::mutex mutex;  // of the members below
    int count = 0;
    std::shared_ptr<LogThread> thread = nullptr;  // null without users
  };

  // A forked process has its parent's users without their thread, and perhaps with a locked mutex,
  // so it leaves them as they are and begins with none.
  Users& OfThisProcess() {
    Users* users = users_.load();
    if (users->process.IsOfAnotherProcess()) {
      auto none = std::make_unique<Users>();
      if (users_.compare_exchange_strong(users, none.get())) users = none.release();
    }
    return *users;
  }

  // For users of this process.
  std::shared_ptr<LogThread> Thread() noexcept {
    Users& users = *users_.load();
    const std::lock_guard lock(users.mutex);
    return users.thread;
  }

  const tcsync_log_function function_;
  void* const user_data_;
  std::atomic<Users*> users_ = new Users;  // owned by the process that it belongs to
};

class QueueLog final : public LogTarget {
 public:
  explicit QueueLog(const tcsync_queue& queue) : queue_(queue.events), opener_(queue.opener) {}

  Result Check() const override { return CheckProcess(opener_, "queue for the log"); }
  void Write(const LogRecord& record) noexcept override { queue_->PushLog(record); }

 private:
  const std::shared_ptr<EventQueue> queue_;
  const base::ProcessMark opener_;
};

}  // namespace

std::shared_ptr<LogTarget> LogToFunction(tcsync_log_function function, void* user_data) {
  if (function == nullptr) return nullptr;
  return std::make_shared<FunctionLog>(function, user_data);
}

std::shared_ptr<LogTarget> LogToQueue(const tcsync_queue& queue) {
  return std::make_shared<QueueLog>(queue);
}

LogFunction LogUse::function() const {
  if (target_ == nullptr) return {};
  return [target = target_](const LogRecord& record) { target->Write(record); };
}

}  // namespace tcsync::capi
