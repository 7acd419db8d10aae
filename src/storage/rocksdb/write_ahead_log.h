// Reads RocksDB's write-ahead logs without RocksDB, to distinguish a torn end from damage.
//
// A log consists of blocks of 32 KiB. A record consists of one or several fragments, none of which
// crosses the border of a block:
//
//   masked CRC-32C of the bytes behind the length (4) · length (2) · kind (1) · that many bytes
//   kind: 1 a whole record, 2 its beginning, 3 a middle part, 4 its end; numbers are little-endian
//
// A record is a batch of writes: the sequence number of the first one (8), their number (4), the
// writes. The next record has the next free number, also across the border of two logs. The end of
// a block is zeros where a fragment's head does not fit, and so is allocated space that is not
// written.
//
// A batch is synced before the next one is written. So the disk may have lost a part of the last
// one, which was not acknowledged; but a record that begins behind unreadable bytes proves that
// those were once a record, which was acknowledged. Some batches are not synced. The batches behind
// them, up to the next synced one, carry the number up to which the log was synced: in log data,
// which RocksDB keeps in the log and does not apply, "synced to " and that number (8).
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_WRITE_AHEAD_LOG_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_WRITE_AHEAD_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// The log data of a batch that is written while writes behind `sequence` are not synced.
std::string EncodeSyncedSequence(uint64_t sequence);

// The name of a log in the database's folder: "000012.log".
std::string LogFileName(uint64_t log_number);

// The place of the acknowledged writes in the logs, as of the last mark.
struct LogMark {
  uint64_t log_number = 0;      // of the newest log; 0: unknown
  uint64_t first_sequence = 0;  // of that log's first write
  uint64_t last_sequence = 0;   // acknowledged; below first_sequence: the log is empty so far
  // The list of files of that number has at least so many bytes; a newer list may have replaced it.
  uint64_t manifest_number = 0;
  uint64_t manifest_bytes = 0;

  friend bool operator==(const LogMark&, const LogMark&) = default;
};

// Damage to the logs of a database, beyond a torn end.
struct LogDamage {
  std::string description;  // "rocksdb/000012.log cannot be read at byte 4711"
  uint64_t bytes = 0;       // from there on, as far as they exist
  // The lost versions: the most that there can be, and the number of those that can still be read
  // behind the damage.
  uint64_t versions_max = 0;
  uint64_t versions_readable = 0;
  // A repair with no greater loss keeps the logs below `log_number`, and `keep_bytes` of that one.
  uint64_t log_number = 0;
  uint64_t keep_bytes = 0;
  std::vector<uint64_t> logs;  // existing ones that the repair shortens or removes

  // "4711 bytes with up to 80 versions"
  std::string Loss() const;
};

// Checks that the logs from `min_log_number` on have all acknowledged writes; older ones are not
// needed any more. nullopt: they have.
absl::StatusOr<std::optional<LogDamage>> CheckLogs(rocksdb::Env& env,
                                                   const std::string& database_path,
                                                   uint64_t min_log_number,
                                                   const std::optional<LogMark>& mark);

// The sequence number with which a log begins; nullopt while it has no record.
std::optional<uint64_t> FirstSequenceOf(rocksdb::Env& env, const std::string& path);

// The length of the whole records at its beginning. A manifest has the same form as a log.
absl::StatusOr<uint64_t> IntactBytesOf(rocksdb::Env& env, const std::string& path);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_WRITE_AHEAD_LOG_H_
