// Threads of the engine's own, and the logger that all of them use.
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

// If this fails, a host's signal handler runs on a thread of the engine, in the middle of a write.
TEST(ThreadTest, BlocksSignalsAndLeavesTheCallersMaskAlone) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  sigset_t inside;
  StartThread("tcsync-test", [&inside] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }).join();
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE}) {
    EXPECT_EQ(sigismember(&inside, signal), 1) << signal;
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal)) << signal;
  }
}

// If this fails, a fault on a thread of the engine ends the process past the host's crash reporter.
// The host's own thread may block them.
TEST(ThreadTest, DoesNotBlockFaultSignals) {
  sigset_t faults;
  sigemptyset(&faults);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    sigaddset(&faults, signal);
  }
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &faults, &before);
  sigset_t inside;
  StartThread("tcsync-test", [&inside] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }).join();
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, &before, &after);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    EXPECT_EQ(sigismember(&inside, signal), 0) << signal;
    EXPECT_EQ(sigismember(&after, signal), 1) << signal;
  }
}

// If this fails, nobody can tell the engine's threads from the host's in a debugger.
TEST(ThreadTest, HasItsName) {
  char name[16] = "";
  StartThread("tcsync-test", [&name] {
    pthread_getname_np(pthread_self(), name, sizeof(name));
  }).join();
  EXPECT_STREQ(name, "tcsync-test");
}

// If this fails, times are stored that are not of this world.
TEST(ClockTest, SystemClockIsTheTimeOfDay) {
  const int64_t now = absl::ToUnixSeconds(Clock::System().Now());
  EXPECT_GT(now, 1'700'000'000);
  EXPECT_LT(now, 10'000'000'000);
}

}  // namespace
}  // namespace tcsync::base
