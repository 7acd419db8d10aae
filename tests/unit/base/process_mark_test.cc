// A process and its forked children. If these fail, a child answers with its parent's connection,
// or keeps the parent's data directory locked.
#include "base/process_mark.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace tcsync {
namespace {

using base::ClosedInChild;
using base::ProcessMark;

// The exit status of a child that runs `body`.
template <typename Body>
int ExitStatusOf(pid_t child, Body&& body) {
  if (child == 0) _exit(body());
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool IsOpen(int descriptor) { return fcntl(descriptor, F_GETFD) >= 0; }

TEST(ProcessMarkTest, DetectsAForkedChild) {
  const ProcessMark mark = ProcessMark::Current();
  EXPECT_FALSE(mark.IsOfAnotherProcess());
  EXPECT_EQ(mark, ProcessMark::Current());
  EXPECT_EQ(ExitStatusOf(fork(),
                         [&] {
                           const ProcessMark own = ProcessMark::Current();
                           if (!mark.IsOfAnotherProcess() || own.IsOfAnotherProcess()) return 1;
                           // And so is the child's child, of both.
                           return ExitStatusOf(fork(), [&] {
                             return mark.IsOfAnotherProcess() && own.IsOfAnotherProcess() ? 7 : 2;
                           });
                         }),
            7);
  EXPECT_FALSE(mark.IsOfAnotherProcess());
}

#if defined(__linux__)
TEST(ProcessMarkTest, DetectsAChildOfTheCloneSystemCall) {
  const ProcessMark mark = ProcessMark::Current();
  const auto child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0));
  EXPECT_EQ(ExitStatusOf(child, [&] { return mark.IsOfAnotherProcess() ? 7 : 1; }), 7);
}
#endif

TEST(ClosedInChildTest, TheParentKeepsItsDescriptors) {
  int ends[2];
  int others[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(pipe(others), 0);
  std::vector<std::unique_ptr<ClosedInChild>> closed;
  for (const int descriptor : {ends[0], ends[1], others[0], -1}) {
    closed.push_back(std::make_unique<ClosedInChild>(descriptor));
  }
  // The first, a middle and the last one of those that are left are each taken out once.
  closed.erase(closed.begin() + 1);
  EXPECT_EQ(ExitStatusOf(fork(),
                         [&] {
                           if (IsOpen(ends[0]) || IsOpen(others[0])) return 1;
                           if (!IsOpen(ends[1]) || !IsOpen(others[1])) return 2;
                           // The child, too, closes descriptors that are no longer wanted.
                           closed.clear();
                           return 7;
                         }),
            7);
  EXPECT_TRUE(IsOpen(ends[0]));
  EXPECT_TRUE(IsOpen(others[0]));
  closed.clear();
  EXPECT_EQ(ExitStatusOf(fork(), [&] { return IsOpen(ends[0]) && IsOpen(others[0]) ? 7 : 1; }), 7);
  for (const int descriptor : {ends[0], ends[1], others[0], others[1]}) close(descriptor);
}

}  // namespace
}  // namespace tcsync
