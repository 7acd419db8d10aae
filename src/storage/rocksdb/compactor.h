// Makes the bytes of what was removed leave the files.
//
// Removing records writes tombstones: the bytes stay in table files until a compaction merges the
// two, and large values stay in their blob file, which other clients' values share, until all that
// is alive in it has been written anew. RocksDB does both when enough new data has come, which on a
// server that nobody writes to is never. So each removal leaves a note (record_codec.h), and this
// does what the notes ask for:
//
//   1. readers that began before must have ended, because compaction keeps what they may still see;
//   2. the memtable is written out, which frees the log;
//   3. the ranges of the clients in the notes are compacted down to the bottommost level. No room
//   is
//      needed for what goes, and blob files with nothing alive any more go here;
//   4. of blob files that are dirty (some of their values are dead), what is alive is written anew,
//      the oldest files first, because RocksDB tells those to be collected by age alone. For a
//      client that was removed every dirty file is collected: nothing tells whose dead values are
//      where. For versions that were removed, only when it is worth it;
//   5. all files that are no part of the database any more must be gone from the directory;
//   6. the notes are taken back.
//
// Cut short at any place it has lost nothing, and the notes ask for it again.
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
#include "tcsync/storage_administration.h"

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
  absl::Status AwaitCompactionsOfItsOwn();
  absl::Status TakeNotesBack();

  // How many of the removals, which are in the order of their clients, from `first` on are best
  // compacted together: those that the same file of the bottommost level holds.
  static size_t CountTogether(const std::vector<Uuid>& clients, size_t first,
                              const std::vector<rocksdb::LiveFileMetaData>& files);
  // The newest blob file that is to be collected; nullopt: none.
  std::optional<uint64_t> NewestToCollect(rocksdb::DB& database) const;
  // Collects blob files up to and with that one.
  absl::Status CollectUpTo(uint64_t blob_file_number);

  // Compacts between the two keys (all of them for null), on another thread, so that this one can
  // report and cancel it.
  absl::Status CompactRange(const rocksdb::CompactRangeOptions& options, const std::string* begin,
                            const std::string* end);
  // Reports until `is_done`, which is asked time and again.
  absl::Status Await(absl::string_view doing, absl::FunctionRef<absl::StatusOr<bool>()> is_done);
  absl::Status Report(absl::string_view doing, uint64_t done, uint64_t total);

  AdministeredStorage& storage_;
  const CompactionRequest request_;
  const CompactionProgress progress_;
  std::vector<Removal> removals_;
  bool has_erased_ = false;
  uint64_t removals_at_first_ = 0;  // AdministeredStorage::removals()
  uint64_t sequence_ = 0;           // of the last write that must be compacted
  std::set<std::string> files_;     // table and blob files when it began
  uint64_t oldest_needed_log_ = 0;  // those before it must go
  std::string doing_;               // what was last reported
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_COMPACTOR_H_
