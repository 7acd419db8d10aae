// The process as a whole, under the names that every Prometheus client library uses.
#ifndef TCSYNC_SRC_METRICS_PROCESS_METRICS_H_
#define TCSYNC_SRC_METRICS_PROCESS_METRICS_H_

#include "metrics/registry.h"

namespace tcsync::metrics {

// A collector: CPU time everywhere; memory, open files and the start where there is /proc.
void CollectProcess(Registry::Sink& sink);

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_PROCESS_METRICS_H_
