// The metrics of a storage at work, beside those of its commits.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_STORAGE_INSTRUMENTS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_STORAGE_INSTRUMENTS_H_

#include "metrics/registry.h"
#include "storage/commit_instruments.h"

namespace tcsync::rocksdb_storage {

struct StorageInstruments : storage::CommitInstruments {
  explicit StorageInstruments(metrics::Registry& registry)
      : CommitInstruments(registry),
        head_cache_hits(Lookups(registry, "hit")),
        head_cache_misses(Lookups(registry, "miss")),
        disk_reads(registry.AddCounter(
            "tcsync_disk_reads_total",
            "Reads that memory could not answer, and that a reader thread had to make.")) {}

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
