// The content of the storage, as metrics.
#ifndef TCSYNC_SRC_METRICS_STORAGE_METRICS_H_
#define TCSYNC_SRC_METRICS_STORAGE_METRICS_H_

#include "metrics/registry.h"
#include "tcsync/storage_figures.h"

namespace tcsync::metrics {

// Adds the figures to `sink`: clients, bytes, the disk, the queue, and the backend's own under
// "tcsync_" and their names, as counters if those end in "_total".
void CollectStorageStats(const StorageStats& stats, Registry::Sink& sink);

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_STORAGE_METRICS_H_
