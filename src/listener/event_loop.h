// One thread that serves many connections.
#ifndef TCSYNC_SRC_LISTENER_EVENT_LOOP_H_
#define TCSYNC_SRC_LISTENER_EVENT_LOOP_H_

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
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
#include "base/limits.h"
#include "base/thread.h"
#include "listener/accepted.h"
#include "listener/connection.h"
#include "listener/connection_count.h"
#include "listener/fair_shares.h"
#include "listener/loop_clock.h"
#include "listener/response_head.h"
#include "tcsync/handler.h"

namespace tcsync::listener {

struct ConnectionTimeouts {
  std::chrono::milliseconds idle;
  std::chrono::milliseconds header;
  std::chrono::milliseconds body;
  std::chrono::milliseconds request;
  // Whether `request` also bounds the handler's time for an answer.
  bool bounds_answers = true;
  // Bodies and answers that move more slowly are ended once they are `body` behind; 0: any progress
  // is enough.
  int64_t bytes_per_second_min = 0;
};

class EventLoop {
 public:
  // `index` is its place among the loops of the service.
  EventLoop(const ConnectionTimeouts& timeouts, ConnectionCount& connection_count,
            size_t index = 0);
  // Call Stop() first, if it was started.
  ~EventLoop();

  // Any thread; before Start(), a connection waits in the loop.
  boost::asio::io_context& io_context() { return io_context_; }
  // Takes a connection that has been counted.
  void Adopt(Accepted accepted);
  size_t index() const { return index_; }
  // Sets the loops of the service, including this one, which share its memory. Before Start().
  void SetSiblings(const std::vector<std::unique_ptr<EventLoop>>& loops);
  // The number of connections that wait between requests; a hint.
  int64_t idle_count() const { return shares_.idle_count(); }

  // The CPU time of the loop's thread, between Start() and Stop().
  std::optional<double> CpuSeconds() { return base::CpuSecondsOf(thread_); }

  // Runs on a thread of that name. `handler` must live until Stop() has returned.
  void Start(http::Handler& handler, const char* thread_name);
  // Lets requests in flight finish, takes no more connections and ends the present ones.
  void EndConnections();
  // Closes every connection and ends the thread.
  void Stop();

  // For the loop's connections, on its thread.
  http::Handler& handler() { return *handler_; }
  const ConnectionTimeouts& timeouts() const { return timeouts_; }
  HeadScratch& head_scratch() { return head_scratch_; }
  std::vector<char>& read_buffer() { return read_buffer_; }
  absl::string_view date() { return date_clock_.Now(); }
  ConnectionCount& connection_count() { return connection_count_; }
  FairShares& shares() { return shares_; }
  LoopClock& clock() { return clock_; }
  // Callbacks for connection `id`, without effect when it no longer exists. They never reach it
  // within the call that was given them.
  http::ResponseCallback ResponseCallbackFor(uint64_t id);
  http::BodySource::PieceCallback PieceCallbackFor(uint64_t id);
  absl::AnyInvocable<void()> ResumeCallbackFor(uint64_t id, uint64_t number);
  void Forget(Connection& connection);

 private:
  // Passes callbacks of other threads to the loop, and outlives it until the last one has run.
  class Mailbox;
  // Resumes the request that paused as the connection's `number`th.
  struct Resumption {
    uint64_t number;
  };
  using Letter = std::variant<http::Response, http::BodySource::Piece, Resumption>;

  void Deliver(uint64_t id, Letter letter);

  void AdoptOnLoop(Accepted accepted);
  void ScheduleSweep();
  void Sweep();
  // A copy: closing a connection removes it from the map.
  std::vector<std::shared_ptr<Connection>> Connections() const;

  const ConnectionTimeouts timeouts_;
  ConnectionCount& connection_count_;
  const size_t index_;
  boost::asio::io_context io_context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_timer_;
  const std::chrono::milliseconds sweep_interval_;
  std::shared_ptr<Mailbox> mailbox_;
  http::Handler* handler_ = nullptr;

  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Connection>> connections_;
  LoopClock clock_;
  FairShares shares_;
  bool ending_ = false;

  std::vector<char> read_buffer_;
  HeadScratch head_scratch_;
  DateClock date_clock_;
  std::thread thread_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_EVENT_LOOP_H_
