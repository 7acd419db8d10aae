// How RocksDB makes the files of the write-ahead log, what compactions leave for them on a full
// disk, and how they are hidden from it.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// `base`, which is borrowed, but for one thing: the space that is set aside for a log file counts
// as its length from the beginning. Then a sync of the log writes data only, and not the file's new
// length as well, which takes a second write to the disk. A log that was cut off by a crash ends in
// zeros, where reading it back stops; closing a log cuts them off.
std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base);

// `base`, which is borrowed, but while `is_short` compactions leave `room_bytes` of the disk free:
// a write of a table or blob file that would take of them fails as on a full disk. RocksDB compacts
// whenever it likes, and tries again each second; without this, a compaction that cannot end would
// take, for as long as it runs, the room in which the log says what is to be removed. Its file
// system's GetFreeSpace() is what compactions may take. `is_short` is called on any thread.
std::unique_ptr<rocksdb::Env> EnvWithRoomForLogs(rocksdb::Env& base, uint64_t room_bytes,
                                                 std::function<bool()> is_short);

// Whether this thread, from here on, may take that room as well. Flushes may, since a log goes when
// its memtable is in a file. Not so by default.
void SetMayTakeLogRoom(bool may_take);

// This thread may while it lives. For opening a database, which writes out what its logs have
// before it begins a new one.
class MayTakeLogRoom {
 public:
  MayTakeLogRoom() { SetMayTakeLogRoom(true); }
  MayTakeLogRoom(const MayTakeLogRoom&) = delete;
  MayTakeLogRoom& operator=(const MayTakeLogRoom&) = delete;
  ~MayTakeLogRoom() { SetMayTakeLogRoom(false); }
};

// `base`, which is borrowed, but without the log files in its directories: a database opens as if
// it had none, and replays nothing.
std::unique_ptr<rocksdb::Env> EnvWithoutLogs(rocksdb::Env& base);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
