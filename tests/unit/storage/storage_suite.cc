// The backends that the storage suite runs against.
#include "tests/unit/storage/storage_suite.h"

#include <chrono>

#include "storage/memory/memory_storage.h"
#include "storage/postgres/postgres_storage.h"
#include "storage/rocksdb/rocksdb_storage.h"

namespace tcsync {
namespace {

absl::StatusOr<std::unique_ptr<Storage>> OpenMemory(const std::string&) {
  return std::make_unique<memory_storage::MemoryStorage>();
}

Backend RocksdbWith(const std::string& name, rocksdb_storage::RocksdbStorageOptions options) {
  return {name, [options](const std::string& directory) mutable {
            options.data_dir = directory + "/data";
            options.disk_wait_max = std::chrono::hours(1);  // a slow disk is no failure here
            return rocksdb_storage::OpenRocksdbStorage(options, base::Logger());
          }};
}

rocksdb_storage::RocksdbStorageOptions SmallCaches() {
  rocksdb_storage::RocksdbStorageOptions options;
  options.memtable_bytes = 64 * 1024;  // flushes and compactions happen during the tests
  options.block_cache_bytes = 64 * 1024;
  options.head_cache_bytes = 1;  // every head is read from the database each time
  return options;
}

rocksdb_storage::RocksdbStorageOptions SmallHeadCache() {
  rocksdb_storage::RocksdbStorageOptions options = SmallCaches();
  options.head_cache_bytes = 64 * 450;  // room for about one head in each of the cache's 64 stripes
  return options;
}

absl::StatusOr<std::unique_ptr<Storage>> OpenPostgres(const std::string& url) {
  postgres_storage::PostgresStorageOptions options;
  options.url = url;
  options.wait_max = std::chrono::hours(1);  // a busy machine is no failure here
  return postgres_storage::OpenPostgresStorage(options, base::Logger());
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageSuite,
                         testing::Values(Backend{"Memory", OpenMemory}, RocksdbWith("Rocksdb", {}),
                                         RocksdbWith("RocksdbSmallCaches", SmallCaches()),
                                         RocksdbWith("RocksdbSmallHeadCache", SmallHeadCache()),
                                         Backend{"Postgres", OpenPostgres, true}),
                         [](const testing::TestParamInfo<Backend>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace tcsync
