// Work that takes longer than a request may: done one job after another on a thread of its own, and
// queried by number.
#ifndef TCSYNC_SRC_ADMIN_JOBS_H_
#define TCSYNC_SRC_ADMIN_JOBS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/json.h"
#include "base/worker.h"

namespace tcsync::admin {

// A job's progress, and whether it should continue. Thread-safe.
class JobProgress {
 public:
  // False: the job was cancelled.
  bool operator()(uint64_t done, uint64_t total) {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = done;
    total_ = total;
    return !is_cancelled_;
  }
  // With its present step, in words for people.
  bool operator()(absl::string_view doing, uint64_t done, uint64_t total) {
    const std::lock_guard<std::mutex> lock(mutex_);
    doing_ = std::string(doing);
    done_ = done;
    total_ = total;
    return !is_cancelled_;
  }

 private:
  friend class Jobs;

  std::atomic<bool> is_cancelled_{false};
  mutable std::mutex mutex_;  // of the members below, which are read together
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::string doing_;  // empty: only the job's kind is known
};

// Thread-safe. Destroying it cancels the running job and waits for its end.
class Jobs {
 public:
  // Returns the job's findings, or its error.
  using Work = absl::AnyInvocable<absl::StatusOr<Json>(JobProgress&)>;

  Jobs() : worker_("tcsync-jobs") {}
  ~Jobs();

  // The job's number. kUnavailable when the maximum of jobs is reached, or without a thread.
  absl::StatusOr<uint64_t> Start(absl::string_view kind, Work work);

  // The same, unless a job of that kind is waiting: it will do that work as well, and its number is
  // returned.
  absl::StatusOr<uint64_t> StartOrJoin(absl::string_view kind, Work work);
  // Whether a job of that kind is waiting or running.
  bool IsUnderWay(absl::string_view kind) const;

  // As docs/administration.md describes a job; nullopt for one that is unknown (or forgotten).
  std::optional<Json> Describe(uint64_t number) const;
  Json DescribeAll() const;

  // Asks a job to end early, which it does at its next report. False if it is unknown.
  bool Cancel(uint64_t number);

 private:
  enum class State { kWaiting, kRunning, kDone, kFailed, kCancelled };
  struct Job {
    uint64_t number = 0;
    std::string kind;
    State state = State::kWaiting;
    JobProgress progress;
    Json result;
    std::string error;
  };

  static Json Description(const Job& job);
  std::shared_ptr<Job> Find(uint64_t number) const;
  void Run(Job& job, Work& work);
  void ForgetOldOnes();

  mutable std::mutex mutex_;
  uint64_t last_number_ = 0;
  std::deque<std::shared_ptr<Job>> jobs_;  // the oldest first
  base::Worker worker_;                    // the last member: it ends first
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_JOBS_H_
