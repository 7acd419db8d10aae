// The signals of threads that the library, or a library that it uses, starts.
#ifndef TCSYNC_SRC_BASE_SIGNAL_BLOCK_H_
#define TCSYNC_SRC_BASE_SIGNAL_BLOCK_H_

#include <signal.h>

namespace tcsync::base {

// During its lifetime, this thread blocks all signals except those of its own faults (SIGSEGV,
// SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS). Threads that it starts meanwhile inherit that. So the
// host's handlers run on the host's threads, but its crash reporter still learns of every fault; a
// blocked one would end the process without a message.
class SignalBlock {
 public:
  SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock();

 private:
  sigset_t previous_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_SIGNAL_BLOCK_H_
