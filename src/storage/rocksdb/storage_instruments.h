// The metrics of a storage at work.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_STORAGE_INSTRUMENTS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_STORAGE_INSTRUMENTS_H_

#include "metrics/registry.h"

namespace tcsync::rocksdb_storage {

// Reporters hold a pointer, which is null where nothing is measured. The references are to the
// registry's metrics.
struct StorageInstruments {
  explicit StorageInstruments(metrics::Registry& registry)
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
                                           metrics::DiskSeconds())),
        head_cache_hits(Lookups(registry, "hit")),
        head_cache_misses(Lookups(registry, "miss")),
        disk_reads(registry.AddCounter(
            "tcsync_disk_reads_total",
            "Reads that memory could not answer, and that a reader thread had to make.")) {}

  metrics::Histogram& batch_writes;
  metrics::Histogram& batch_bytes;
  metrics::Histogram& wait_seconds;
  metrics::Histogram& sync_seconds;
  metrics::Counter& head_cache_hits;
  metrics::Counter& head_cache_misses;
  metrics::Counter& disk_reads;

 private:
  static metrics::Counter& Lookups(metrics::Registry& registry, const char* result) {
    return registry.AddCounter("tcsync_head_cache_lookups_total",
                               "Lookups in the cache of clients' latest versions.",
                               {{"result", result}});
  }
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_STORAGE_INSTRUMENTS_H_
