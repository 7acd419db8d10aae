// Distinguishes a process from those that were forked from it.
#ifndef TCSYNC_SRC_BASE_PROCESS_MARK_H_
#define TCSYNC_SRC_BASE_PROCESS_MARK_H_

#include <sys/types.h>

#include <cstdint>

namespace tcsync::base {

// The identity of a process. The process ID alone is not sufficient: a forked process may have the
// ID of one that has ended. The number of forks alone is not either: a child made by a bare system
// call, without the C library, does not count them.
class ProcessMark {
 public:
  // The calling process. Any thread; cheap, and without memory allocation.
  static ProcessMark Current();

  // Whether the calling process is another one than that of this mark.
  bool IsOfAnotherProcess() const { return !(*this == Current()); }

  friend bool operator==(const ProcessMark& a, const ProcessMark& b) = default;

 private:
  pid_t process_ = 0;
  uint64_t forks_ = 0;
};

// A descriptor that a forked child closes at once, because its copy would keep a resource of the
// parent in use: a lock, or an address to listen on.
class ClosedInChild {
 public:
  // The caller still owns `descriptor`; -1 stands for none.
  explicit ClosedInChild(int descriptor);
  ClosedInChild(const ClosedInChild&) = delete;
  ClosedInChild& operator=(const ClosedInChild&) = delete;
  // Before the descriptor is closed.
  ~ClosedInChild();

 private:
  friend void CloseInChild();

  int descriptor_;  // -1 also once it is closed
  ClosedInChild* previous_ = nullptr;
  ClosedInChild* next_ = nullptr;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_PROCESS_MARK_H_
