#include "storage/rocksdb/database.h"

#include <memory>
#include <utility>

#include "base/limits.h"
#include "rocksdb/cache.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync {
namespace {

// A memtable being filled, one being written to disk, and one more before writers must wait.
constexpr int kMemtables = 3;
constexpr int kLevel0FilesPerCompaction = 8;
constexpr uint64_t kBytesPerBackgroundSync = uint64_t{1} << 20;
constexpr double kBlobFilesCollected = 0.25;
constexpr double kFilterBitsPerKey = 10;
constexpr double kMemtableFilterShare = 0.02;
constexpr size_t kDatabaseLogBytesMax = size_t{1} << 20;
constexpr size_t kDatabaseLogFilesMax = 4;

// Tells our log of what RocksDB meets in its own threads.
class BackgroundErrorLog final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrorLog(Logger logger) : logger_(std::move(logger)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    logger_.Log(LogLevel::kError, "the database refuses writes: ", error->ToString());
  }
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (!info.new_bg_error.ok()) return;
    logger_.Log(LogLevel::kInfo, "the database accepts writes again");
  }

 private:
  const Logger logger_;
};

}  // namespace

rocksdb::Options DatabaseOptions(const RocksdbStorageOptions& options, rocksdb::Env& env,
                                 const Logger& logger) {
  rocksdb::Options database;
  database.create_if_missing = true;
  database.env = &env;

  // Memory: everything that grows is bounded by a number of ours.
  database.write_buffer_size = options.memtable_bytes;
  database.max_write_buffer_number = kMemtables;
  database.max_open_files = kStorageOpenFilesMax;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  // Indexes and filters are cached like data, in parts of a block's size: whole, those of one file
  // take half a megabyte, which a read of a cold client would have to fetch.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.format_version = 5;

  // Reads: most are of one client, many are of something that is not there.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  database.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  database.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kKeyPrefixBytes));
  database.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
  database.memtable_whole_key_filtering = true;

  // Sealed bytes do not compress, and large ones should not be rewritten by compaction.
  database.compression = rocksdb::kNoCompression;
  database.bottommost_compression = rocksdb::kNoCompression;
  database.enable_blob_files = true;
  database.min_blob_size = kBlobBytesMin;
  database.blob_compression_type = rocksdb::kNoCompression;
  database.enable_blob_garbage_collection = true;
  // Replaced snapshots are the garbage. A compaction moves what is alive out of the oldest files;
  // moving it out of every file would write each large value again at each compaction.
  database.blob_garbage_collection_age_cutoff = kBlobFilesCollected;
  database.blob_garbage_collection_force_threshold = 0.5;

  // Writes: the committer is the only writer.
  database.allow_concurrent_memtable_write = false;
  database.enable_write_thread_adaptive_yield = false;
  database.level_compaction_dynamic_level_bytes = true;
  // Compacting more files at a time compacts less often. Reads of one client skip the files
  // without it by their filters.
  database.level0_file_num_compaction_trigger = kLevel0FilesPerCompaction;
  // A table file that is written to disk all at once at its end would hold up the log's syncs.
  database.bytes_per_sync = kBytesPerBackgroundSync;
  // An event loop that was the last to use a memtable or a file must not be the one to remove it.
  database.avoid_unnecessary_blocking_io = true;
  // Everything up to the first torn record is kept; a batch that was acknowledged is not torn.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  database.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  database.max_log_file_size = kDatabaseLogBytesMax;
  database.keep_log_file_num = kDatabaseLogFilesMax;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.skip_stats_update_on_db_open = true;
  database.listeners.push_back(std::make_shared<BackgroundErrorLog>(logger));
  return database;
}

}  // namespace tcsync
