// The commands' output for people. If these fail, an operator misreads a size or a time.
#include "server/administration/console.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/interruption.h"
#include "server/owned_handles.h"
#include "server/process.h"
#include "tests/unit/server/child.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// If this fails, an operator misreads the size of a client.
TEST(ConsoleTest, SizesAreInBinaryUnits) {
  const struct {
    uint64_t bytes;
    const char* text;
  } cases[] = {
      {0, "0 B"},
      {1, "1 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {1536, "1.5 KiB"},
      {10'188, "9.9 KiB"},
      {10'189, "10 KiB"},
      {10'239, "10 KiB"},
      {1'048'063, "1023 KiB"},
      {1'048'064, "1.0 MiB"},
      {(uint64_t{1} << 20) - 1, "1.0 MiB"},
      {uint64_t{1} << 20, "1.0 MiB"},
      {(uint64_t{1} << 30) - 1, "1.0 GiB"},
      {uint64_t{3} << 30, "3.0 GiB"},
      {uint64_t{1} << 40, "1.0 TiB"},
      {uint64_t{1} << 50, "1.0 PiB"},
      {UINT64_MAX, "16 EiB"},
  };
  for (const auto& each : cases) EXPECT_EQ(HumanBytes(each.bytes), each.text) << each.bytes;
}

// If this fails, an operator misreads a time by the offset of a time zone.
TEST(ConsoleTest, TimesAreInUtc) {
  EXPECT_EQ(HumanTime(0), "-");
  EXPECT_EQ(HumanTime(1'769'879'109), "2026-01-31 17:05:09 UTC");
  EXPECT_EQ(HumanTime(1), "1970-01-01 00:00:01 UTC");
  EXPECT_EQ(HumanTime(-1), "1969-12-31 23:59:59 UTC");
  EXPECT_EQ(HumanTime(253'402'300'800), "10000-01-01 00:00:00 UTC");
  // No calendar has the years of these.
  EXPECT_EQ(HumanTime(INT64_MAX), "9223372036854775807");
  EXPECT_EQ(HumanTime(INT64_MIN), "-9223372036854775808");
}

// If this fails, the day of an odd year is cut.
TEST(ConsoleTest, DaysAreWhole) {
  EXPECT_EQ(HumanDay(0), "-");
  EXPECT_EQ(HumanDay(1'769'879'109), "2026-01-31");
  EXPECT_EQ(HumanDay(253'402'300'800), "10000-01-01");
  EXPECT_EQ(HumanDay(INT64_MAX), "9223372036854775807");
}

// If this fails, an operator misjudges how long a client has been idle.
TEST(ConsoleTest, AgesAreRounded) {
  const int64_t now = std::time(nullptr);
  EXPECT_EQ(HumanAge(0), "-");
  EXPECT_EQ(HumanAge(now), "now");
  EXPECT_EQ(HumanAge(now - 5 * 60), "5 minutes");
  EXPECT_EQ(HumanAge(now - 3 * 86'400), "3 days");
  EXPECT_EQ(HumanAge(now - 90 * 60), "90 minutes");
  EXPECT_EQ(HumanAge(now - 3 * 3'600), "3 hours");
  // Written with a wrong clock, or imported.
  EXPECT_EQ(HumanAge(now + 3600), "now");
  EXPECT_EQ(HumanAge(INT64_MAX), "now");
  EXPECT_THAT(HumanAge(INT64_MIN), EndsWith(" days"));
}

// If this fails, messages have wrong grammar ("1 clients").
TEST(ConsoleTest, CountsHaveTheirPlural) {
  EXPECT_EQ(Counted(0, "client"), "0 clients");
  EXPECT_EQ(Counted(1, "client"), "1 client");
  EXPECT_EQ(Counted(2, "client"), "2 clients");
  EXPECT_EQ(Counted(UINT64_MAX, "byte"), "18446744073709551615 bytes");
}

// If this fails, an operator reads a figure in the wrong column of a table.
TEST(ConsoleTest, ColumnsAreAligned) {
  Table table({{.heading = "NAME"}, {.heading = "SIZE", .is_number = true}});
  EXPECT_TRUE(table.empty());
  table.Add({"a", "10 B"});
  table.Add({"longer", "9.9 KiB"});
  EXPECT_FALSE(table.empty());
  testing::internal::CaptureStdout();
  table.Print();
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "NAME       SIZE\n"
            "a          10 B\n"
            "longer  9.9 KiB\n");
}

// If this fails, the label of an invite or the reason of a ban forges a row, or a table without
// rows is not recognised as one.
TEST(ConsoleTest, ARowIsOneLineWhateverIsInIt) {
  Table table({{"NAME"}, {"LABEL"}, {"N", true}});
  testing::internal::CaptureStdout();
  table.Print();
  table.Add({"", "", ""});
  table.Add({"\u00e9", "a\nb  c", "1"});
  table.Add({"\x1b[31mx", "\u202ex", "22"});
  table.Print();
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "NAME  LABEL  N\n"
            "NAME    LABEL    N\n"
            "\n"
            "\u00e9       a?b  c   1\n"
            "?[31mx  ?x      22\n");
}

// If this fails, a full disk or a closed output goes unnoticed, and a script takes half of the
// output for all of it.
TEST(ConsoleTest, OutputThatIsLostIsAFailure) {
  const struct {
    const char* path;  // empty: closed
    size_t bytes;
    int status;
  } cases[] = {
      {"/dev/null", 100'000, 0},
      {"/dev/full", 0, 0},
      {"/dev/full", 1, kExitFailure},
      {"/dev/full", 4096, kExitFailure},
      {"/dev/full", 100'000, kExitFailure},
      {"", 1, kExitFailure},
      {"", 4096, kExitFailure},
      {"", 100'000, kExitFailure},
  };
  for (const auto& each : cases) {
    const ChildEnd end = RunInChild([&](const Report&) {
      if (*each.path == '\0') {
        close(STDOUT_FILENO);
        FillStandardDescriptors();
      } else {
        Replace(STDOUT_FILENO, each.path);
      }
      std::fputs(std::string(each.bytes, 'x').c_str(), stdout);
      FlushOutput();
    });
    EXPECT_EQ(end.status, each.status) << each.path << " " << each.bytes;
    EXPECT_EQ(end.report, each.status == 0 ? "" : "cannot write the output; ");
  }
}

// If this fails, a command takes a slip of the finger for consent, or its question can be forged by
// the name of a client.
TEST(ConsoleTest, OnATerminalAClearYesConfirms) {
  const struct {
    const char* typed;
    bool is_agreed;
  } cases[] = {
      {"y\n", true},     {"Y\n", true},       {"yes\n", true},       {"n\n", false},
      {"\n", false},     {"\x04", false},     {"yess\n", false},     {" y\n", false},
      {"no y\n", false}, {"y\x04\x04", true}, {"\xd1\x83\n", false},
  };
  for (const auto& each : cases) {
    const ChildEnd end = RunInChild([&](const Report& report) {
      const int person = OpenTerminal({STDIN_FILENO, STDERR_FILENO});
      if (write(person, each.typed, std::strlen(each.typed)) < 0) return;
      Confirm({}, "Delete \x1b[2Jx\ny?");
      report("agreed");
    });
    EXPECT_EQ(end.report, each.is_agreed ? "agreed; " : "not confirmed: nothing more was done; ")
        << each.typed;
    EXPECT_EQ(end.status, each.is_agreed ? 0 : kExitFailure) << each.typed;
  }
}

TEST(ConsoleTest, AQuestionIsOneLineOnTheTerminal) {
  const ChildEnd end = RunInChild([](const Report& report) {
    const int person = OpenTerminal({STDIN_FILENO, STDERR_FILENO});
    if (write(person, "y\n", 2) < 0) return;
    Confirm({}, "Delete \x1b[2Jx\ny?");
    char shown[200];
    std::string text;
    while (text.find("[y/N] ") == std::string::npos) {
      const ssize_t count = read(person, shown, sizeof(shown));
      if (count <= 0) return;
      text.append(shown, static_cast<size_t>(count));
    }
    report(text);
  });
  EXPECT_THAT(end.report, HasSubstr("Delete ?[2Jx?y? [y/N] "));
}

// If this fails, Ctrl-C at a question looks like a failure of the command.
TEST(ConsoleTest, AnInterruptedQuestionIsAnInterruption) {
  const ChildEnd end = RunInChild([](const Report& report) {
    OpenTerminal({STDIN_FILENO, STDERR_FILENO});
    CatchInterruptions();
    // The timer replaces the child's own. Its ticks after the first one end a read that began late.
    struct sigaction interrupt {};
    interrupt.sa_handler = [](int) {
      if (!IsInterrupted()) raise(SIGINT);
    };
    sigaction(SIGALRM, &interrupt, nullptr);
    const itimerval ticks{{0, 20'000}, {0, 20'000}};
    setitimer(ITIMER_REAL, &ticks, nullptr);
    Confirm({}, "Delete everything?");
    report("agreed");
  });
  EXPECT_EQ(end.report, "interrupted: nothing more was done; ");
  EXPECT_EQ(end.status, 128 + SIGINT);
}

// If this fails, the log of a service is full of percentages, or a terminal keeps a half line.
TEST(ConsoleTest, ProgressIsForTerminalsAndIsErased) {
  testing::internal::CaptureStderr();
  { ProgressLine("verify").Show(1, 2); }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");

  const ChildEnd end = RunInChild([](const Report& report) {
    const int person = OpenTerminal({STDERR_FILENO});
    {
      ProgressLine progress("verify");
      progress.Show(0, 0);
      progress.Show(7, 0);
      progress.Show(1, 2);
      progress.Show(1, 2);  // shown once
      progress.SetWhat("copy");
      progress.Show(1, 2);
      progress.Show(UINT64_MAX, 2);
    }
    std::fputs("end", stderr);
    std::string text;
    char shown[1000];
    while (!text.ends_with("end")) {
      const ssize_t count = read(person, shown, sizeof(shown));
      if (count <= 0) return;
      text.append(shown, static_cast<size_t>(count));
    }
    report(text);
  });
  const std::string half = " [###############               ]  50 %";
  const std::string whole = " [##############################] 100 %";
  EXPECT_EQ(end.report, "\r\033[Kverify ...\r\033[Kverify: 7\r\033[Kverify" + half +
                            "\r\033[Kcopy" + half + "\r\033[Kcopy" + whole + "\r\033[Kend; ");
}

// If this fails, a script deletes data without a confirmation, or cannot confirm at all.
TEST(ConsoleTest, WithoutATerminalOnlyYesConfirms) {
  AdminArguments arguments;
  try {
    Confirm(arguments, "Delete everything?");
    ADD_FAILURE() << "a script was not asked, and it happened";
  } catch (const Failure& failure) {
    EXPECT_THAT(std::string(failure.what()), HasSubstr("--yes"));
  }
  arguments.switches.insert("yes");
  EXPECT_NO_THROW(Confirm(arguments, "Delete everything?"));
}

// If this fails, the server writes a backup below its own working directory and not the operator's.
TEST(ConsoleTest, PathsAreAbsolute) {
  EXPECT_EQ(AbsolutePath("/srv/data"), "/srv/data");
  EXPECT_EQ(AbsolutePath("data").front(), '/');
  EXPECT_THAT(AbsolutePath("data"), HasSubstr("/data"));
  EXPECT_EQ(AbsolutePath("/srv/../a//b/./c"), "/a/b/c");
  EXPECT_EQ(OutcomeOf([] { AbsolutePath(""); }).status, kExitFailure) << "an unset variable";
}

}  // namespace
}  // namespace tcsync::server
