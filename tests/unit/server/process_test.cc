// The process before its threads start, and the end of a server. If these fail, a server writes its
// log into its own data, dies of a full disk, or cannot be stopped.
#include "server/process.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/server/child.h"

namespace tcsync::server {
namespace {

// Waits for the signal that the process sends itself.
std::string Received(Signals& signals, int number) {
  raise(number);
  const Signals::Signal signal = signals.Wait();
  return signal.name + (signal.stops ? " stops" : " reloads");
}

void CloseTerminal() {
  Replace(STDIN_FILENO, "/dev/null");
  Replace(STDERR_FILENO, "/dev/null");
}

TEST(SignalsTest, StopOrReloadTheServer) {
  for (const auto& [number, meaning] : std::vector<std::pair<int, std::string>>{
           {SIGTERM, "SIGTERM stops; "}, {SIGINT, "SIGINT stops; "}}) {
    const ChildEnd end = RunInChild([number = number](const Report& report) {
      CloseTerminal();
      Signals signals;
      report(Received(signals, SIGHUP));
      report(Received(signals, SIGHUP));
      report(Received(signals, number));
    });
    EXPECT_EQ(end.report, "SIGHUP reloads; SIGHUP reloads; " + meaning);
    EXPECT_EQ(end.status, 0);
  }
}

// If this fails, a person who presses Ctrl-C a second time waits for the slowest client.
TEST(SignalsTest, OfASecondStopSignalTheProcessEndsAtOnce) {
  for (const int first : {SIGTERM, SIGINT}) {
    for (const int second : {SIGTERM, SIGINT}) {
      const ChildEnd end = RunInChild([&](const Report& report) {
        CloseTerminal();
        Signals signals;
        Received(signals, first);
        raise(second);
        report("it went on");
      });
      EXPECT_EQ(end.status, 128 + second) << first;
      EXPECT_EQ(end.report, "") << first;
    }
  }
}

// If this fails, a server outlives the terminal window in which it was started.
TEST(SignalsTest, WhenTheTerminalIsGoneSighupStopsTheServer) {
  const ChildEnd end = RunInChild([](const Report& report) {
    const int person = OpenTerminal({STDIN_FILENO, STDERR_FILENO});
    Signals signals;
    report(Received(signals, SIGHUP));
    close(person);
    report(Received(signals, SIGHUP));
  });
  EXPECT_EQ(end.report, "SIGHUP reloads; SIGHUP, the terminal is gone stops; ");
}

// If this fails, a client that disconnects ends the server.
TEST(SignalsTest, AWriteWithoutAReaderIsAnError) {
  const ChildEnd end = RunInChild([](const Report& report) {
    Signals signals;
    int ends[2];
    if (pipe(ends) != 0) return;
    close(ends[0]);
    report(write(ends[1], "x", 1) < 0 && errno == EPIPE ? "EPIPE" : "written");
  });
  EXPECT_EQ(end.report, "EPIPE; ");
}

TEST(ProcessTest, OpenFilesAreRaisedToTheHardLimitAndNeverLowered) {
  const struct {
    rlim_t soft;
    rlim_t hard;
  } cases[] = {{64, 512}, {512, 512}, {200, 201}};
  for (const auto& each : cases) {
    const ChildEnd end = RunInChild([&](const Report& report) {
      const rlimit limit{each.soft, each.hard};
      if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return;
      RaiseOpenFilesLimit();
      rlimit raised{};
      getrlimit(RLIMIT_NOFILE, &raised);
      report(std::to_string(raised.rlim_cur) + " of " + std::to_string(raised.rlim_max));
    });
    const std::string hard = std::to_string(each.hard);
    EXPECT_EQ(end.report, hard + " of " + hard + "; ") << each.soft;
  }
}

// If this fails, `ulimit -f` or a quota ends a server instead of refusing one write.
TEST(ProcessTest, AWriteOverTheFileSizeLimitIsAnError) {
  const ChildEnd end = RunInChild([](const Report& report) {
    std::FILE* const file = std::tmpfile();
    const rlimit none{0, RLIM_INFINITY};
    if (file == nullptr || setrlimit(RLIMIT_FSIZE, &none) != 0) return;
    IgnoreFileSizeSignal();
    report(write(fileno(file), "x", 1) < 0 && errno == EFBIG ? "EFBIG" : "written");
  });
  EXPECT_EQ(end.report, "EFBIG; ") << end.status;
}

// If this fails, `tcsync-server clients list >&-` writes the list into the database, and a service
// without standard error logs into a socket.
TEST(ProcessTest, ClosedStandardDescriptorsAreTakenSoThatNoFileGetsTheirNumbers) {
  const std::vector<std::vector<int>> cases = {{}, {0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}};
  for (const std::vector<int>& closed : cases) {
    const ChildEnd end = RunInChild([&](const Report& report) {
      for (const int descriptor : {0, 1, 2}) Replace(descriptor, "/dev/null");
      const int next = dup(0);
      close(next);
      for (const int descriptor : closed) close(descriptor);
      FillStandardDescriptors();
      const int opened = open("/dev/null", O_RDWR);
      report(opened == next ? "next" : "opened as " + std::to_string(opened));
      char byte = 0;
      for (const int descriptor : closed) {
        if (write(descriptor, "x", 1) >= 0 || read(descriptor, &byte, 1) >= 0) report("usable");
      }
    });
    EXPECT_EQ(end.report, "next; ") << testing::PrintToString(closed);
  }
}

#ifdef __GLIBC__
TEST(ProcessTest, ThreadStacksAreLoweredAndNeverRaised) {
  const ChildEnd end = RunInChild([](const Report& report) {
    for (const size_t before : {size_t{8} << 20, size_t{1} << 20, size_t{256} << 10}) {
      pthread_attr_t attributes;
      pthread_attr_init(&attributes);
      pthread_attr_setstacksize(&attributes, before);
      pthread_setattr_default_np(&attributes);
      LimitThreadStacks();
      size_t after = 0;
      pthread_getattr_default_np(&attributes);
      pthread_attr_getstacksize(&attributes, &after);
      report(std::to_string(after >> 10));
    }
  });
  EXPECT_EQ(end.report, "1024; 1024; 256; ");
}
#endif

}  // namespace
}  // namespace tcsync::server
