// The commands' output for people. If these fail, an operator misreads a size or a time.
#include "server/administration/console.h"

#include <cstdint>
#include <ctime>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

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
      {uint64_t{1} << 20, "1.0 MiB"},
      {uint64_t{3} << 30, "3.0 GiB"},
  };
  for (const auto& each : cases) EXPECT_EQ(HumanBytes(each.bytes), each.text) << each.bytes;
  EXPECT_THAT(HumanBytes(UINT64_MAX), HasSubstr("iB")) << "the largest has a unit, too";
}

// If this fails, an operator misreads a time by the offset of a time zone.
TEST(ConsoleTest, TimesAreInUtc) {
  EXPECT_EQ(HumanTime(0), "-");
  EXPECT_EQ(HumanTime(1'769'879'109), "2026-01-31 17:05:09 UTC");
  EXPECT_EQ(HumanTime(1), "1970-01-01 00:00:01 UTC");
}

// If this fails, an operator misjudges how long a client has been idle.
TEST(ConsoleTest, AgesAreRounded) {
  const int64_t now = std::time(nullptr);
  EXPECT_EQ(HumanAge(0), "-");
  EXPECT_EQ(HumanAge(now), "now");
  EXPECT_EQ(HumanAge(now - 5 * 60), "5 minutes");
  EXPECT_EQ(HumanAge(now - 3 * 86'400), "3 days");
  // Written with a wrong clock.
  EXPECT_EQ(HumanAge(now + 3600), "now");
}

// If this fails, messages have wrong grammar ("1 clients").
TEST(ConsoleTest, CountsHaveTheirPlural) {
  EXPECT_EQ(Counted(0, "client"), "0 clients");
  EXPECT_EQ(Counted(1, "client"), "1 client");
  EXPECT_EQ(Counted(2, "client"), "2 clients");
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
}

}  // namespace
}  // namespace tcsync::server
