// Health: the probes and figures that a check takes from the storage, and the verdict on them.
#include "metrics/health.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/health_monitor.h"
#include "metrics/storage_metrics.h"
#include "nlohmann/json.hpp"
#include "tests/unit/metrics/probed_storage.h"

namespace tcsync::metrics {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Waits that are over at once, and results that are never shared.
constexpr HealthTiming kAtOnce{.wait_max = std::chrono::milliseconds(1),
                               .shared = std::chrono::milliseconds(0),
                               .retry = std::chrono::milliseconds(0),
                               .stats_shared = std::chrono::hours(1)};
// Waits that are never over, and results that last for the test.
constexpr HealthTiming kLongTiming{.wait_max = std::chrono::hours(1),
                                   .shared = std::chrono::hours(1),
                                   .retry = std::chrono::milliseconds(0),
                                   .stats_shared = std::chrono::hours(1)};

StorageReport ReadReport(HealthMonitor& monitor) {
  std::promise<StorageReport> answer;
  monitor.Check([&](const StorageReport& report) { answer.set_value(report); });
  return answer.get_future().get();
}

// If this fails, /health hides the storage's fault from a supervisor.
TEST(HealthMonitorTest, ReportsTheResultOfTheProbe) {
  ProbedStorage storage;
  storage.answer = absl::ResourceExhaustedError("no space");
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  EXPECT_EQ(ReadReport(monitor).probe, storage.answer);
}

// If this fails, strangers who ask for /health make the server write and sync as often as they ask.
TEST(HealthMonitorTest, ARecentResultIsShared) {
  ProbedStorage storage;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ReadReport(monitor).probe, absl::OkStatus());
  EXPECT_EQ(storage.probes(), 1);
}

// If this fails, /health shows the state of a disk as it was long ago.
TEST(HealthMonitorTest, AnOldResultIsNotShared) {
  ProbedStorage storage;
  HealthTiming timing = kLongTiming;
  timing.shared = std::chrono::milliseconds(0);
  HealthMonitor monitor(storage, storage.figures, timing);
  for (int i = 0; i < 3; ++i) ReadReport(monitor);
  EXPECT_EQ(storage.probes(), 3);
}

// If this fails, a crowd of checks makes a crowd of probes.
TEST(HealthMonitorTest, OneProbeRunsAtATime) {
  ProbedStorage storage;
  storage.hold = true;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  std::vector<std::future<StorageReport>> answers;
  for (int i = 0; i < 20; ++i) {
    auto answer = std::make_shared<std::promise<StorageReport>>();
    answers.push_back(answer->get_future());
    monitor.Check([answer](const StorageReport& report) { answer->set_value(report); });
  }
  storage.AwaitHeld();
  storage.Release(absl::DataLossError("torn"));
  for (auto& answer : answers) EXPECT_EQ(answer.get().probe, absl::DataLossError("torn"));
  EXPECT_EQ(storage.probes(), 1);
}

// If this fails, a stuck committer keeps /health from answering at all, or is given more and more
// probes.
TEST(HealthMonitorTest, AStuckProbeIsReportedInTime) {
  ProbedStorage storage;
  storage.hold = true;
  HealthMonitor monitor(storage, storage.figures, kAtOnce);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ReadReport(monitor).probe, std::nullopt);
  EXPECT_EQ(storage.probes(), 1);
  storage.Release(absl::OkStatus());
  storage.hold = false;
  EXPECT_EQ(ReadReport(monitor).probe, absl::OkStatus()) << "it was stuck only for a while";
}

// If this fails, a moment's overload takes the server out of service.
TEST(HealthMonitorTest, AProbeThatIsRefusedByOverloadIsRepeated) {
  ProbedStorage storage;
  storage.refusals = 5;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  EXPECT_EQ(ReadReport(monitor).probe, absl::OkStatus());
  EXPECT_EQ(storage.probes(), 6);
}

