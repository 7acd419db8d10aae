#include "server/process.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>  // defines __GLIBC__ where it applies
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "server/handles.h"

namespace tcsync::server {
namespace {

sigset_t StopSignalSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

extern "C" void ExitAtOnce(int signal_number) { _exit(128 + signal_number); }

}  // namespace

void TuneAllocator() {
#ifdef __GLIBC__
  // A body of many megabytes must go back to the system when it has been stored. By default glibc
  // raises the size from which it uses mmap each time such a block is freed, up to 32 MiB, and then
  // keeps bodies inside its heaps, where one small block above them pins them. Setting the size
  // fixes it: bodies of 256 KiB and more are mapped, and unmapped when they are freed.
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  // Each arena keeps freed memory of its own, and by default there are eight for each core. Few
  // threads allocate here, and briefly; two arenas cost them nothing that can be measured.
  mallopt(M_ARENA_MAX, 2);
#endif
}

void RaiseOpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  // macOS says that the hard limit is infinite, but takes no more than 10,240.
  for (const rlim_t cap : {rlim_t{65'536}, rlim_t{10'240}}) {
    const rlim_t wanted = std::min(limit.rlim_max, cap);
    if (wanted <= limit.rlim_cur) return;
    const rlimit raised{wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  }
}

StopSignals::StopSignals() {
  const sigset_t set = StopSignalSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

std::string StopSignals::Wait() {
  const sigset_t set = StopSignalSet();
  int signal_number = 0;
  if (sigwait(&set, &signal_number) != 0) throw Failure(kExitFailure, "cannot wait for signals");
  // A handler, because the first process of a container is not ended by an unhandled signal.
  signal(SIGTERM, ExitAtOnce);
  signal(SIGINT, ExitAtOnce);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return signal_number == SIGTERM ? "SIGTERM" : "SIGINT";
}

}  // namespace tcsync::server
