// Flags over environment over defaults. If these fail, a server runs with another setting than its
// operator gave it.
#include "server/configuration.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/environment_check.h"
#include "server/owned_handles.h"
#include "tests/unit/server/child.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// In a child, because the environment belongs to the whole process.
ChildEnd WithVariables(const Settings& variables, const std::function<void(const Report&)>& work) {
  return RunInChild([&](const Report& report) {
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    work(report);
  });
}

TEST(ConfigurationTest, AFlagOverrulesTheVariableWhichOverrulesTheDefault) {
  const struct {
    Settings variables;
    Settings flags;
    const char* text;
  } cases[] = {
      {{}, {}, "info"},
      {{{"TCSYNC_LOG_LEVEL", "debug"}}, {}, "debug"},
      {{{"TCSYNC_LOG_LEVEL", ""}}, {}, "info"},
      {{}, {{"log-level", "error"}}, "error"},
      {{{"TCSYNC_LOG_LEVEL", "debug"}}, {{"log-level", "error"}}, "error"},
      // An overruled variable's faults do not matter.
      {{{"TCSYNC_LOG_LEVEL", "loud"}}, {{"log-level", "error"}}, "error"},
  };
  for (const auto& each : cases) {
    const ChildEnd end = WithVariables(each.variables, [&](const Report& report) {
      const Config config = MakeConfig(each.flags);
      report(EffectiveText(each.flags, "log-level"));
      tcsync_bytes* raw = nullptr;
      Call(tcsync_config_get, config.get(), "log-level", &raw);
      report(tcsync_bytes_data(Bytes(raw).get()));
    });
    EXPECT_EQ(end.report, std::string(each.text) + "; " + each.text + "; ");
    EXPECT_EQ(end.status, 0);
  }
}

TEST(ConfigurationTest, WhatTheLibraryRefusesIsAMistakeOfTheCommandLine) {
  const struct {
    Settings variables;
    Settings flags;
    const char* message;
  } cases[] = {
      {{}, {{"log-level", "loud"}}, "log-level"},
      {{}, {{"log-level", ""}}, "log-level"},
      {{}, {{"no-such-option", "1"}}, "no-such-option"},
      {{}, {{"memory-budget", "99999999999999999999"}}, "memory-budget"},
      {{}, {{"memory-budget", "-1"}}, "memory-budget"},
      {{{"TCSYNC_LOG_LEVEL", "loud"}}, {}, "TCSYNC_LOG_LEVEL"},
      {{{"TCSYNC_LOGLEVEL", "debug"}}, {}, "TCSYNC_LOG_LEVEL is probably meant"},
      {{{"tcsync_log_level", ""}}, {{"log-level", "info"}}, "TCSYNC_LOG_LEVEL is probably meant"},
  };
  for (const auto& each : cases) {
    const ChildEnd end =
        WithVariables(each.variables, [&](const Report&) { MakeConfig(each.flags); });
    EXPECT_EQ(end.status, kExitUsage) << end.report;
    EXPECT_THAT(end.report, HasSubstr(each.message));
  }
}

// If this fails, everyone on the machine can read the password of the database.
TEST(ConfigurationTest, APasswordOnTheCommandLineIsRefusedAndNotRepeated) {
  for (const char* const url :
       {"postgresql://tcsync:SeCreT@db1/tcsync", "postgres://:SeCreT@db1,db2/tcsync",
        "postgresql://db1/tcsync?password=SeCreT", "host=db1 password=SeCreT",
        "host=db1 password = 'SeC reT' user=tcsync", "host=db1 PASSWORD=SeCreT",
        "tcsync:SeCreT@db1"}) {
    const Outcome outcome = OutcomeOf([&] { MakeConfig({{"postgres-url", url}}); });
    EXPECT_EQ(outcome.status, kExitUsage) << url;
    EXPECT_THAT(outcome.message,
                AllOf(HasSubstr("--postgres-url"), HasSubstr("TCSYNC_POSTGRES_URL"),
                      HasSubstr("PGPASSFILE"), Not(HasSubstr("SeC"))));
  }
  for (const char* const url : {"", "postgresql://tcsync@db1:5432,db2:5433/tcsync",
                                "host=db1,db2 user=tcsync dbname=passwords", "service=tcsync"}) {
    EXPECT_EQ(OutcomeOf([&] { MakeConfig({{"postgres-url", url}}); }).message, "") << url;
  }
}

TEST(ConfigurationTest, APasswordInTheEnvironmentIsTakenAndNotShown) {
  const ChildEnd end = WithVariables(
      {{"TCSYNC_POSTGRES_URL", "postgresql://tcsync:SeCreT@db1/tcsync"}}, [](const Report& report) {
        const Config config = MakeConfig({});
        tcsync_bytes* raw = nullptr;
        Call(tcsync_config_get, config.get(), "postgres-url", &raw);
        report(tcsync_bytes_data(Bytes(raw).get()));
      });
  EXPECT_EQ(end.report, "postgresql://tcsync:***@db1/tcsync; ");
  EXPECT_EQ(end.status, 0);
}

TEST(ConfigurationTest, AnOptionThatTheLibraryLacksIsAFailure) {
  const Outcome outcome = OutcomeOf([] { EffectiveText({}, "log-levels"); });
  EXPECT_EQ(outcome.status, kExitFailure);
  EXPECT_EQ(outcome.message, "the library has no option log-levels");
}

// If this fails, another program's variable stops the server, or is not named in the log.
TEST(ConfigurationTest, VariablesOfOtherProgramsAreNamedInTheirOrder) {
  const ChildEnd end = WithVariables({{"TCSYNC_ZEBRA_COUNT", "1"},
                                      {"TCSYNC_APPLE_COUNT", ""},
                                      {"TCSYNC_LIBRARY", "/x.so"},
                                      {"TCSYNC_LOG_LEVEL", "info"},
                                      {"XTCSYNC_LOGLEVEL", "info"}},
                                     [](const Report& report) {
                                       for (const std::string& name : CheckVariables())
                                         report(name);
                                     });
  EXPECT_EQ(end.report, "TCSYNC_APPLE_COUNT; TCSYNC_ZEBRA_COUNT; ");
  EXPECT_THAT(UnknownVariableText("TCSYNC_X"), HasSubstr("TCSYNC_X sets nothing"));
}

}  // namespace
}  // namespace tcsync::server
