// The metrics of writes that are committed together, for every backend that does so.
#ifndef TCSYNC_SRC_STORAGE_COMMIT_INSTRUMENTS_H_
#define TCSYNC_SRC_STORAGE_COMMIT_INSTRUMENTS_H_

#include "metrics/registry.h"

namespace tcsync::storage {

// Reporters hold a pointer, which is null where nothing is measured. The references are to the
// registry's metrics.
struct CommitInstruments {
  explicit CommitInstruments(metrics::Registry& registry)
      : batch_writes(registry.AddHistogram("tcsync_commit_batch_writes",
                                           "Writes that were committed together, with one sync.",
                                           metrics::Counts())),
        batch_bytes(registry.AddHistogram("tcsync_commit_batch_bytes",
                                          "Bytes of segments and snapshots in one batch.",
                                          metrics::Bytes())),
        wait_seconds(registry.AddHistogram(
            "tcsync_commit_wait_seconds",
            "Time of a write in the queue until its batch began to be committed.",
            metrics::DiskSeconds())),
        sync_seconds(registry.AddHistogram("tcsync_commit_sync_seconds",
                                           "Time to write and sync a batch, failed ones included.",
                                           metrics::DiskSeconds())) {}

  metrics::Histogram& batch_writes;
  metrics::Histogram& batch_bytes;
  metrics::Histogram& wait_seconds;
  metrics::Histogram& sync_seconds;
};

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_COMMIT_INSTRUMENTS_H_
