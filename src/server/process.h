// The server's settings of the operating system before its threads start: memory, open files and
// signals.
#ifndef TCSYNC_SRC_SERVER_PROCESS_H_
#define TCSYNC_SRC_SERVER_PROCESS_H_

#include <string>

namespace tcsync::server {

// Tunes the allocator for a small machine. Has no effect on others than glibc's.
void TuneAllocator();

// Gives later threads stacks of 1 MiB, several times their need, instead of the usual 8 MiB: limits
// of a process (RLIMIT_DATA, RLIMIT_AS) count the whole stack, touched or not. Has no effect where
// the system has no default to set.
void LimitThreadStacks();

// Raises the soft limit on open files to the hard one, up to 65,536: each connection is one.
void RaiseOpenFilesLimit();

// Takes the numbers 0 to 2 if the process was started without standard input, output or error. The
// first file that is opened would get such a number otherwise, and messages would be written into
// it. Reading and writing there fail, as without this.
void FillStandardDescriptors();

// Makes a write over a limit on file sizes (ulimit -f) fail like one to a full disk, instead of
// ending the process.
void IgnoreFileSizeSignal();

// SIGTERM and SIGINT stop the server, and SIGHUP makes it read files again; but SIGHUP stops it,
// too, when the terminal in which the server was started is gone. Make one in main, before any
// thread starts: threads inherit that the signals are blocked, so that only Wait() receives them.
class Signals {
 public:
  struct Signal {
    bool stops = false;
    std::string name;  // such as "SIGTERM"
  };

  // From here on a signal is kept until Wait, and writing to a closed socket is an error code
  // instead of a signal.
  Signals();

  // Waits for a signal. After a stopping one, do not call it again: a further SIGTERM or SIGINT
  // then ends the process at once, with 128 plus its number as the exit status.
  Signal Wait();

 private:
  const bool had_terminal_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_PROCESS_H_
