// A forked child of the test, for calls that change or end their process: signals, limits,
// descriptors and closed output.
#ifndef TCSYNC_TESTS_UNIT_SERVER_CHILD_H_
#define TCSYNC_TESTS_UNIT_SERVER_CHILD_H_

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <string>

#include "server/owned_handles.h"

namespace tcsync::server {

struct ChildEnd {
  int status = 0;      // the exit status; 128 plus the number of a signal that killed it, negated
  std::string report;  // the child's words, and at last a Failure's message
};

// Reports a word or a sentence, followed by "; ".
using Report = std::function<void(const std::string&)>;

inline ChildEnd RunInChild(const std::function<void(const Report&)>& work) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  // Out of the way of standard descriptors that the work closes.
  const int reporting = fcntl(ends[1], F_DUPFD, 100);
  close(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // ends a child that waits for ever
    const Report report = [reporting](const std::string& word) {
      const std::string text = word + "; ";
      if (write(reporting, text.data(), text.size()) < 0) _exit(99);
    };
    int status = 0;
    try {
      work(report);
    } catch (const Failure& failure) {
      report(failure.what());
      status = failure.exit_status();
    }
    _exit(status);
  }
  close(reporting);
  ChildEnd end;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    end.report.append(buffer, static_cast<size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : -(128 + WTERMSIG(status));
  return end;
}

// Puts an opened file in the place of a standard descriptor.
inline void Replace(int descriptor, const char* path, int flags = O_RDWR) {
  const int opened = open(path, flags | O_NOCTTY);
  if (opened < 0 || dup2(opened, descriptor) < 0) std::abort();
  if (opened != descriptor) close(opened);
}

// A new terminal on the given descriptors. Returns the other end, where a person would sit.
inline int OpenTerminal(std::initializer_list<int> descriptors) {
  const int person = posix_openpt(O_RDWR | O_NOCTTY);
  if (person < 0 || grantpt(person) != 0 || unlockpt(person) != 0) std::abort();
  const std::string path = ptsname(person);
  for (const int descriptor : descriptors) Replace(descriptor, path.c_str());
  return person;
}

}  // namespace tcsync::server

#endif  // TCSYNC_TESTS_UNIT_SERVER_CHILD_H_
