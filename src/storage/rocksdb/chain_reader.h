// Reads chains from the database. It depends on neither the cache nor the committer.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_READER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/record_codec.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

// The sources that a reader may use for an answer.
enum class ReadTier {
  kMemory,  // memtables and cached blocks; a value outside them is an error that NeedsDisk()
  kDisk,    // wait for the disk
};

// A version or snapshot as it is stored. If its bytes are in pieces, it is empty, and the caller
// opens the pieces.
struct FoundVersion {
  Version version;
  uint64_t number = 0;
  std::optional<PiecesRecord> pieces = std::nullopt;
};
struct FoundSnapshot {
  Snapshot snapshot;
  std::optional<PiecesRecord> pieces = std::nullopt;
};

// kDataLoss for records of one client that contradict each other. Messages of storage do not name
// the client: the caller knows it, and logs name clients in their own way.
absl::Status Contradiction(absl::string_view problem);

// Visits the keys from `first` up to and without `end`, in their order, until `visit` returns false
// or an error. `action` names the attempt in an error of the database.
using VisitKey =
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)>;
absl::Status VisitKeys(rocksdb::DB& database, rocksdb::ReadOptions options,
                       const std::string& first, const std::string& end, VisitKey visit,
                       absl::string_view action = "read from the database");

// Thread-safe. Borrows the database. Errors are kDataLoss for records that contradict each other,
// and those that the database reports.
class ChainReader {
 public:
  ChainReader(rocksdb::DB& db, ReadTier tier);

  // The client's record and its last version; nullopt when there is no such client.
  absl::StatusOr<std::optional<ChainHead>> ReadHead(const Uuid& client_id) const;

  // The version whose parent is `parent_version_id`, among those up to head.latest_number.
  absl::StatusOr<std::optional<FoundVersion>> FindChild(const Uuid& client_id,
                                                        const ChainHead& head,
                                                        const Uuid& parent_version_id) const;

  // The number of `version_id`, if it is one of the latest `recent_versions_max` versions.
  absl::StatusOr<std::optional<uint64_t>> FindRecent(const Uuid& client_id, const ChainHead& head,
                                                     const Uuid& version_id,
                                                     uint64_t recent_versions_max) const;

  absl::StatusOr<std::optional<FoundSnapshot>> ReadSnapshot(const Uuid& client_id) const;

  // The number of a version that is kept; nullopt for any other ID.
  absl::StatusOr<std::optional<uint64_t>> FindNumber(const Uuid& client_id, const ChainHead& head,
                                                     const Uuid& version_id) const;

  // The record of version `number`; nullopt when it is not kept.
  absl::StatusOr<std::optional<VersionTrailer>> ReadTrailer(const Uuid& client_id,
                                                            uint64_t number) const;

  // The keys of the kept versions from `first_number` to the one before `end_number`: records,
  // segments, pieces and index entries.
  absl::StatusOr<std::vector<std::string>> ReadKeysOfVersions(const Uuid& client_id,
                                                              uint64_t first_number,
                                                              uint64_t end_number) const;
  // The keys of the notes about the client's replicas.
  absl::StatusOr<std::vector<std::string>> ReadKeysOfReplicas(const Uuid& client_id) const;
  // The keys of these pieces.
  static std::vector<std::string> KeysOfPieces(const Uuid& client_id, const PiecesRecord& pieces);

  // The value of a key; nullopt when it does not exist.
  absl::StatusOr<std::optional<std::string>> Read(const std::string& key) const {
    return Read(key, options_);
  }

 private:
  absl::StatusOr<std::optional<std::string>> Read(const std::string& key,
                                                  const rocksdb::ReadOptions& options) const;

  // Version `number` if its parent is `parent_version_id`.
  absl::StatusOr<std::optional<FoundVersion>> ReadVersionAfter(const Uuid& client_id,
                                                               uint64_t number,
                                                               const Uuid& parent_version_id) const;

  rocksdb::DB& db_;
  rocksdb::ReadOptions options_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_CHAIN_READER_H_
