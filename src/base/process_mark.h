// Tells a process from those that were forked from it.
#ifndef TCSYNC_SRC_BASE_PROCESS_MARK_H_
#define TCSYNC_SRC_BASE_PROCESS_MARK_H_

#include <sys/types.h>

#include <cstdint>

namespace tcsync::base {

// A process, as far as it can ask about itself. The process ID alone would not do: a process that
// was forked may have the ID of one that has ended. The number of forks alone would not either: a
// child that was made by a bare system call, without the C library, does not count them.
class ProcessMark {
 public:
  // The process that calls. Any thread; cheap, and no memory is needed.
  static ProcessMark Current();

  // Whether the process that calls is another one than the one of this mark.
  bool IsOfAnotherProcess() const { return !(*this == Current()); }

  friend bool operator==(const ProcessMark& a, const ProcessMark& b) = default;

 private:
  pid_t process_ = 0;
  uint64_t forks_ = 0;
};

// A descriptor that a forked child closes at once, because its copy would keep something taken in
// the name of the process that made it: a lock, or an address to listen at.
class ClosedInChild {
 public:
  // `descriptor` stays the caller's; -1 stands for none.
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
