#include "engine/open_storage.h"

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/memory/memory_storage.h"
#ifdef TCSYNC_POSTGRES
#include "storage/postgres/postgres_storage.h"
#include "storage/postgres/schema.h"
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

absl::StatusOr<admin::DatabaseState> CallDatabase(const Options& options, bool upgrades) {
  if (options.storage != "postgres") {
    return absl::InvalidArgumentError(absl::StrCat(
        "option storage: ", options.storage,
        " has no tables to check or upgrade, only PostgreSQL has: choose the database with "
        "--storage postgres and --postgres-url, or with the environment variables TCSYNC_STORAGE "
        "and TCSYNC_POSTGRES_URL"));
  }
  const absl::StatusOr<postgres_storage::DatabaseReport> report =
      upgrades ? postgres_storage::UpgradeSchema(options.postgres_url)
               : postgres_storage::InspectDatabase(options.postgres_url);
  if (!report.ok()) return report.status();
  return admin::DatabaseState{
      .server_version = report->server_version,
      .role = report->role,
      .tables_version = report->schema_version,
      .release_tables_version = postgres_storage::kSchemaVersion,
      .warnings = report->warnings,
      .problem = std::string(postgres_storage::CheckReport(*report).message())};
}
#else
absl::Status NoPostgres() {
  return absl::InvalidArgumentError(
      "option storage: this build of tcsync has no storage in PostgreSQL: configure it with "
      "-DTCSYNC_POSTGRES=ON, which needs libpq, or have storage=rocksdb");
}

absl::StatusOr<std::unique_ptr<Storage>> OpenPostgres(const Options&, metrics::Registry&,
                                                      const base::Logger&) {
  return NoPostgres();
}

absl::StatusOr<admin::DatabaseState> CallDatabase(const Options&, bool) { return NoPostgres(); }
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

absl::StatusOr<admin::DatabaseState> InspectDatabase(const Options& options) {
  return CallDatabase(options, /*upgrades=*/false);
}

absl::StatusOr<admin::DatabaseState> UpgradeDatabase(const Options& options) {
  return CallDatabase(options, /*upgrades=*/true);
}

}  // namespace tcsync::engine
