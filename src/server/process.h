// What the server arranges with the operating system before its threads start: memory, open files
// and signals.
#ifndef TCSYNC_SRC_SERVER_PROCESS_H_
#define TCSYNC_SRC_SERVER_PROCESS_H_

#include <string>

namespace tcsync::server {

// Tunes the allocator for a small machine. Does nothing where it is not glibc's.
void TuneAllocator();

// Raises the soft limit on open files to the hard one, up to 65,536: each connection is one.
void RaiseOpenFilesLimit();

// SIGTERM and SIGINT. Make one in main, before any thread starts: threads inherit that the signals
// are blocked, so that only Wait() receives them.
class StopSignals {
 public:
  // From here on a stop signal is kept until Wait, and writing to a closed socket is an error code
  // instead of a signal.
  StopSignals();

  // Waits for a stop signal and returns its name, such as "SIGTERM". From then on a further one
  // ends the process at once, with 128 plus its number as the exit status.
  std::string Wait();
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_PROCESS_H_
