// Jobs. If these fail, an operator gets wrong facts about long work, or cannot end it.
#include "admin/jobs.h"

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::admin {
namespace {

using ::testing::HasSubstr;

// Work that waits for a signal, and then succeeds unless it was cancelled.
class HeldWork {
 public:
  Jobs::Work Take() {
    return [state = state_](JobProgress& progress) -> absl::StatusOr<Json> {
      progress("waiting", 1, 3);
      state->began.set_value();
      state->released.get_future().wait();
      if (!progress(2, 3)) return absl::CancelledError("it was asked to end");
      return Json{{"answer", 42}};
    };
  }
  void AwaitBegin() { state_->began.get_future().wait(); }
  void Release() { state_->released.set_value(); }

 private:
  struct State {
    std::promise<void> began;
    std::promise<void> released;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// The job's final state.
Json EndOf(const Jobs& jobs, uint64_t number) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (absl::Now() < deadline) {
    const std::optional<Json> job = jobs.Describe(number);
    if (!job) break;
    if (job->at("state") != "waiting" && job->at("state") != "running") return *job;
    absl::SleepFor(absl::Milliseconds(1));
  }
  ADD_FAILURE() << "job " << number << " has not ended";
  return {};
}

// If this fails, an operator cannot see how far a job is, or how it ended.
TEST(JobsTest, AJobIsToldFromItsBeginningToItsEnd) {
  Jobs jobs;
  HeldWork first;
  HeldWork second;
  const uint64_t running = *jobs.Start("verify", first.Take());
  const uint64_t waiting = *jobs.Start("backup", second.Take());
  EXPECT_NE(running, waiting);
  first.AwaitBegin();
  const Json begun = *jobs.Describe(running);
  EXPECT_EQ(begun.at("state"), "running");
  EXPECT_EQ(begun.at("doing"), "waiting");
  EXPECT_EQ(begun.at("done"), 1);
  EXPECT_EQ(begun.at("total"), 3);
  EXPECT_FALSE(begun.contains("result"));
  EXPECT_EQ(jobs.Describe(waiting)->at("state"), "waiting") << "one is done after another";
  EXPECT_TRUE(jobs.IsUnderWay("verify"));
  EXPECT_TRUE(jobs.IsUnderWay("backup"));
  EXPECT_FALSE(jobs.IsUnderWay("compact"));
  first.Release();
  const Json done = EndOf(jobs, running);
  EXPECT_EQ(done.at("state"), "done");
  EXPECT_EQ(done.at("result").at("answer"), 42);
  EXPECT_FALSE(done.contains("doing"));
  EXPECT_FALSE(jobs.IsUnderWay("verify"));
  second.Release();
  EXPECT_EQ(EndOf(jobs, waiting).at("state"), "done");
  EXPECT_EQ(jobs.DescribeAll().size(), 2u);
}

// If this fails, an operator learns that a backup failed, but not why.
TEST(JobsTest, AFailureHasItsReason) {
  Jobs jobs;
  const uint64_t number = *jobs.Start(
      "backup", [](JobProgress&) -> absl::StatusOr<Json> { return absl::DataLossError("gone"); });
  const Json job = EndOf(jobs, number);
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_EQ(job.at("error"), "gone");
  EXPECT_FALSE(job.contains("result"));
}

// If this fails, an operator cannot stop a long job, or one that waits.
TEST(JobsTest, ACancelledJobEndsWhenItNextReports) {
  Jobs jobs;
  HeldWork running;
  HeldWork never;
  const uint64_t first = *jobs.Start("verify", running.Take());
  const uint64_t second = *jobs.Start("verify", never.Take());
  running.AwaitBegin();
  EXPECT_TRUE(jobs.Cancel(first));
  EXPECT_TRUE(jobs.Cancel(second));
  EXPECT_FALSE(jobs.Cancel(second + 1));
  running.Release();
  EXPECT_EQ(EndOf(jobs, first).at("state"), "cancelled");
  EXPECT_EQ(EndOf(jobs, second).at("state"), "cancelled") << "one that never began";
}

// If this fails, many deletions queue as many compactions.
TEST(JobsTest, WaitingWorkOfAKindIsJoined) {
  Jobs jobs;
  HeldWork running;
  HeldWork waiting;
  const uint64_t first = *jobs.StartOrJoin("compact", running.Take());
  running.AwaitBegin();
  const uint64_t second = *jobs.StartOrJoin("compact", waiting.Take());
  EXPECT_NE(second, first) << "the running job may have passed the new work";
  EXPECT_EQ(*jobs.StartOrJoin("compact", HeldWork().Take()), second);
  EXPECT_TRUE(jobs.Cancel(second));
  HeldWork after_cancelled;
  const uint64_t third = *jobs.StartOrJoin("compact", after_cancelled.Take());
  EXPECT_NE(third, second) << "it would never be done";
  running.Release();
  after_cancelled.Release();
  EXPECT_EQ(EndOf(jobs, third).at("state"), "done");
}

// If this fails, a script that starts jobs fills the memory, or its running jobs are forgotten.
TEST(JobsTest, JobsAreBoundedAndThoseThatHaveEndedAreForgottenFirst) {
  Jobs jobs;
  HeldWork held;
  const uint64_t first = *jobs.Start("verify", held.Take());
  held.AwaitBegin();
  std::vector<uint64_t> waiting;
  const auto at_once = [](JobProgress&) -> absl::StatusOr<Json> { return Json(); };
  for (size_t i = 1; i < base::kAdminJobsMax; ++i) waiting.push_back(*jobs.Start("prune", at_once));
  const absl::StatusOr<uint64_t> refused = jobs.Start("prune", at_once);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("wait until one has ended"));
  held.Release();
  EndOf(jobs, waiting.back());
  ASSERT_TRUE(jobs.Start("prune", at_once).ok());
  EXPECT_EQ(jobs.Describe(first), std::nullopt) << "the oldest is forgotten";
  EXPECT_TRUE(jobs.Describe(waiting.back()).has_value());
}

// If this fails, a stopping server waits for a whole backup.
TEST(JobsTest, DestroyingCancelsWhatIsUnderWay) {
  bool was_cancelled = false;
  std::promise<void> began;
  {
    Jobs jobs;
    const auto until_cancelled = [&](JobProgress& progress) -> absl::StatusOr<Json> {
      began.set_value();
      while (progress(0, 0)) absl::SleepFor(absl::Milliseconds(1));
      was_cancelled = true;
      return absl::CancelledError("");
    };
    ASSERT_TRUE(jobs.Start("backup", until_cancelled).ok());
    began.get_future().wait();
  }
  EXPECT_TRUE(was_cancelled);
}

}  // namespace
}  // namespace tcsync::admin
