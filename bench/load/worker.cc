// The event loop of one thread: sends requests at their times, counts answers, and handles
// timeouts.
#include "load/worker.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "load/handler_memory.h"
#include "load/http_connection.h"

namespace tcsync::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// The interval of checks for requests that get no answer. Also the pause before a refused request
// of the preparation is tried again.
constexpr milliseconds kTickInterval(100);

// A real client waits 60 s; a loopback server that takes half of that is stuck.
constexpr seconds kAnswerTimeout(30);

// Writing the chains for catch-up can be long work for a slow server, but not endless.
constexpr seconds kPrepareTimeMax(600);

// Requests that are sent in a row, when it is late, before it handles answers.
constexpr int kSendsPerTurn = 32;

uint64_t NanosecondsBetween(SteadyTime from, SteadyTime to) {
  return to <= from ? 0 : static_cast<uint64_t>(nanoseconds(to - from).count());
}

}  // namespace

// One connection with its load.
class Worker::Session : public HttpConnection::Handler {
 public:
  Session(Worker* worker, const Target& target, ConnectionUse use, size_t body_bytes_max,
          std::unique_ptr<Load> load)
      : worker_(worker),
        load_(std::move(load)),
        connection_(worker->io_, target.endpoint, use, body_bytes_max, this) {}

  Load& load() { return *load_; }
  HttpConnection& connection() { return connection_; }

  // Sends `request`, whose latency counts from `start`.
  void Send(const Request& request, SteadyTime start, SteadyTime now) {
    start_ = start;
    sent_ = now;
    waiting_ = true;
    connection_.Send(request);
  }

  void OnConnected() override {
    if (failed_ || !waiting_) return;
    waiting_ = false;
    worker_->Leave();
  }
  void OnResponse(const HttpResponse& response, bool resent) override {
    waiting_ = false;
    worker_->Answered(this, response, resent);
  }
  void OnLost() override {
    waiting_ = false;
    worker_->Lost(this);
  }
  void OnFailure(absl::string_view reason) override {
    waiting_ = false;
    worker_->Failed(this, reason);
  }

  Worker* const worker_;
  const std::unique_ptr<Load> load_;
  HttpConnection connection_;
  SteadyTime start_;      // of the current request, for its latency
  SteadyTime sent_;       // the actual time of sending, for its timeout
  bool waiting_ = false;  // for an answer, or for the connection
  bool paused_ = false;   // refused while preparing; the next tick tries again
  bool failed_ = false;   // takes no further part in the run
};

Worker::Worker(const Target& target, ConnectionUse use, size_t body_bytes_max,
               const Schedule& schedule, size_t preparing_max,
               std::vector<std::unique_ptr<Load>> loads)
    : send_timer_(io_),
      tick_timer_(io_),
      use_(use),
      schedule_(schedule),
      preparing_max_(preparing_max),
      idle_(loads.size()) {
  sessions_.reserve(loads.size());
  for (auto& load : loads) {
    sessions_.push_back(
        std::make_unique<Session>(this, target, use, body_bytes_max, std::move(load)));
  }
}

Worker::~Worker() = default;

void Worker::Connect() { Run(Part::kConnect); }
void Worker::Prepare() { Run(Part::kPrepare); }

void Worker::Measure(const Window& window) {
  window_ = window;
  Run(Part::kMeasure);
  if (schedule_.interval_ns > 0) {
    uint64_t unsent = 0;
    for (; ScheduledTime() < window_.end; ++scheduled_) ++unsent;
    results_.AddUnsent(unsent);
  }
}

void Worker::Check() { Run(Part::kCheck); }

Results Worker::CollectResults() const {
  Results results = results_;
  for (const auto& session : sessions_) results.AddReconnects(session->connection().reconnects());
  return results;
}

void Worker::CollectLinks(std::vector<Link>* links) const {
  for (const auto& session : sessions_) session->load().links().CopyTo(links);
}

void Worker::Run(Part part) {
  part_ = part;
  part_start_ = std::chrono::steady_clock::now();
  active_ = 0;
  for (const auto& session : sessions_) active_ += session->failed_ ? 0 : 1;
  if (active_ == 0) return;

  io_.restart();
  ArmTick();
  for (const auto& session : sessions_) {
    if (session->failed_) continue;
    if (part == Part::kConnect) {
      session->waiting_ = true;
      session->sent_ = part_start_;
      session->connection().Connect();
    } else if (part != Part::kMeasure && preparing_ == preparing_max_) {
      unprepared_.push_back(session.get());
    } else {
      if (part != Part::kMeasure) ++preparing_;
      Continue(session.get(), part_start_);
    }
  }
  io_.run();
}

void Worker::Continue(Session* session, SteadyTime now) {
  Request request;
  bool more = false;
  switch (part_) {
    case Part::kConnect:
      break;
    case Part::kPrepare:
      if (now - part_start_ > kPrepareTimeMax) {
        return Failed(session, absl::StrCat("not prepared after ", kPrepareTimeMax.count(), " s"));
      }
      more = session->load().NextPreparation(&request);
      break;
    case Part::kMeasure:
      return ContinueMeasuring(session, now);
    case Part::kCheck:
      more = session->load().NextClosingCheck(&request);
      break;
  }
  if (more) {
    session->Send(request, now, now);
  } else {
    Leave();
  }
}

