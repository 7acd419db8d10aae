// Reads RocksDB's write-ahead logs without RocksDB, to tell a torn end from damage.
//
// A log is blocks of 32 KiB. A record stands in them in one or several fragments, none of which
// crosses the border of a block:
//
//   masked CRC-32C of what follows the length (4) · length (2) · kind (1) · that many bytes
//   kind: 1 a whole record, 2 its beginning, 3 a middle part, 4 its end; numbers are little-endian
//
// A record is a batch of writes: the sequence number of the first one (8), how many (4), the
// writes. The next record has the next free number, also across the border of two logs. Less than a
// fragment's head at the end of a block is zeros, and so is what was set aside and is not written.
//
// A batch is synced before the next one is written. So the disk may have lost a part of the last
// one, which nobody was told is safe; but a record that begins behind bytes that are none proves
// that those were a record once, which was acknowledged. Some batches are not synced, and then
// those behind them, up to the next one that is, say how far everything was: in log data, which
// RocksDB keeps in the log and does not apply, "synced to " and that number (8).
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

// Where the writes stand that were acknowledged, as far as that was noted.
struct LogMark {
  uint64_t log_number = 0;      // of the newest log; 0: nothing is known
  uint64_t first_sequence = 0;  // with which that log begins
  uint64_t last_sequence = 0;   // acknowledged; below first_sequence: nothing stands in it yet
  // The list of files has at least so many bytes, if it is that one and no newer one.
  uint64_t manifest_number = 0;
  uint64_t manifest_bytes = 0;

  friend bool operator==(const LogMark&, const LogMark&) = default;
};

// What is wrong with the logs of a database, where it is more than a torn end.
struct LogDamage {
  std::string description;  // "rocksdb/000012.log cannot be read at byte 4711"
  uint64_t bytes = 0;       // from there on, as far as they are there
  // Of the versions that are lost: how many there may be at most, and how many of them can still be
  // read behind the damage.
  uint64_t versions_max = 0;
  uint64_t versions_readable = 0;
  // To lose no more than that, what stays is the logs below `log_number`, and `keep_bytes` of it.
  uint64_t log_number = 0;
  uint64_t keep_bytes = 0;
  std::vector<uint64_t> logs;  // that are here and are shortened or removed by that

  // "4711 bytes with up to 80 versions"
  std::string Loss() const;
};

// Whether the logs from `min_log_number` on have all that was acknowledged; older ones are of no
// use any more. nullopt: they have.
absl::StatusOr<std::optional<LogDamage>> CheckLogs(rocksdb::Env& env,
                                                   const std::string& database_path,
                                                   uint64_t min_log_number,
                                                   const std::optional<LogMark>& mark);

// The sequence number with which a log begins; nullopt while it has no record.
std::optional<uint64_t> FirstSequenceOf(rocksdb::Env& env, const std::string& path);

// How many bytes from its beginning are whole records. A manifest has the same form as a log.
absl::StatusOr<uint64_t> IntactBytesOf(rocksdb::Env& env, const std::string& path);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_WRITE_AHEAD_LOG_H_
