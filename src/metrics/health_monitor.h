// Checks the storage for many requests at once that cannot wait.
#ifndef TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_
#define TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "tcsync/storage.h"
#include "tcsync/storage_figures.h"

namespace tcsync::metrics {

struct HealthTiming {
  std::chrono::milliseconds wait_max{base::kHealthWaitMsMax};
  std::chrono::milliseconds shared{base::kHealthSharedMs};
  std::chrono::milliseconds retry{base::kHealthRetryMs};
  std::chrono::milliseconds stats_shared{base::kStorageStatsSharedMs};
};

// The recent state of the storage.
struct StorageReport {
  // The result of Storage::Probe; nullopt: none within the permitted time. kUnavailable: it was
  // refused for that long.
  std::optional<absl::Status> probe;
  // The figures of the last reading; nullopt: none so far.
  std::optional<StorageStats> stats;
  // OK, or the reason that they are not current.
  absl::Status stats_status;
};

// Probes the storage and reads its figures on request, one probe and one reading at a time. Each
// request is answered within wait_max, whatever the storage does; a recent result is used again.
// Thread-safe.
class HealthMonitor {
 public:
  // Called exactly once: before Check returns if there is a recent result, and otherwise on a
  // thread of the monitor's; must not block for long.
  using Done = absl::AnyInvocable<void(const StorageReport&)>;

  // Both must live until Stop() has returned. `storage` completes pending probes even after that.
  HealthMonitor(Storage& storage, StorageFigures& figures, const HealthTiming& timing = {});
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  void Check(Done done);

  // The figures of the last reading.
  std::optional<StorageStats> LatestStats() const;

  // Answers all requests at once and asks the storage no more. Waits for a reading in progress.
  void Stop();

 private:
  class State;

  void AnswerWaiting();
  void ReadStats();

  Storage& storage_;
  StorageFigures& figures_;
  const std::shared_ptr<State> state_;  // shared with probes that come back late
  std::thread answer_thread_;
  std::thread stats_thread_;  // a reading may hang, and answers must not
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_HEALTH_MONITOR_H_
