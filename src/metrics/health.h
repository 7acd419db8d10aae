// Whether this server works: the answer of /health, and the metrics with the same content.
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

// The operator's settings; 0: no limit.
struct HealthPolicy {
  uint64_t disk_free_bytes_min = 0;
  bool is_in_database = false;  // the storage, in one of another process
  uint64_t total_bytes_max = 0;
};

// The result of one check. Names and words are constants, and tell strangers a state without
// figures.
struct HealthCheck {
  absl::string_view name;
  absl::string_view problem;  // empty: none

  bool ok() const { return problem.empty(); }
};

struct Health {
  std::vector<HealthCheck> checks;  // always the same ones in the same order
  // Information for the operator that is no failure; usually none. Constants, too.
  std::vector<HealthCheck> notes = {};

  bool ok() const;
  // {"status":"failing","checks":{"storage":"the disk is full","disk_space":"ok",...}}, and
  // "notes":{"proxy":"..."} behind the checks if there are any.
  std::string ToJson() const;
};

// The report's meaning.
Health Judge(const StorageReport& report, const HealthPolicy& policy);

// Thread-safe. Borrows the monitor.
class HealthService {
 public:
  HealthService(HealthMonitor& monitor, const HealthPolicy& policy, Registry& registry,
                base::Logger logger);

  // Calls `done` as HealthMonitor::Check does. Before that, sets tcsync_health_ok, and logs a check
  // that began or ceased to fail.
  void Check(absl::AnyInvocable<void(const Health&)> done);

  // Adds a source of notes: `note` returns a constant, or nothing, at any time on any thread.
  // Before the first Check.
  void AddNote(absl::string_view name, std::function<absl::string_view()> note);

 private:
  void Note(const StorageReport& report, const Health& health);

  HealthMonitor& monitor_;
  const HealthPolicy policy_;
  const base::Logger logger_;
  std::vector<Gauge*> gauges_;  // one for each check
  std::vector<std::pair<absl::string_view, std::function<absl::string_view()>>> notes_;
  std::mutex mutex_;  // guards the changes of the gauges
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_HEALTH_H_
