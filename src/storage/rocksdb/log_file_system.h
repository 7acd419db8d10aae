// The creation of write-ahead log files, the space that compactions leave for them on a full disk,
// and hiding them from RocksDB.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// `base`, which is borrowed, except that the allocated space of a log file counts as its length
// from the beginning. A sync of the log then writes data only, without the file's new length, which
// would be a second write to the disk. A log that was cut off by a crash ends in zeros, where
// recovery stops; closing a log truncates them.
std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base);

// `base`, which is borrowed, except that while `is_short` compactions leave `room_bytes` of the
// disk free: a write of a table or blob file into that space fails as on a full disk. RocksDB
// compacts whenever it chooses, and retries each second; without this limit, a compaction that
// cannot end would occupy the space in which the log records removals. GetFreeSpace() of the result
// is the space that compactions may take. `is_short` is called on any thread.
std::unique_ptr<rocksdb::Env> EnvWithRoomForLogs(rocksdb::Env& base, uint64_t room_bytes,
                                                 std::function<bool()> is_short);

// Whether this thread, from here on, may take that space as well. Flushes may, because a log is
// removed when its memtable is in a file. The default is false.
void SetMayTakeLogRoom(bool may_take);

// Allows it to this thread during its lifetime. For opening a database, which flushes the content
// of its logs before it begins a new one.
class MayTakeLogRoom {
 public:
  MayTakeLogRoom() { SetMayTakeLogRoom(true); }
  MayTakeLogRoom(const MayTakeLogRoom&) = delete;
  MayTakeLogRoom& operator=(const MayTakeLogRoom&) = delete;
  ~MayTakeLogRoom() { SetMayTakeLogRoom(false); }
};

// `base`, which is borrowed, without the log files in its directories: a database opens as if it
// had none, and replays nothing.
std::unique_ptr<rocksdb::Env> EnvWithoutLogs(rocksdb::Env& base);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
