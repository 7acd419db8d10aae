// A test program, run a second time as a child process with a task of its own, so that it can be
// killed. A new program rather than a fork, because the tests have threads. Its main calls
// RunAsChild() before anything else.
#ifndef TCSYNC_TESTS_UNIT_CHILD_PROCESS_H_
#define TCSYNC_TESTS_UNIT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

namespace tcsync {

// One thread.
class ChildProcess {
 public:
  // Starts the child at `task` with a directory.
  ChildProcess(const char* task, const std::string& directory);
  // Kills it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of its output, without the line break; nullopt when it has ended.
  std::optional<std::string> ReadLine();
  void Kill();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string read_;  // not returned yet
};

// For main: the exit code of `run`, called with the task and the directory, when this program was
// started by ChildProcess.
std::optional<int> RunAsChild(
    int argc, char** argv,
    const std::function<int(const std::string& task, const std::string& directory)>& run);

// For the child.
void PrintLine(const std::string& line);

// For the child: goes on as the user nobody, when it is run by root. Whether that worked.
bool BecomeNobody();

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_CHILD_PROCESS_H_
