// One file and its sync, with nothing in between: the cost of the disk itself.
#ifndef TCSYNC_BENCH_MICRO_DISK_H_
#define TCSYNC_BENCH_MICRO_DISK_H_

#include <sys/types.h>

#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::micro {

// A file for writing, created anew. A failure ends the process with a message.
class RawFile {
 public:
  explicit RawFile(const std::string& path);
  ~RawFile();
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  void WriteAt(absl::string_view bytes, off_t offset);

  // Returns when everything written is on the disk: fdatasync, and on macOS, whose fsync stops at
  // the drive's cache, F_FULLFSYNC.
  void Sync();

 private:
  int file_;
};

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_DISK_H_
