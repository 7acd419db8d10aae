// The signals of threads that the library starts, itself or through a library that it uses.
#ifndef TCSYNC_SRC_BASE_SIGNAL_BLOCK_H_
#define TCSYNC_SRC_BASE_SIGNAL_BLOCK_H_

#include <signal.h>

namespace tcsync::base {

// For as long as it lives, this thread blocks all signals but those of a fault of its own (SIGSEGV,
// SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS). Threads that are started meanwhile inherit that: so the
// host's handlers run on the host's threads, and yet its crash reporter hears of a fault anywhere,
// where a blocked fault would end the process without a word.
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
