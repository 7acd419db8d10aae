#include "engine/open_storage.h"

#include <chrono>

#include "base/limits.h"
#include "storage/memory/memory_storage.h"
#ifdef TCSYNC_POSTGRES
#include "storage/postgres/postgres_storage.h"
#endif
#include "storage/rocksdb/rocksdb_storage.h"

namespace tcsync::engine {
namespace {

#ifdef TCSYNC_POSTGRES
absl::StatusOr<std::unique_ptr<Storage>> OpenPostgres(const Options& options,
                                                      metrics::Registry& registry,
                                                      const base::Logger& logger) {
  const base::Limits limits(options);
  return postgres_storage::OpenPostgresStorage(
      {.url = options.postgres_url,
       .queue_bytes_max = limits.bodies_in_flight_bytes_max,
       .reader_threads = limits.reader_threads,
       .wait_max = std::chrono::milliseconds(options.database_wait_max_ms),
       .registry = &registry},
      logger);
}
#else
absl::StatusOr<std::unique_ptr<Storage>> OpenPostgres(const Options&, metrics::Registry&,
                                                      const base::Logger&) {
  return absl::InvalidArgumentError(
      "option storage: this build of tcsync has no storage in PostgreSQL: configure it with "
      "-DTCSYNC_POSTGRES=ON, which needs libpq, or have storage=rocksdb");
}
#endif

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const Options& options,
                                                     metrics::Registry& registry,
                                                     const base::Logger& logger) {
  if (options.storage == "memory") return std::make_unique<memory_storage::MemoryStorage>();
  if (options.storage == "postgres") return OpenPostgres(options, registry, logger);
  const base::Limits limits(options);
  return rocksdb_storage::OpenRocksdbStorage(
      {.data_dir = options.data_dir,
       .memtable_bytes = limits.memtable_bytes,
       .block_cache_bytes = limits.block_cache_bytes,
       .head_cache_bytes = limits.head_cache_bytes,
       .queue_bytes_max = limits.bodies_in_flight_bytes_max,
       .reader_threads = limits.reader_threads,
       .disk_wait_max = std::chrono::milliseconds(options.disk_wait_max_ms),
       .registry = &registry},
      logger);
}

}  // namespace tcsync::engine
