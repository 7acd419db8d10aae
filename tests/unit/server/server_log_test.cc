// The server's own lines in its log. If these fail, a path forges a line, a collector of logs finds
// no JSON, or the log is louder than its option.
#include "server/server_log.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tcsync::server {
namespace {

using ::testing::EndsWith;
using ::testing::MatchesRegex;

std::string Logged(const char* level, const char* format, const std::string& message) {
  testing::internal::CaptureStderr();
  ServerLog log(level, format);
  log.Info(message);
  log.LeaveEngineLevel();  // changes nothing about the server's own lines
  log.Warn(message);
  return testing::internal::GetCapturedStderr();
}

TEST(ServerLogTest, AMessageIsOneLineOfText) {
  EXPECT_THAT(Logged("warning", "text", "at {} %v\n2026-01-01 info: forged\x1b[2J\u202e\xff"),
              MatchesRegex("20[0-9T:.-]+Z warning: at \\{\\} %v.2026-01-01 info: "
                           "forged.\\[2J..\n"));
}

TEST(ServerLogTest, AMessageIsOneLineOfJson) {
  const std::string line = Logged("warning", "json", "a\nb \"c\" {}");
  ASSERT_THAT(line, EndsWith("\n"));
  const nlohmann::json record = nlohmann::json::parse(line);
  EXPECT_EQ(record.at("message"), "a\nb \"c\" {}");
  EXPECT_EQ(record.at("level"), "warning");
}

TEST(ServerLogTest, TheLevelOfTheOptionIsTheLeast) {
  const struct {
    const char* level;
    int lines;
  } cases[] = {{"debug", 2}, {"info", 2}, {"warning", 1}, {"error", 0}};
  for (const auto& each : cases) {
    const std::string text = Logged(each.level, "text", "x");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), each.lines) << each.level;
  }
}

}  // namespace
}  // namespace tcsync::server
