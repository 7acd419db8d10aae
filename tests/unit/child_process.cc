#include "tests/unit/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

extern char** environ;

namespace tcsync {
namespace {

constexpr char kChildFlag[] = "--run-as-child";
constexpr uid_t kNobody = 65534;

std::string program_path;  // set by main

}  // namespace

ChildProcess::ChildProcess(const char* task, const std::string& directory) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string arguments[] = {program_path, kChildFlag, task, directory};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), nullptr};
  if (posix_spawn(&pid_, program_path.c_str(), &actions, nullptr, argv, environ) != 0) {
    std::perror("cannot run this program as a child");
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  output_ = ends[0];
}

ChildProcess::~ChildProcess() {
  Kill();
  waitpid(pid_, nullptr, 0);
  close(output_);
}

void ChildProcess::Kill() { kill(pid_, SIGKILL); }

std::optional<std::string> ChildProcess::ReadLine() {
  for (;;) {
    const size_t end = read_.find('\n');
    if (end != std::string::npos) {
      std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    char buffer[4096];
    const ssize_t size = read(output_, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    read_.append(buffer, static_cast<size_t>(size));
  }
}

std::optional<int> RunAsChild(
    int argc, char** argv,
    const std::function<int(const std::string& task, const std::string& directory)>& run) {
  program_path = argv[0];
  if (argc != 4 || std::string(argv[1]) != kChildFlag) return std::nullopt;
  return run(argv[2], argv[3]);
}

void PrintLine(const std::string& line) {
  const std::string text = line + "\n";
  // Shorter than PIPE_BUF, so that threads write whole lines.
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) std::_Exit(1);
}

bool BecomeNobody() { return getuid() != 0 || (setgid(kNobody) == 0 && setuid(kNobody) == 0); }

}  // namespace tcsync
