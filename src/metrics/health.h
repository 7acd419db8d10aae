// Whether this server does its work: what /health answers, and the metrics that say the same.
#ifndef TCSYNC_SRC_METRICS_HEALTH_H_
#define TCSYNC_SRC_METRICS_HEALTH_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "base/logger.h"
#include "metrics/health_monitor.h"
#include "metrics/registry.h"

namespace tcsync::metrics {

// What the operator set; 0: no such bound.
struct HealthPolicy {
  uint64_t disk_free_bytes_min = 0;
  uint64_t total_bytes_max = 0;
};

// One thing that was looked at. Names and words are constants, and tell strangers a state and no
// figures.
struct HealthCheck {
  absl::string_view name;
  absl::string_view problem;  // empty: none

  bool ok() const { return problem.empty(); }
};

struct Health {
  std::vector<HealthCheck> checks;  // always the same ones in the same order
  // What an operator should know and is no failure; mostly none. Constants, too.
  std::vector<HealthCheck> notes = {};

  bool ok() const;
  // {"status":"failing","checks":{"storage":"the disk is full","disk_space":"ok",...}}, and
  // "notes":{"proxy":"..."} behind the checks if there are any.
  std::string ToJson() const;
};

// What `report` means.
Health Judge(const StorageReport& report, const HealthPolicy& policy);

// Thread-safe. Borrows the monitor.
class HealthService {
 public:
  HealthService(HealthMonitor& monitor, const HealthPolicy& policy, Registry& registry,
                base::Logger logger);

  // Calls `done` as HealthMonitor::Ask does. Sets tcsync_health_ok before, and logs a check that
  // began or ceased to fail.
  void Ask(absl::AnyInvocable<void(const Health&)> done);

  // Where notes come from: `note` gives a constant, or nothing, at any time on any thread. Before
  // the first Ask.
  void AddNote(absl::string_view name, std::function<absl::string_view()> note);

 private:
  void Note(const StorageReport& report, const Health& health);

  HealthMonitor& monitor_;
  const HealthPolicy policy_;
  const base::Logger logger_;
  std::vector<Gauge*> gauges_;  // of each check
  std::vector<std::pair<absl::string_view, std::function<absl::string_view()>>> notes_;
  std::mutex mutex_;  // of the gauges' changes
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_HEALTH_H_
