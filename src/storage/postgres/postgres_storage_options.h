// The options of a storage in PostgreSQL.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_OPTIONS_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace tcsync::metrics {
class Registry;
}

namespace tcsync::postgres_storage {

struct PostgresStorageOptions {
  // A connection string as libpq takes it: a URI or keywords and values. What it leaves out comes
  // from libpq's environment variables, such as PGSERVICE and PGPASSFILE.
  std::string url;
  uint64_t queue_bytes_max = uint64_t{48} << 20;  // of waiting writes; beyond it kUnavailable
  int reader_threads = 4;                         // each with a connection: for reads and pieces
  int writer_threads = 2;  // each with a connection: one batch forms while another is committed
  // The longest time for which an operation waits for the database, its failover included.
  std::chrono::milliseconds wait_max{5000};
  metrics::Registry* registry = nullptr;  // for its metrics; must outlive the storage
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_OPTIONS_H_