// If this fails, a committer that is stuck and accepts nothing more is never noticed.
TEST(HealthMonitorTest, AProbeThatIsRefusedForLongIsReported) {
  ProbedStorage storage;
  storage.refusals = 1'000'000'000;
  HealthMonitor monitor(storage, storage.figures, kAtOnce);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(absl::IsUnavailable(*ReadReport(monitor).probe));
  storage.refusals = 0;
  // The answers before may have left one try unfinished.
  while (!ReadReport(monitor).probe->ok()) {
  }
}

// If this fails, the metrics and the size checks have no figures to go by.
TEST(HealthMonitorTest, ReportsTheFigures) {
  ProbedStorage storage;
  storage.figures.stats.clients = 12;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  EXPECT_FALSE(monitor.LatestStats().has_value());
  const StorageReport report = ReadReport(monitor);
  EXPECT_EQ(report.stats.value().clients, 12u);
  EXPECT_EQ(monitor.LatestStats().value().clients, 12u);
}

// If this fails, scrapes hammer the storage.
TEST(HealthMonitorTest, TheFiguresAreShared) {
  ProbedStorage storage;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  for (int i = 0; i < 100; ++i) ReadReport(monitor);
  EXPECT_EQ(storage.figures.reads, 1);
}

// If this fails, a disk that hangs makes /health hang with it, and hides the result of the probe.
TEST(HealthMonitorTest, StuckFiguresAreReportedInTime) {
  ProbedStorage storage;
  storage.figures.hold = true;
  HealthTiming timing = kLongTiming;
  timing.wait_max = std::chrono::milliseconds(20);
  timing.shared = std::chrono::milliseconds(0);
  HealthMonitor monitor(storage, storage.figures, timing);
  StorageReport report = ReadReport(monitor);
  EXPECT_TRUE(absl::IsDeadlineExceeded(report.stats_status));
  EXPECT_FALSE(report.stats.has_value());
  EXPECT_EQ(report.probe, absl::OkStatus()) << "the probe's result is not held back";
  storage.figures.Release();
}

// If this fails, one failed read of the figures makes every graph drop to zero.
TEST(HealthMonitorTest, FailedFiguresLeaveTheLastOnes) {
  ProbedStorage storage;
  storage.figures.stats.clients = 5;
  HealthTiming timing = kLongTiming;
  timing.stats_shared = std::chrono::milliseconds(0);
  HealthMonitor monitor(storage, storage.figures, timing);
  ReadReport(monitor);
  storage.figures.status = absl::UnknownError("no");
  const StorageReport report = ReadReport(monitor);
  EXPECT_EQ(report.stats.value().clients, 5u);
  EXPECT_EQ(report.stats_status, absl::UnknownError("no"));
}

// If this fails, a check that waits while the server stops is never answered, and delays the stop.
TEST(HealthMonitorTest, StoppingAnswersEveryWaitingCheck) {
  ProbedStorage storage;
  storage.hold = true;
  HealthMonitor monitor(storage, storage.figures, kLongTiming);
  std::promise<StorageReport> waiting;
  monitor.Check([&](const StorageReport& report) { waiting.set_value(report); });
  storage.AwaitHeld();
  monitor.Stop();
  EXPECT_TRUE(absl::IsUnavailable(*waiting.get_future().get().probe));
  EXPECT_TRUE(absl::IsUnavailable(*ReadReport(monitor).probe));
}

// If this fails, a probe that comes back after the monitor's end writes into freed memory.
TEST(HealthMonitorTest, AProbeMayEndAfterTheMonitor) {
  ProbedStorage storage;
  storage.hold = true;
  {
    HealthMonitor monitor(storage, storage.figures, kAtOnce);
    ReadReport(monitor);
  }
  storage.Release(absl::OkStatus());
}

std::vector<std::string> ProblemsOf(const StorageReport& report, const HealthPolicy& policy = {}) {
  std::vector<std::string> problems;
  for (const HealthCheck& check : Judge(report, policy).checks) {
    if (!check.ok()) {
      problems.push_back(std::string(check.name) + ": " + std::string(check.problem));
    }
  }
  return problems;
}

StorageReport Probed(absl::Status status) {
  StorageReport report;
  report.probe = std::move(status);
  return report;
}

