// A RocksDB environment over the real file system that counts the writes to the write-ahead log:
// only here is it known how many of them one sync served.
#ifndef TCSYNC_BENCH_MICRO_COUNTING_ENV_H_
#define TCSYNC_BENCH_MICRO_COUNTING_ENV_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "rocksdb/env.h"

namespace tcsync::micro {

// Must outlive the database that uses it. Thread-safe.
class CountingEnv {
 public:
  enum class Syncs {
    kReal,
    kSkipped,  // to fill a directory quickly before it is measured
  };

  explicit CountingEnv(Syncs syncs = Syncs::kReal);

  rocksdb::Env* env() const { return env_.get(); }

  uint64_t log_syncs() const { return counts_->syncs.load(std::memory_order_relaxed); }
  uint64_t log_bytes() const { return counts_->bytes.load(std::memory_order_relaxed); }

 private:
  class File;
  class FileSystem;
  struct Counts {
    std::atomic<uint64_t> syncs{0};
    std::atomic<uint64_t> bytes{0};
  };

  const std::shared_ptr<Counts> counts_;  // shared with the files, which RocksDB owns
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_COUNTING_ENV_H_
