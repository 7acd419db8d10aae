// A new user's lines for taskrc. If these fail, a user gets an address that does not work, or lines
// that Taskwarrior reads as something else.
#include "server/credentials.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/owned_handles.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

Outcome Print(const Settings& settings, const std::string& url) {
  CommandLine line;
  line.command = Command::kCredentials;
  line.settings = settings;
  line.url = url;
  testing::internal::CaptureStdout();
  Outcome outcome = OutcomeOf([&] { PrintCredentials(line); });
  outcome.output = testing::internal::GetCapturedStdout();
  return outcome;
}

// The part behind "sync.server.url=".
std::string UrlOf(const std::string& output) {
  constexpr std::string_view kName = "sync.server.url=";
  const size_t begin = output.find(kName) + kName.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

TEST(CredentialsTest, AreThreeLinesAndNewEachTime) {
  const std::string first = Print({}, "https://a.example").output;
  EXPECT_THAT(first, MatchesRegex("sync\\.server\\.url=https://a\\.example\n"
                                  "sync\\.server\\.client_id=[0-9a-f-]+\n"
                                  "sync\\.encryption_secret=[0-9a-f]+\n"));
  EXPECT_NE(Print({}, "https://a.example").output, first);
}

TEST(CredentialsTest, TheAddressIsTheFirstThatThisComputerCanReach) {
  const struct {
    Settings settings;
    const char* url;
  } cases[] = {
      {{}, "http://127.0.0.1:8080"},
      {{{"listen", "0.0.0.0:80"}}, "http://localhost:80"},
      {{{"listen", "[::]:80"}}, "http://localhost:80"},
      {{{"listen", "[::1]:80"}}, "http://[::1]:80"},
      {{{"listen", "unix:/run/x,127.0.0.1:0, b.example:81 ,c.example:82"}}, "http://b.example:81"},
      {{{"listen", "127.0.0.1:0"}}, "URL"},
      {{{"listen", "unix:/run/x"}}, "URL"},
      {{{"base-path", "/tasks"}}, "http://127.0.0.1:8080/tasks/"},
      {{{"base-path", "/tasks/"}}, "http://127.0.0.1:8080/tasks/"},
      {{{"tls-cert", "/x.pem"}, {"tls-key", "/y.pem"}}, "https://127.0.0.1:8080"},
  };
  for (const auto& each : cases) {
    const Outcome outcome = Print(each.settings, "");
    EXPECT_EQ(outcome.message, "");
    EXPECT_EQ(UrlOf(outcome.output), each.url) << testing::PrintToString(each.settings);
  }
}

// Otherwise Taskwarrior 3.1 to 3.4 ask the wrong path, without the token of an invite.
TEST(CredentialsTest, APathEndsWithASlash) {
  const struct {
    const char* url;
    const char* printed;
  } cases[] = {
      {"https://a.example/i/0123", "https://a.example/i/0123/"},
      {"https://a.example/i/0123/", "https://a.example/i/0123/"},
      {"https://a.example", "https://a.example"},
      {"https://a.example:8443/tasks?x=y", "https://a.example:8443/tasks/?x=y"},
  };
  for (const auto& each : cases) EXPECT_EQ(UrlOf(Print({}, each.url).output), each.printed);
}

TEST(CredentialsTest, AUrlIsOneThatTaskwarriorCanUse) {
  for (const char* const url : {"http://a", "https://a.example/", "https://[::1]:8443/tasks/?x=y",
                                "https://b\u00fccher.example", "https://a?x=/y"}) {
    EXPECT_EQ(UrlOf(Print({}, url).output), url);
  }
  for (const char* const url :
       {"a.example", "ftp://a", "https://", "https:///path", "http://", "https:/a", "https://a b",
        "https://a\nsync.encryption_secret=x", "https://a\tb", "https://a\x1b[2J", "https://a\x7f",
        "https://a/#part", " https://a"}) {
    const Outcome outcome = Print({}, url);
    EXPECT_EQ(outcome.status, kExitUsage) << url;
    EXPECT_THAT(outcome.message, HasSubstr("is not a URL")) << url;
    EXPECT_EQ(outcome.output, "") << "nothing is printed for a script to use";
  }
}

// If this fails, a mistake shows at the server's start only, after the lines were handed out.
TEST(CredentialsTest, AMistakeInTheServersOptionsShowsHere) {
  const Outcome outcome = Print({{"log-level", "loud"}}, "https://a.example");
  EXPECT_EQ(outcome.status, kExitUsage);
  EXPECT_EQ(outcome.output, "");
}

}  // namespace
}  // namespace tcsync::server
