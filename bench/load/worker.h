// One thread's share of the connections, and the event loop that drives them through the parts of a
// run: connect (if they are to be kept), prepare, measure, check.
//
// Closed loop: each connection sends its next request as soon as the last is answered. Open loop:
// requests have fixed times, evenly apart, whatever the server does. The connection that has been
// idle longest takes the next; when none is idle the request waits. Its latency counts from its
// scheduled time, so that a server which stalls is charged for every request that it kept waiting,
// not only for those in flight ("coordinated omission"). Where each request has a connection of its
// own, it does not wait for another's: with the maximum number of requests in flight, it is not
// sent, and is counted.
#ifndef TCSYNC_BENCH_LOAD_WORKER_H_
#define TCSYNC_BENCH_LOAD_WORKER_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/circular_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "load/handler_memory.h"
#include "load/loads.h"
#include "load/results.h"

namespace tcsync::load {

using SteadyTime = std::chrono::steady_clock::time_point;

// The measured part of a run.
struct Window {
  SteadyTime start;  // load starts; answers before `begin` are warm-up and not counted
  SteadyTime begin;
  SteadyTime end;  // no request is sent from here on; pending ones are awaited
};

// This worker's share of an open loop: request n is due at start + phase + n * interval.
struct Schedule {
  double interval_ns = 0;  // 0: closed loop
  double phase_ns = 0;
};

// Each part is one call, which returns when all connections have completed it. The calls may come
// from different threads, one at a time.
class Worker {
 public:
  // `preparing_max`, at least 1: connections that prepare, or check, at a time.
  Worker(const Target& target, ConnectionUse use, size_t body_bytes_max, const Schedule& schedule,
         size_t preparing_max, std::vector<std::unique_ptr<Load>> loads);
  ~Worker();

  void Connect();
  void Prepare();
  void Measure(const Window& window);
  void Check();

  bool any_fault() const { return results_.fault_count() > 0; }

  // Between parts, or after the last.
  Results CollectResults() const;
  void CollectLinks(std::vector<Link>* links) const;

 private:
  enum class Part { kConnect, kPrepare, kMeasure, kCheck };
  class Session;

  void Run(Part part);
  // Gives the session its next request, or ends its part.
  void Continue(Session* session, SteadyTime now);
  void ContinueMeasuring(Session* session, SteadyTime now);
  // One session has completed this part.
  void Leave();
  void Answered(Session* session, const HttpResponse& response, bool resent);
  void Lost(Session* session);
  void Failed(Session* session, absl::string_view reason);

  SteadyTime ScheduledTime() const;
  void SendDue(SteadyTime now);
  void ArmSendTimer();

  void ArmTick();
  void Tick();

  HandlerMemory send_timer_memory_;  // before the io_context, which may still use it at its end
  boost::asio::io_context io_{1};
  boost::asio::steady_timer send_timer_;
  boost::asio::steady_timer tick_timer_;
  const ConnectionUse use_;
  const Schedule schedule_;
  const size_t preparing_max_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Results results_;

  Part part_ = Part::kConnect;
  size_t active_ = 0;                 // sessions that have not completed this part
  size_t preparing_ = 0;              // or checking
  std::vector<Session*> unprepared_;  // their turn to do so is yet to come
  SteadyTime part_start_;
  Window window_;
  uint64_t scheduled_ = 0;                 // open loop: requests sent so far
  boost::circular_buffer<Session*> idle_;  // open loop: longest idle first
  bool send_timer_armed_ = false;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_WORKER_H_
