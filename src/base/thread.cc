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

}  // namespace

std::thread StartThread(const char* name, std::function<void()> body) {
  // The new thread inherits the mask of the one that creates it.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  std::thread thread([name, body = std::move(body)] {
    NameThisThread(name);
    body();
  });
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return thread;
}

}  // namespace tcsync
