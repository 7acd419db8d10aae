// Ctrl-C during a command. If these fail, a command is killed between two consistent states, or
// cannot be stopped at all.
#include "server/administration/interruption.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/server/child.h"

namespace tcsync::server {
namespace {

TEST(InterruptionTest, WithoutASignalNothingEnds) {
  const ChildEnd end = RunInChild([](const Report& report) {
    CatchInterruptions();
    EndIfInterrupted("nothing was done");
    report(IsInterrupted() ? "interrupted" : "goes on");
  });
  EXPECT_EQ(end.report, "goes on; ");
  EXPECT_EQ(end.status, 0);
}

TEST(InterruptionTest, TheFirstSignalIsKeptUntilTheCommandLooks) {
  for (const int number : {SIGINT, SIGTERM}) {
    const ChildEnd end = RunInChild([number](const Report& report) {
      CatchInterruptions();
      raise(number);
      CatchInterruptions();  // as at the next step: it must not forget
      report(IsInterrupted() ? "interrupted" : "goes on");
      EndIfInterrupted("half is done");
      report("went on");
    });
    EXPECT_EQ(end.report, "interrupted; interrupted: half is done; ");
    EXPECT_EQ(end.status, 128 + number);
  }
}

TEST(InterruptionTest, TheSecondSignalEndsTheProcessAtOnce) {
  const ChildEnd end = RunInChild([](const Report& report) {
    CatchInterruptions();
    raise(SIGINT);
    raise(SIGTERM);
    report("went on");
  });
  EXPECT_EQ(end.report, "");
  EXPECT_EQ(end.status, 128 + SIGTERM);
}

// If this fails, a server that stops kills the command without a message.
TEST(InterruptionTest, AServerThatDisconnectsIsAnError) {
  const ChildEnd end = RunInChild([](const Report& report) {
    CatchInterruptions();
    int ends[2];
    if (pipe(ends) != 0) return;
    close(ends[0]);
    report(write(ends[1], "x", 1) < 0 && errno == EPIPE ? "EPIPE" : "written");
  });
  EXPECT_EQ(end.report, "EPIPE; ");
}

}  // namespace
}  // namespace tcsync::server
