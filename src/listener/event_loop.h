// One thread that serves many connections.
#ifndef TCSYNC_SRC_LISTENER_EVENT_LOOP_H_
#define TCSYNC_SRC_LISTENER_EVENT_LOOP_H_

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "base/thread.h"
#include "listener/accepted.h"
#include "listener/connection.h"
#include "listener/response_head.h"
#include "tcsync/handler.h"

namespace tcsync {

struct ConnectionTimeouts {
  std::chrono::milliseconds idle;
  std::chrono::milliseconds header;
  std::chrono::milliseconds body;
  std::chrono::milliseconds request;
  // Whether `request` also bounds how long the handler works on an answer.
  bool bounds_answers = true;
};

// How many connections there are over all event loops. Those that are served and those that are
// only told 503 count apart: in a crowd there are always more of the latter, and in one count they
// would take the place of the former until nobody is served. Thread-safe.
class ConnectionCount {
 public:
  ConnectionCount(int64_t served_max, int64_t refused_max)
      : served_max_(served_max), refused_max_(refused_max) {}

  // How many there are, and how many there have been.
  struct Figures {
    int64_t served = 0;
    int64_t refused = 0;
    int64_t served_total = 0;
    int64_t refused_total = 0;
    int64_t dropped_total = 0;  // closed without a word
  };
  Figures figures() const {
    const std::lock_guard lock(mutex_);
    return {served_, refused_, served_total_, refused_total_, dropped_total_};
  }

  bool IsFull() const {
    const std::lock_guard lock(mutex_);
    return served_ >= served_max_;
  }
  void AddServed() {
    const std::lock_guard lock(mutex_);
    ++served_;
    ++served_total_;
  }
  // False, and nothing is counted, when there are so many that not even a refusal can be afforded.
  bool AddRefused() {
    const std::lock_guard lock(mutex_);
    if (refused_ >= refused_max_) {
      ++dropped_total_;
      return false;
    }
    ++refused_;
    ++refused_total_;
    return true;
  }
  void RemoveServed() { Remove(served_); }
  void RemoveRefused() { Remove(refused_); }

  // Waits until there are none, for up to `timeout`.
  void AwaitZero(std::chrono::milliseconds timeout) const;

 private:
  void Remove(int64_t& count) {
    const std::lock_guard lock(mutex_);
    --count;
    if (served_ + refused_ == 0) is_zero_.notify_all();
  }

  const int64_t served_max_;
  const int64_t refused_max_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable is_zero_;
  int64_t served_ = 0;
  int64_t refused_ = 0;
  int64_t served_total_ = 0;
  int64_t refused_total_ = 0;
  int64_t dropped_total_ = 0;
};

class EventLoop {
 public:
  EventLoop(const ConnectionTimeouts& timeouts, ConnectionCount& connection_count);
  // Stop() first, if it was started.
  ~EventLoop();

  // Any thread; before Start(), a connection waits in the loop.
  boost::asio::io_context& io_context() { return io_context_; }
  // Takes a connection that was added to the count.
  void Adopt(Accepted accepted);
  // How many connections wait between requests; a hint.
  int64_t idle_count() const { return idle_count_.load(std::memory_order_relaxed); }

  // How long the loop's thread has been busy, between Start() and Stop().
  std::optional<double> CpuSeconds() { return CpuSecondsOf(thread_); }

  // On a thread of that name. `handler` must live until Stop() returned.
  void Start(http::Handler& handler, const char* thread_name);
  // Lets requests in flight finish, takes no more connections and ends those that there are.
  void EndConnections();
  // Closes every connection and ends the thread.
  void Stop();

 private:
  friend class Connection;  // for what follows, on the loop's thread

  // Brings what other threads call back with to the loop, and outlives it as long as anything is to
  // come.
  class Mailbox;
  // That the request which paused as the connection's `number`th may go on.
  struct Resumption {
    uint64_t number;
  };
  using Piece = absl::StatusOr<std::string>;  // of a response's body
  using Letter = std::variant<http::Response, Piece, Resumption>;

  // What call back connection `id`, if it is still there.
  http::ResponseCallback ResponseCallbackFor(uint64_t id);
  http::BodySource::PieceCallback PieceCallbackFor(uint64_t id);
  absl::AnyInvocable<void()> ResumeCallbackFor(uint64_t id, uint64_t number);
  void Deliver(uint64_t id, Letter letter);

  void Forget(Connection& connection);
  void EnterIdle(Connection& connection);
  void LeaveIdle(Connection& connection);
  // False when there is none, or when its next request is here already.
  bool CloseLongestIdle();

  void AdoptOnLoop(Accepted accepted);
  void ScheduleSweep();
  void Sweep();

  http::Handler& handler() { return *handler_; }
  const ConnectionTimeouts& timeouts() const { return timeouts_; }
  HeadScratch& head_scratch() { return head_scratch_; }
  std::vector<char>& read_buffer() { return read_buffer_; }
  absl::string_view date() { return date_clock_.Now(); }

  const ConnectionTimeouts timeouts_;
  ConnectionCount& connection_count_;
  boost::asio::io_context io_context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_timer_;
  const std::chrono::milliseconds sweep_interval_;
  std::shared_ptr<Mailbox> mailbox_;
  http::Handler* handler_ = nullptr;

  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Connection>> connections_;
  std::list<Connection*> idle_;  // the longest idle first
  std::atomic<int64_t> idle_count_{0};
  bool ending_ = false;

  std::vector<char> read_buffer_;
  HeadScratch head_scratch_;
  DateClock date_clock_;
  std::thread thread_;
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_LISTENER_EVENT_LOOP_H_
