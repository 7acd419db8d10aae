// Erases the bytes of removed records from the files.
//
// A removal writes tombstones: the bytes stay in table files until a compaction merges the two, and
// large values stay in their blob file, which other clients' values share, until all live values in
// it have been rewritten. RocksDB does both as new data arrives, which on an unused server is
// never. So each removal leaves a note (record_codec.h), and a run of the compactor processes the
// notes:
//
//   1. it waits for readers that began before, because compaction keeps the data that they may see;
//   2. it flushes the memtable, which frees the log;
//   3. it compacts the ranges of the clients in the notes down to the bottommost level. Removed
//      records need no room for that, and blob files without live values go at this point;
//   4. it rewrites the live values of blob files that also have dead ones, the oldest files first,
//      because RocksDB selects files for collection by age alone. For a removed client these are
//      all files with dead values, because no record shows which file has whose. For removed
//      versions it happens only when it is worth it;
//   5. it waits until all files that left the database are gone from the directory;
//   6. it removes the notes.
//
// An interrupted run loses nothing, and the notes cause another one.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_COMPACTOR_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_COMPACTOR_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "storage/rocksdb/administration.h"
#include "tcsync/storage_upkeep.h"

namespace tcsync::rocksdb_storage {

// For one run, on one thread.
class Compactor {
 public:
  Compactor(AdministeredStorage& storage, const CompactionRequest& request,
            CompactionProgress progress)
      : storage_(storage), request_(request), progress_(progress) {}

  absl::StatusOr<CompactionReport> Run();

 private:
  struct Removal {
    Uuid client_id;
    bool is_erased = false;
    std::string key;    // of its note
    std::string value;  // another one, when more was removed since
  };

  absl::Status Compact(CompactionReport& report);
  absl::Status ReadRemovals();
  absl::Status AwaitOlderReaders();
  absl::Status Flush();
  absl::Status CompactRanges();
  absl::Status CollectBlobs();
  absl::Status AwaitStaleFiles();
  absl::Status AwaitAutomaticCompactions();
  absl::Status RemoveNotes();

  // The number of removals from `first` on, in the order of their clients, that are best compacted
  // together: those in the same file of the bottommost level.
  static size_t CountTogether(const std::vector<Uuid>& clients, size_t first,
                              const std::vector<rocksdb::LiveFileMetaData>& files);
  // The newest blob file to be collected; nullopt: none.
  std::optional<uint64_t> NewestToCollect(rocksdb::DB& database) const;
  // Collects blob files up to and including that one.
  absl::Status CollectUpTo(uint64_t blob_file_number);

  // Compacts between the two keys (everything for null) on another thread, so that this one can
  // report progress and cancel.
  absl::Status CompactRange(const rocksdb::CompactRangeOptions& options, const std::string* begin,
                            const std::string* end);
  // Reports progress until `is_done`, which is polled.
  absl::Status Await(absl::string_view doing, absl::FunctionRef<absl::StatusOr<bool>()> is_done);
  absl::Status Report(absl::string_view doing, uint64_t done, uint64_t total);

  AdministeredStorage& storage_;
  const CompactionRequest request_;
  const CompactionProgress progress_;
  std::vector<Removal> removals_;
  bool has_erased_ = false;
  uint64_t removals_at_first_ = 0;  // AdministeredStorage::removals() at the beginning
  uint64_t sequence_ = 0;           // of the last write that must be compacted
  std::set<std::string> files_;     // table and blob files at the beginning
  uint64_t oldest_needed_log_ = 0;  // earlier ones must go
  std::string doing_;               // the last report
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_COMPACTOR_H_
