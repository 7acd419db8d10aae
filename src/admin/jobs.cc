#include "admin/jobs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync::admin {

Jobs::~Jobs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const std::shared_ptr<Job>& job : jobs_) job->progress.is_cancelled_ = true;
}

absl::StatusOr<uint64_t> Jobs::Start(absl::string_view kind, Work work) {
  auto job = std::make_shared<Job>();
  job->kind = std::string(kind);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ForgetOldOnes();
    if (jobs_.size() >= base::kAdminJobsMax) {
      return absl::UnavailableError(
          absl::StrCat("There are ", jobs_.size(), " jobs already; wait until one has ended."));
    }
    job->number = ++last_number_;
    jobs_.push_back(job);
  }
  if (!worker_.Post([this, job, work = std::move(work)]() mutable { Run(*job, work); })) {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), job));
    return absl::UnavailableError("The system has no further thread for a job.");
  }
  return job->number;
}

absl::StatusOr<uint64_t> Jobs::StartOrJoin(absl::string_view kind, Work work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::shared_ptr<Job>& job : jobs_) {
      const bool is_waiting = job->state == State::kWaiting && !job->progress.is_cancelled_;
      if (is_waiting && job->kind == kind) return job->number;
    }
  }
  return Start(kind, std::move(work));
}

bool Jobs::IsUnderWay(absl::string_view kind) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(jobs_.begin(), jobs_.end(), [kind](const auto& job) {
    return job->kind == kind && (job->state == State::kWaiting || job->state == State::kRunning);
  });
}

void Jobs::Run(Job& job, Work& work) {
  const bool is_cancelled = job.progress.is_cancelled_;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job.state = is_cancelled ? State::kCancelled : State::kRunning;
  }
  if (is_cancelled) return;
  absl::StatusOr<Json> result = work(job.progress);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (result.ok()) {
    job.state = State::kDone;
    job.result = *std::move(result);
  } else {
    job.state = absl::IsCancelled(result.status()) ? State::kCancelled : State::kFailed;
    job.error = std::string(result.status().message());
  }
}

// Forgets the oldest ended ones, as many as room is needed for. The lock is held.
void Jobs::ForgetOldOnes() {
  while (jobs_.size() >= base::kAdminJobsMax) {
    const auto ended = std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) {
      return job->state != State::kWaiting && job->state != State::kRunning;
    });
    if (ended == jobs_.end()) return;
    jobs_.erase(ended);
  }
}

std::shared_ptr<Jobs::Job> Jobs::Find(uint64_t number) const {
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (job->number == number) return job;
  }
  return nullptr;
}

Json Jobs::Description(const Job& job) {
  static constexpr const char* kStateNames[] = {"waiting", "running", "done", "failed",
                                                "cancelled"};
  const std::lock_guard<std::mutex> lock(job.progress.mutex_);
  Json description = {{"job", job.number},
                      {"kind", job.kind},
                      {"state", kStateNames[static_cast<int>(job.state)]},
                      {"done", job.progress.done_},
                      {"total", job.progress.total_}};
  if (job.state == State::kRunning && !job.progress.doing_.empty()) {
    description["doing"] = job.progress.doing_;
  }
  if (job.state == State::kDone) description["result"] = job.result;
  if (!job.error.empty()) description["error"] = job.error;
  return description;
}

std::optional<Json> Jobs::Describe(uint64_t number) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::shared_ptr<Job> job = Find(number);
  if (job == nullptr) return std::nullopt;
  return Description(*job);
}

Json Jobs::DescribeAll() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Json all = Json::array();
  for (const std::shared_ptr<Job>& job : jobs_) all.push_back(Description(*job));
  return all;
}

bool Jobs::Cancel(uint64_t number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::shared_ptr<Job> job = Find(number);
  if (job == nullptr) return false;
  job->progress.is_cancelled_ = true;
  return true;
}

}  // namespace tcsync::admin
