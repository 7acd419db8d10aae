// The bound on log records that wait for the host.
#ifndef TCSYNC_CAPI_SRC_LOG_BACKLOG_H_
#define TCSYNC_CAPI_SRC_LOG_BACKLOG_H_

#include <cstddef>
#include <cstdint>

namespace tcsync::capi {

// How many records wait, and how many were dropped. Its owner has the records, and a mutex for all.
struct LogBacklog {
  // Records of a host which does not take them: a burst of a second, in memory that nobody notices.
  static constexpr size_t kRecordsMax = 1024;
  static constexpr size_t kBytesMax = size_t{1} << 20;

  // Counts a record of so many bytes: among those that wait, or else among the dropped ones.
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
  int64_t dropped = 0;  // since the last one that waits
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_LOG_BACKLOG_H_
