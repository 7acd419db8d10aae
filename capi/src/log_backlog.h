// The bound on log records that wait for the host.
#ifndef TCSYNC_CAPI_SRC_LOG_BACKLOG_H_
#define TCSYNC_CAPI_SRC_LOG_BACKLOG_H_

#include <cstddef>
#include <cstdint>

namespace tcsync::capi {

// The numbers of waiting and of dropped records. Its owner has the records, and a mutex for all.
struct LogBacklog {
  // The records of a slow host: a burst of a second, in an insignificant amount of memory.
  static constexpr size_t kRecordsMax = 1024;
  static constexpr size_t kBytesMax = size_t{1} << 20;

  // Counts a record of so many bytes: as waiting, or else as dropped.
  bool Add(size_t record_bytes) {
    if (records >= kRecordsMax || record_bytes > kBytesMax - bytes) {
      ++dropped;
      return false;
    }
    ++records;
    bytes += record_bytes;
    return true;
  }
  // The host takes one.
  void Remove(size_t record_bytes) {
    --records;
    bytes -= record_bytes;
  }

  size_t records = 0;
  size_t bytes = 0;     // at most kBytesMax
  int64_t dropped = 0;  // since the last waiting one
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_LOG_BACKLOG_H_
