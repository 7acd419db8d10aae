// Messages as JSON. If these fail, whoever collects logs finds no fields in them, or lines that do
// not parse.
#include "server/log_line.h"

#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tcsync::server {
namespace {

nlohmann::json Parse(std::string_view message) {
  return nlohmann::json::parse("{" + JsonMembers(message) + "}");
}

TEST(LogLineTest, FieldsBecomeMembers) {
  EXPECT_EQ(
      JsonMembers("status=429 reason=client-rate client=client-1a2b3c4d5e6f: Too many."),
      R"("status":429,"reason":"client-rate","client":"client-1a2b3c4d5e6f","message":"Too many.")");
  EXPECT_EQ(Parse("source=2001:db8:1:2::/64: Too many: wait.")["source"], "2001:db8:1:2::/64");
  EXPECT_EQ(Parse("source=2001:db8:1:2::/64: Too many: wait.")["message"], "Too many: wait.");
  EXPECT_EQ(Parse("version=0123abcd-ef45-4678-9abc-def001020304: OK")["version"],
            "0123abcd-ef45-4678-9abc-def001020304");
  EXPECT_EQ(Parse("snapshot_number=99999999999999999999: big")["snapshot_number"],
            "99999999999999999999");
}

TEST(LogLineTest, AnythingElseIsTheMessage) {
  for (const char* message :
       {"", "stopped", "listening on http://127.0.0.1:8080", "a=b", "a=b c", "a=b c d: e", "=b: c",
        "Option=x: y", "a b=c: d", "cannot open 'x=y': z", ": x", "status=429 Too many",
        "a=b  c=d: e"}) {
    const nlohmann::json object = Parse(message);
    EXPECT_EQ(object.size(), 1u) << message;
    EXPECT_EQ(object["message"], message);
  }
}

// If this fails, a message breaks out of its line, or a program that reads the log stops there.
TEST(LogLineTest, EverythingIsEscaped) {
  EXPECT_EQ(Parse("say \"x\\y\"\n\t\x1b")["message"], "say \"x\\y\"\n\t\x1b");
  EXPECT_EQ(JsonMembers("a\nb").find('\n'), std::string::npos);
  EXPECT_EQ(Parse("b\xff")["message"], "b\xef\xbf\xbd");
  EXPECT_EQ(Parse("client=\"x: y")["client"], "\"x");
}

}  // namespace
}  // namespace tcsync::server