// If this fails, an operator looks for the wrong fault, or strangers read paths of the server.
TEST(JudgeTest, NamesTheFaultOfTheStorage) {
  EXPECT_THAT(ProblemsOf(Probed(absl::OkStatus())), IsEmpty());
  EXPECT_THAT(ProblemsOf(StorageReport{}),
              ElementsAre(HasSubstr("storage: the committer is stuck")));
  EXPECT_THAT(ProblemsOf(Probed(absl::UnavailableError(""))), ElementsAre(HasSubstr("stuck")));
  EXPECT_THAT(ProblemsOf(Probed(absl::ResourceExhaustedError(""))),
              ElementsAre("storage: the disk is full"));
  EXPECT_THAT(ProblemsOf(Probed(absl::UnknownError("IO error: Read-only file system: open"))),
              ElementsAre("storage: the disk is read-only"));
  EXPECT_THAT(ProblemsOf(Probed(absl::DataLossError(""))), ElementsAre(HasSubstr("damaged")));
  EXPECT_THAT(ProblemsOf(Probed(absl::UnknownError("/secret/path: bad"))),
              ElementsAre(AllOf(HasSubstr("fails"), Not(HasSubstr("secret")))))
      << "strangers read this";
}

// If this fails, an operator whose database is away looks for a fault of this machine.
TEST(JudgeTest, NamesTheDatabase) {
  const HealthPolicy policy{.is_in_database = true};
  EXPECT_THAT(ProblemsOf(Probed(absl::OkStatus()), policy), IsEmpty());
  EXPECT_THAT(ProblemsOf(StorageReport{}, policy), ElementsAre(HasSubstr("the database did not")));
  for (const absl::Status& status :
       {absl::UnavailableError(""), absl::DeadlineExceededError(""),
        absl::FailedPreconditionError(""), absl::PermissionDeniedError("/secret/path")}) {
    EXPECT_THAT(ProblemsOf(Probed(status), policy),
                ElementsAre(AllOf(HasSubstr("storage: the database "), Not(HasSubstr("secret")))));
  }
  EXPECT_THAT(ProblemsOf(Probed(absl::DataLossError("")), policy),
              ElementsAre(HasSubstr("damaged")));
  StorageReport report = Probed(absl::OkStatus());
  report.stats_status = absl::DeadlineExceededError("");
  EXPECT_THAT(ProblemsOf(report, policy), ElementsAre(HasSubstr("the database does not answer")));
}

// If this fails, a supervisor hears nothing of a full disk or cap, or an alarm comes without cause.
TEST(JudgeTest, ComparesWithTheOperatorsLimits) {
  const HealthPolicy policy{.disk_free_bytes_min = 100, .total_bytes_max = 1000};
  StorageReport report = Probed(absl::OkStatus());
  EXPECT_THAT(ProblemsOf(report, policy), IsEmpty()) << "nothing is known";
  report.stats.emplace();
  report.stats->live_bytes = 999;
  report.stats->disk_bytes_free = 100;
  report.stats->disk_bytes_total = 5000;
  EXPECT_THAT(ProblemsOf(report, policy), IsEmpty());
  report.stats->disk_bytes_free = 99;
  report.stats->live_bytes = 1000;
  EXPECT_THAT(
      ProblemsOf(report, policy),
      ElementsAre(HasSubstr("disk_space: the free space is below"), HasSubstr("total_size: all")));
  EXPECT_THAT(ProblemsOf(report), IsEmpty()) << "nothing was set";
  report.stats->disk_bytes_total = 0;  // in memory
  EXPECT_THAT(ProblemsOf(report, policy), ElementsAre(HasSubstr("total_size")));
}

// If this fails, a server whose disk hangs looks healthy.
TEST(JudgeTest, StuckFiguresAreADiskThatDoesNotAnswer) {
  StorageReport report = Probed(absl::OkStatus());
  report.stats_status = absl::DeadlineExceededError("");
  EXPECT_THAT(ProblemsOf(report), ElementsAre("disk_space: the disk does not answer"));
}

