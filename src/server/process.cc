#include "server/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>  // defines __GLIBC__ where it applies
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

sigset_t SetOf(std::initializer_list<int> signal_numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : signal_numbers) sigaddset(&set, signal_number);
  return set;
}

// A closed terminal does not count.
bool HasTerminal() { return isatty(STDIN_FILENO) != 0 || isatty(STDERR_FILENO) != 0; }

extern "C" void ExitAtOnce(int signal_number) { _exit(128 + signal_number); }

}  // namespace

void TuneAllocator() {
#ifdef __GLIBC__
  // The memory of a body of many megabytes must go back to the system once it is stored. By default
  // glibc raises the threshold of mmap each time such a block is freed, up to 32 MiB, and then
  // keeps bodies inside its heaps, where one small block above them pins them. Setting the size
  // fixes it: bodies of 256 KiB and more are mapped, and unmapped when they are freed.
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  // Each arena keeps freed memory of its own, and by default there are eight for each core. Few
  // threads allocate here, and briefly; two arenas cost them nothing measurable.
  mallopt(M_ARENA_MAX, 2);
#endif
}

void LimitThreadStacks() {
#ifdef __GLIBC__
  constexpr size_t kStackBytes = size_t{1} << 20;
  pthread_attr_t attributes;
  if (pthread_getattr_default_np(&attributes) != 0) return;
  size_t present = 0;
  if (pthread_attr_getstacksize(&attributes, &present) == 0 && present > kStackBytes &&
      pthread_attr_setstacksize(&attributes, kStackBytes) == 0) {
    pthread_setattr_default_np(&attributes);
  }
  pthread_attr_destroy(&attributes);
#endif
}

void RaiseOpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  // macOS reports the hard limit as infinite, but accepts no more than 10,240.
  for (const rlim_t cap : {rlim_t{65'536}, rlim_t{10'240}}) {
    const rlim_t wanted = std::min(limit.rlim_max, cap);
    if (wanted <= limit.rlim_cur) return;
    const rlimit raised{wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  }
}

void FillStandardDescriptors() {
  // The root directory is everywhere, unlike /dev/null, and can be neither read nor written.
  // Opening takes the lowest free number.
  int descriptor = 0;
  do {
    descriptor = open("/", O_RDONLY | O_DIRECTORY);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) close(descriptor);
}

void IgnoreFileSizeSignal() { signal(SIGXFSZ, SIG_IGN); }

Signals::Signals() : had_terminal_(HasTerminal()) {
  const sigset_t set = SetOf({SIGTERM, SIGINT, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Signals::Signal Signals::Wait() {
  const sigset_t set = SetOf({SIGTERM, SIGINT, SIGHUP});
  int signal_number = 0;
  if (sigwait(&set, &signal_number) != 0) throw Failure(kExitFailure, "cannot wait for signals");
  const bool terminal_is_gone = had_terminal_ && !HasTerminal();
  if (signal_number == SIGHUP && !terminal_is_gone) return {.stops = false, .name = "SIGHUP"};
  // A handler, because an unhandled signal does not end the first process of a container.
  signal(SIGTERM, ExitAtOnce);
  signal(SIGINT, ExitAtOnce);
  const sigset_t stop_signals = SetOf({SIGTERM, SIGINT});
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  if (signal_number == SIGHUP) return {.stops = true, .name = "SIGHUP, the terminal is gone"};
  return {.stops = true, .name = signal_number == SIGTERM ? "SIGTERM" : "SIGINT"};
}

}  // namespace tcsync::server
