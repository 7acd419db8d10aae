// Finds out how the storage is, for many who ask at once and cannot wait.
#ifndef TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_
#define TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"

namespace tcsync::metrics {

struct HealthTiming {
  std::chrono::milliseconds wait_max{base::kHealthWaitMsMax};
  std::chrono::milliseconds shared{base::kHealthSharedMs};
  std::chrono::milliseconds retry{base::kHealthRetryMs};
  std::chrono::milliseconds stats_shared{base::kStorageStatsSharedMs};
};

// How the storage was a moment ago.
struct StorageReport {
  // What Storage::Probe said; nullopt: nothing yet, after longer than it may take. kUnavailable: it
  // was refused for that long.
  std::optional<absl::Status> probe;
  // The figures as they were last read; nullopt: never, or the backend has none.
  std::optional<StorageStats> stats;
  // OK, or why they are not those of now.
  absl::Status stats_status;
};

// Probes the storage and reads its figures when somebody asks, one probe and one reading at a time.
// Whoever asks is answered within wait_max, whatever the storage does; a recent result is used
// again. Thread-safe.
class HealthMonitor {
 public:
  // Called exactly once: before Ask returns if there is a recent result, and otherwise on a thread
  // of the monitor's; must not block for long.
  using Done = absl::AnyInvocable<void(const StorageReport&)>;

  // As StorageAdministration::ReadStats; may block.
  using ReadStatsFunction = std::function<absl::StatusOr<StorageStats>()>;

  // `storage` must live until Stop() returned, and answers probes that are under way after that.
  // `read_stats` is null for a storage that has no figures.
  HealthMonitor(Storage& storage, ReadStatsFunction read_stats, const HealthTiming& timing = {});
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  void Ask(Done done);

  // The figures as they were last read.
  std::optional<StorageStats> LatestStats() const;

  // Answers everybody at once and asks the storage for nothing more. Waits while it reads figures.
  void Stop();

 private:
  class State;

  void AnswerWaiting();
  void ReadStats();

  Storage& storage_;
  const ReadStatsFunction read_stats_;
  const std::shared_ptr<State> state_;  // shared with probes that come back late
  std::thread answer_thread_;
  std::thread stats_thread_;  // reading may stand still, and answers must not
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_