// If this fails, monitors that parse the answer of /health cannot read it.
TEST(JudgeTest, IsJson) {
  const Health healthy = Judge(Probed(absl::OkStatus()), {});
  EXPECT_EQ(nlohmann::json::parse(healthy.ToJson()),
            nlohmann::json(
                {{"status", "ok"},
                 {"checks", {{"storage", "ok"}, {"disk_space", "ok"}, {"total_size", "ok"}}}}));
  const Health full = Judge(Probed(absl::ResourceExhaustedError("")), {});
  const nlohmann::json json = nlohmann::json::parse(full.ToJson());
  EXPECT_EQ(json["status"], "failing");
  EXPECT_EQ(json["checks"]["storage"], "the disk is full");
}

// If this fails, the alert on the health is silent, or the log says the same at every check.
TEST(HealthServiceTest, SetsTheMetricAndLogsChanges) {
  ProbedStorage storage;
  HealthMonitor monitor(storage, storage.figures, [] {
    HealthTiming timing = kLongTiming;
    timing.shared = std::chrono::milliseconds(0);
    return timing;
  }());
  Registry registry;
  std::vector<std::string> log;
  HealthService health(monitor, {}, registry,
                       base::Logger([&](const LogRecord& record) { log.push_back(ToText(record)); },
                                    LogLevel::kInfo));
  const auto ask = [&] {
    std::promise<bool> ok;
    health.Check([&](const Health& found) { ok.set_value(found.ok()); });
    return ok.get_future().get();
  };
  const std::string ok_line = "tcsync_health_ok{check=\"storage\"} 1\n";
  EXPECT_TRUE(ask());
  EXPECT_THAT(registry.Render(), HasSubstr(ok_line));
  EXPECT_THAT(log, IsEmpty());
  storage.answer = absl::ResourceExhaustedError("no space on /data");
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask());
  EXPECT_THAT(registry.Render(), HasSubstr("tcsync_health_ok{check=\"storage\"} 0\n"));
  EXPECT_THAT(log, ElementsAre(AllOf(HasSubstr("storage: the disk is full"),
                                     HasSubstr("no space on /data"))));
  storage.answer = absl::OkStatus();
  EXPECT_TRUE(ask());
  EXPECT_THAT(registry.Render(), HasSubstr(ok_line));
  EXPECT_THAT(log, SizeIs(2));
}

// If this fails, dashboards and alerts on the storage's figures are empty.
TEST(StorageMetricsTest, NamesTheBackendsFigures) {
  Registry registry;
  const StorageStats stats{
      .clients = 3,
      .live_bytes = 3000,
      .bytes_on_disk = 5000,
      .disk_bytes_free = 70,
      .disk_bytes_total = 100,
      .queued_writes = 2,
      .queued_bytes = 99,
      .backend = {{"rocksdb_compaction_pending", 1}, {"rocksdb_stalls_total", 4}},
      .log_losses = {}};
  const auto registration =
      registry.AddCollector([&](Registry::Sink& sink) { CollectStorageStats(stats, sink); });
  const std::string page = registry.Render();
  for (const char* const line :
       {"tcsync_clients 3\n", "tcsync_storage_bytes 5000\n", "tcsync_storage_live_bytes 3000\n",
        "tcsync_storage_dead_bytes 2000\n", "tcsync_disk_free_bytes 70\n",
        "tcsync_disk_size_bytes 100\n", "tcsync_commit_queue_writes 2\n",
        "tcsync_commit_queue_bytes 99\n", "# TYPE tcsync_rocksdb_compaction_pending gauge\n",
        "tcsync_rocksdb_compaction_pending 1\n", "# TYPE tcsync_rocksdb_stalls_total counter\n",
        "tcsync_rocksdb_stalls_total 4\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

// If this fails, a server with storage in memory sets off the alert on a full disk.
TEST(StorageMetricsTest, StorageInMemoryHasNoMetricsOfADisk) {
  Registry registry;
  const auto registration =
      registry.AddCollector([](Registry::Sink& sink) { CollectStorageStats({}, sink); });
  EXPECT_THAT(registry.Render(), Not(HasSubstr("tcsync_disk")));
}

}  // namespace
}  // namespace tcsync::metrics
