// The directory of the benchmarks: on the disk to be measured.
#ifndef TCSYNC_BENCH_MICRO_SCRATCH_DIRECTORY_H_
#define TCSYNC_BENCH_MICRO_SCRATCH_DIRECTORY_H_

#include <string>

namespace tcsync::micro {

// A new, empty directory in $TCSYNC_BENCH_DIR, or in the system's directory for temporary files
// when that is not set; removed with all of its content. Note that the latter may be in memory,
// where a sync costs nothing. The process ends with a message when the directory cannot be created.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_SCRATCH_DIRECTORY_H_
