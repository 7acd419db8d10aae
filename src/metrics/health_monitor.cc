#include "metrics/health_monitor.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "base/thread.h"

namespace tcsync::metrics {
namespace {

using Instant = std::chrono::steady_clock::time_point;

Instant Now() { return std::chrono::steady_clock::now(); }

}  // namespace

// The state that the threads and the probes share. Public members are guarded by the mutex.
class HealthMonitor::State {
 public:
  explicit State(const HealthTiming& timing) : timing(timing) {}

  const HealthTiming timing;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::vector<Done> waiting;
  Instant oldest_waiting{};  // of the first waiting request

  // A probe, or a reading of the figures.
  struct Check {
    std::optional<Instant> since;  // the start of the one in progress
    bool running = false;          // the storage has it; false while it waits for another try
    Instant retry_at{};
    absl::Status result;
    std::optional<Instant> done_at;

    bool IsOverdue(Instant now, std::chrono::milliseconds wait_max) const {
      return since && now - *since >= wait_max;
    }
    void End(absl::Status status, Instant now) {
      result = std::move(status);
      done_at = now;
      since.reset();
      running = false;
    }
  };
  Check probe;
  Check stats_reading;
  std::optional<StorageStats> stats;

  // Whether the last result is good enough: recent, or newer than the oldest waiting request. A
  // request that waits for the other check must not have to wait for this one again.
  bool IsRecent(const Check& check, Instant now, std::chrono::milliseconds shared) const {
    if (check.since || !check.done_at) return false;
    return now - *check.done_at < shared || (!waiting.empty() && *check.done_at >= oldest_waiting);
  }

  // The result of the probe has arrived.
  void EndProbe(absl::Status status) {
    const std::lock_guard lock(mutex);
    const Instant now = Now();
    // The storage is too busy for it. That may end soon, and is no failure until it has lasted.
    if (absl::IsUnavailable(status) && !probe.IsOverdue(now, timing.wait_max)) {
      probe.running = false;
      probe.result = std::move(status);
      probe.retry_at = now + timing.retry;
    } else {
      probe.End(std::move(status), now);
    }
    changed.notify_all();
  }

  // The answer to all present requests; nullopt while they have to wait.
  std::optional<StorageReport> TryReport(Instant now) {
    // No request waited for the last try.
    if (!probe.running && probe.IsOverdue(now, timing.wait_max)) probe.End(probe.result, now);
    const bool probe_overdue = probe.IsOverdue(now, timing.wait_max);
    const bool stats_overdue = stats_reading.IsOverdue(now, timing.wait_max);
    if (!probe_overdue && !IsRecent(probe, now, timing.shared)) return std::nullopt;
    if (!stats_overdue && !IsRecent(stats_reading, now, timing.stats_shared)) {
      return std::nullopt;
    }
    return Report(probe_overdue, stats_overdue);
  }

  StorageReport Report(bool probe_overdue, bool stats_overdue) const {
    StorageReport report;
    if (!probe_overdue) report.probe = probe.result;
    report.stats = stats;
    report.stats_status = stats_overdue ? absl::DeadlineExceededError(
                                              "reading the storage's figures stands "
                                              "still")
                                        : stats_reading.result;
    return report;
  }

  // The time at which the answer thread must look again without an event: the next deadline or try.
  Instant NextLook(Instant now) const {
    Instant next = Instant::max();
    for (const Check* const check : {&probe, &stats_reading}) {
      if (!check->since) continue;
      const Instant deadline = *check->since + timing.wait_max;
      if (deadline > now) next = std::min(next, deadline);
      if (check == &probe && !check->running) next = std::min(next, check->retry_at);
    }
    return next;
  }
};

HealthMonitor::HealthMonitor(Storage& storage, StorageFigures& figures, const HealthTiming& timing)
    : storage_(storage),
      figures_(figures),
      state_(std::make_shared<State>(timing)),
      answer_thread_(base::StartThread("tcsync-health", [this] { AnswerWaiting(); })) {
  try {
    stats_thread_ = base::StartThread("tcsync-stats", [this] { ReadStats(); });
  } catch (...) {
    Stop();
    throw;
  }
}

HealthMonitor::~HealthMonitor() { Stop(); }

void HealthMonitor::Stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  if (answer_thread_.joinable()) answer_thread_.join();
  if (stats_thread_.joinable()) stats_thread_.join();
}

void HealthMonitor::Check(Done done) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  const Instant now = Now();
  std::optional<StorageReport> report = state.TryReport(now);
  if (state.stopping) {
    report.emplace();
    report->probe = absl::UnavailableError("the server is closing");
  }
  if (!report) {
    if (state.waiting.empty()) state.oldest_waiting = now;
    state.waiting.push_back(std::move(done));
    state.changed.notify_all();
    return;
  }
  lock.unlock();
  done(*report);
}

std::optional<StorageStats> HealthMonitor::LatestStats() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stats;
}

void HealthMonitor::AnswerWaiting() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.stopping || !state.waiting.empty(); });
    const Instant now = Now();
    std::optional<StorageReport> report = state.TryReport(now);
    if (state.stopping && !report) {
      report.emplace();
      report->probe = absl::UnavailableError("the server is closing");
    }
    if (report) {
      std::vector<Done> waiting;
      waiting.swap(state.waiting);
      const bool last = state.stopping;
      lock.unlock();
      for (Done& done : waiting) done(*report);
      if (last) return;
      lock.lock();
      continue;
    }
    State::Check& probe = state.probe;
    const bool begin = !probe.since && !state.IsRecent(probe, now, state.timing.shared);
    if (begin || (probe.since && !probe.running && now >= probe.retry_at)) {
      if (begin) probe.since = now;
      probe.running = true;
      lock.unlock();
      storage_.Probe([state = state_](absl::Status status) { state->EndProbe(std::move(status)); });
      lock.lock();
      continue;
    }
    State::Check& reading = state.stats_reading;
    if (!reading.since && !state.IsRecent(reading, now, state.timing.stats_shared)) {
      reading.since = now;
      state.changed.notify_all();
    }
    const Instant next = state.NextLook(now);
    if (next == Instant::max()) {
      state.changed.wait(lock);
    } else {
      state.changed.wait_until(lock, next);
    }
  }
}

void HealthMonitor::ReadStats() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.stopping || state.stats_reading.since; });
    if (state.stopping) return;
    lock.unlock();
    absl::StatusOr<StorageStats> stats = figures_.ReadStats();
    lock.lock();
    if (stats.ok()) state.stats = *std::move(stats);
    state.stats_reading.End(stats.status(), Now());
    state.changed.notify_all();
  }
}

}  // namespace tcsync::metrics
