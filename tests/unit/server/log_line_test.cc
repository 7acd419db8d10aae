// Log records as JSON. If these fail, log collectors find no fields in them, or lines that do not
// parse.
#include "server/log_line.h"

#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tcsync::server {
namespace {

nlohmann::json Parse(const LogFields& fields, std::string_view message) {
  return nlohmann::json::parse("{" + JsonMembers(fields, message) + "}");
}

TEST(LogLineTest, FieldsBecomeMembersInTheirOrder) {
  EXPECT_EQ(
      JsonMembers({{"status", "429"}, {"reason", "client-rate"}, {"client", "client-1a2b3c4d5e6f"}},
                  "Too many."),
      R"("status":429,"reason":"client-rate","client":"client-1a2b3c4d5e6f","message":"Too many.")");
}

// If this fails, a pseudonym of digits alone is a number in one line and text in the next.
TEST(LogLineTest, TheStatusAloneIsANumber) {
  EXPECT_EQ(Parse({{"version", "123"}}, "x")["version"], "123");
  EXPECT_EQ(Parse({{"status", "429"}}, "x")["status"], 429);
  for (const char* const text : {"none", "", "429abc", " 429", "99999999999999999999", "029"}) {
    EXPECT_EQ(Parse({{"status", text}}, "x")["status"], text);
  }
}

TEST(LogLineTest, NothingIsReadOutOfAMessage) {
  for (const char* message : {"", "stopped", "a=b c=d: e", "status=429 reason=x: y"}) {
    const nlohmann::json object = Parse({}, message);
    EXPECT_EQ(object.size(), 1u) << message;
    EXPECT_EQ(object["message"], message);
  }
}

// If this fails, a message breaks out of its line, or a program that reads the log stops there.
TEST(LogLineTest, EverythingIsEscaped) {
  EXPECT_EQ(Parse({}, "say \"x\\y\"\n\t\x1b")["message"], "say \"x\\y\"\n\t\x1b");
  EXPECT_EQ(JsonMembers({}, "a\nb").find('\n'), std::string::npos);
  EXPECT_EQ(Parse({}, "b\xff")["message"], "b\xef\xbf\xbd");
  EXPECT_EQ(Parse({{"client", "\"x"}}, "y")["client"], "\"x");
  EXPECT_EQ(Parse({{"client", "x\xff"}}, "y")["client"], "x\xef\xbf\xbd");
}

}  // namespace
}  // namespace tcsync::server