void Worker::ContinueMeasuring(Session* session, SteadyTime now) {
  if (now >= window_.end) return Leave();
  if (schedule_.interval_ns > 0) {
    idle_.push_back(session);
    return SendDue(now);
  }
  Request request;
  if (!session->load().NextRequest(&request)) return Leave();
  session->Send(request, now, now);
}

void Worker::Leave() {
  if (part_ == Part::kPrepare || part_ == Part::kCheck) {
    --preparing_;
    if (!unprepared_.empty()) {
      ++preparing_;
      // Not called from here: if sessions failed at once one after the other, each call would nest
      // in the last.
      boost::asio::post(io_, [this, next = unprepared_.back()] {
        Continue(next, std::chrono::steady_clock::now());
      });
      unprepared_.pop_back();
    }
  }
  // The last one stops the timers, so that the event loop runs out of work and Run returns.
  if (--active_ > 0) return;
  tick_timer_.cancel();
  send_timer_.cancel();
}

void Worker::Answered(Session* session, const HttpResponse& response, bool resent) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const Outcome outcome = session->load().Judge(response, resent);
  if (outcome == Outcome::kWrong) results_.AddFault(session->load().fault());

  if (part_ == Part::kMeasure) {
    if (now >= window_.begin) {
      results_.CountAnswer(outcome, NanosecondsBetween(session->start_, now), now < window_.end);
    }
  } else if (outcome == Outcome::kWrong) {
    // Without its preparation a load has nothing to measure. A failed check needs no second one.
    session->failed_ = true;
    return Leave();
  } else if (outcome == Outcome::kRefused) {
    session->paused_ = true;
    return;
  }
  Continue(session, now);
}

void Worker::Lost(Session* session) {
  if (part_ != Part::kMeasure) return Failed(session, "connection lost without an answer");
  const SteadyTime now = std::chrono::steady_clock::now();
  session->load().OnLost();
  if (now >= window_.begin) {
    results_.CountAnswer(Outcome::kLost, NanosecondsBetween(session->start_, now),
                         now < window_.end);
  }
  ContinueMeasuring(session, now);
}

void Worker::Failed(Session* session, absl::string_view reason) {
  session->failed_ = true;
  results_.AddFault(reason);
  Leave();
}

SteadyTime Worker::ScheduledTime() const {
  // From the start each time, not from the last one, so that rounding does not add up.
  const double offset_ns =
      schedule_.phase_ns + static_cast<double>(scheduled_) * schedule_.interval_ns;
  return window_.start + nanoseconds(std::llround(offset_ns));
}

// Sends the due requests on idle connections. A connection that is idle at the end leaves; one that
// returns later notices the end by itself.
void Worker::SendDue(SteadyTime now) {
  int sent = 0;
  for (SteadyTime due = ScheduledTime(); due <= now && due < window_.end; due = ScheduledTime()) {
    if (idle_.empty()) {
      if (use_ == ConnectionUse::kKept) break;
      ++scheduled_;
      if (due >= window_.begin) results_.AddUnsent(1);
      continue;
    }
    if (++sent > kSendsPerTurn) break;
    Session* const session = idle_.front();
    idle_.pop_front();
    ++scheduled_;
    Request request;
    if (session->load().NextRequest(&request)) {
      session->Send(request, due, now);
    } else {
      Leave();
    }
  }
  if (now >= window_.end) {
    for (; !idle_.empty(); idle_.pop_front()) Leave();
  } else if (!idle_.empty() || use_ == ConnectionUse::kPerRequest) {
    ArmSendTimer();
  }
}

void Worker::ArmSendTimer() {
  if (send_timer_armed_) return;
  send_timer_armed_ = true;
  send_timer_.expires_at(std::min(ScheduledTime(), window_.end));
  send_timer_.async_wait(
      HandlerWithMemory(&send_timer_memory_, [this](const boost::system::error_code& error) {
        send_timer_armed_ = false;
        if (!error) SendDue(std::chrono::steady_clock::now());
      }));
}

void Worker::ArmTick() {
  tick_timer_.expires_after(kTickInterval);
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Tick();
  });
}

void Worker::Tick() {
  if (active_ == 0) return;  // The last session left when this was already queued.
  const SteadyTime now = std::chrono::steady_clock::now();
  ArmTick();
  for (const auto& session : sessions_) {
    if (session->failed_) continue;
    if (session->waiting_ && now - session->sent_ > kAnswerTimeout) {
      session->waiting_ = false;
      session->connection().Abandon();
      Failed(session.get(), absl::StrCat("no answer within ", kAnswerTimeout.count(), " s"));
    } else if (session->paused_) {
      session->paused_ = false;
      Continue(session.get(), now);
    }
  }
}

}  // namespace tcsync::load
