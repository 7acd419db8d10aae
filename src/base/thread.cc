#include "base/thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace tcsync {
namespace {

void NameThisThread(const char* name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#else
  static_cast<void>(name);
#endif
}

// Blocks every signal on this thread for as long as it lives, also when a thread cannot be started.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

 private:
  sigset_t previous_;
};

}  // namespace

std::thread StartThread(const char* name, std::function<void()> body) {
  // The new thread inherits the mask of the one that creates it.
  const SignalBlock block;
  return std::thread([name, body = std::move(body)] {
    NameThisThread(name);
    body();
  });
}

}  // namespace tcsync
