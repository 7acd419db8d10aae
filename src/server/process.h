// What the server arranges with the operating system before its threads start: memory, open files
// and signals.
#ifndef TCSYNC_SRC_SERVER_PROCESS_H_
#define TCSYNC_SRC_SERVER_PROCESS_H_

#include <string>

namespace tcsync::server {

// Tunes the allocator for a small machine. Does nothing where it is not glibc's.
void TuneAllocator();

// Gives the threads that start from here on stacks of 1 MiB, which is several times what any of
// them uses, instead of the usual 8 MiB: limits of a process (RLIMIT_DATA, RLIMIT_AS) count the
// whole stack, touched or not. Does nothing where it cannot be said once for all.
void LimitThreadStacks();

// Raises the soft limit on open files to the hard one, up to 65,536: each connection is one.
void RaiseOpenFilesLimit();

// Lets a write that a limit on file sizes (ulimit -f) forbids fail like one to a full disk, instead
// of ending the process.
void IgnoreFileSizeSignal();

// SIGTERM and SIGINT, which stop the server, and SIGHUP, which has it read files again; but SIGHUP
// stops it, too, when it comes because the terminal that the server was started in is gone. Make
// one in main, before any thread starts: threads inherit that the signals are blocked, so that only
// Wait() receives them.
class Signals {
 public:
  struct Signal {
    bool stops = false;
    std::string name;  // such as "SIGTERM"
  };

  // From here on a signal is kept until Wait, and writing to a closed socket is an error code
  // instead of a signal.
  Signals();

  // Waits for a signal. After one that stops, do not call it again: a further SIGTERM or SIGINT
  // then ends the process at once, with 128 plus its number as the exit status.
  Signal Wait();

 private:
  const bool had_terminal_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_PROCESS_H_
