// Connection strings of PostgreSQL in listings and errors. If these fail, the password of the
// database is shown to every reader of a listing, or an operator's mistake is not.
#include "base/connection_string.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConnectionStringTest, TextWithoutAPasswordIsShownUnchanged) {
  for (const absl::string_view text : {
           "",
           "postgresql://",
           "postgres:///tcsync",
           "postgresql://tcsync@db1/tcsync",
           "postgresql://tcsync@db1:5432,db2:5433,[2001:db8::1]:5434,[::1]/tcsync",
           "postgresql://db1:5432,db2/tcsync?target_session_attrs=read-write&connect_timeout=2",
           "postgresql://%2Fvar%2Frun%2Fpostgresql/tcsync?user=a%40b",
           "postgresql://tcsync:@db1/tcsync",
           "postgresql://db1?passfile=",
           "host=db1,db2 port=5432,5433 user=tcsync dbname=tcsync",
           " host = db1   dbname = 'a b\\'c'\t",
           "service=tcsync",
           "password= ",
           "password='' host=db1",
           "host=/tmp user=passwords",
       }) {
    EXPECT_EQ(WithoutPassword(text), text);
  }
}

TEST(ConnectionStringTest, PasswordsAreReplaced) {
  const struct {
    const char* text;
    const char* shown;
  } cases[] = {
      {"postgresql://tcsync:SeCreT@db1/tcsync", "postgresql://tcsync:***@db1/tcsync"},
      {"postgres://tcsync:SeCreT@db1:5432,db2:5433/tcsync?sslmode=require",
       "postgres://tcsync:***@db1:5432,db2:5433/tcsync?sslmode=require"},
      {"postgresql://:SeCreT@db1", "postgresql://:***@db1"},
      {"postgresql://tcsync:SeCreT@", "postgresql://tcsync:***@"},
      {"postgresql://tcsync:SeCreT@[::1]:5432/x", "postgresql://tcsync:***@[::1]:5432/x"},
      {"postgresql://tcsync:a:SeCreT@db1/x", "postgresql://tcsync:***@db1/x"},
      {"postgresql://tcsync:a%40SeCreT%2F%zz@db1/x", "postgresql://tcsync:***@db1/x"},
      {"postgresql://tcsync:a?SeCreT&b=c#d@db1/x", "postgresql://tcsync:***@db1/x"},
      {"postgresql://tcsync:a@SeCreT@db1/x", "postgresql://tcsync:***@db1/x"},
      {"postgresql://tcsync@SeCreT:a@db1/x", "postgresql://tcsync@SeCreT:***@db1/x"},
      {"postgresql://db1/x?password=SeCreT", "postgresql://db1/x?password=***"},
      {"postgresql://db1/x?user=a&password=SeCreT&host=b",
       "postgresql://db1/x?user=a&password=***&host=b"},
      {"postgresql://db1?pass%77ord=SeCreT", "postgresql://db1?pass%77ord=***"},
      {"postgresql://db1?%70assword=SeC%72eT", "postgresql://db1?%70assword=***"},
      {"postgresql://db1?sslpassword=SeCreT", "postgresql://db1?sslpassword=***"},
      {"postgresql://a:SeCreT@db1?password=SeCreT", "postgresql://a:***@db1?password=***"},
      {"host=db1 password=SeCreT", "host=db1 password=***"},
      {"password=SeCreT host=db1 sslpassword=SeCreT", "password=*** host=db1 sslpassword=***"},
      {"password = SeCreT", "password = ***"},
      {"password\t=\nSeCreT\nhost=db1", "password\t=\n***\nhost=db1"},
      {"password='SeCreT' host=db1", "password=*** host=db1"},
      {"password='a b\\' SeCreT' host=db1", "password=*** host=db1"},
      {"password=a\\ SeCreT host=db1", "password=*** host=db1"},
      {"password=a'SeCreT host=db1", "password=*** host=db1"},
      {"password=\\'SeCreT host=db1", "password=*** host=db1"},
      {"password=a=SeCreT", "password=***"},
      {"password=SeCreT\\", "password=***"},
      {"PASSWORD=SeCreT", "PASSWORD=***"},
      {"Password='SeCreT'", "Password=***"},
      {"passwordx=SeCreT", "passwordx=***"},
      {"passwd=SeCreT", "passwd=***"},
      {"oauth_client_secret=SeCreT", "oauth_client_secret=***"},
      {"scram_client_key=SeCreT", "scram_client_key=***"},
      {"password=a port=1 password=SeCreT", "password=*** port=1 password=***"},
  };
  for (const auto& each : cases) EXPECT_EQ(WithoutPassword(each.text), each.shown) << each.text;
}

// Of such a text nobody can tell where the password ends.
TEST(ConnectionStringTest, NothingIsShownOfTextThatLibpqTakesForSomethingElse) {
  for (const absl::string_view text : {
           "SeCreT",
           "tcsync:SeCreT@db1/tcsync",
           "POSTGRESQL://tcsync:SeCreT@db1/tcsync",
           "http://tcsync:SeCreT@db1/tcsync",
           "postgresql:/tcsync:SeCreT@db1",
           " postgresql://tcsync:SeCreT@db1",
           "postgresql://tcsync:a/SeCreT@db1/x",
           "postgresql://tcsync:1/SeCreT@db1/x",
           "postgresql://tcsync:a@b/SeCreT@db1/x",
           "postgresql://tcsync:a@b?SeCreT@db1/x",
           "postgresql://tcsync:SeCreT",
           "postgresql://[SeCreT",
           "postgresql://[::1]SeCreT",
           "postgresql://db1?SeCreT",
           "postgresql://db1?a=b=SeCreT",
           "postgresql://db1?a=b&",
           "postgresql://db1?%zz=SeCreT",
           "postgresql://db1?a%00=SeCreT",
           "postgresql://db1?a=%SeCreT",
           "postgresql://db1?dbname=postgres://a:SeCreT@b",
           "postgresql://db1?dbname=postgres%3A%2F%2Fa:SeCreT%40b",
           "dbname=postgresql://tcsync:SeCreT@db1/x",
           "password=a SeCreT",
           "password=a SeCreT host=db1",
           "password='SeCreT",
           "password='a'SeCreT",
           "password='a\\'SeCreT",
           "pass word=SeCreT",
           "host=db1;password=SeCreT password",
           "password:SeCreT",
           "pass\"word\"=SeCreT",
           "=SeCreT",
           "host=db1;password=SeCreT",
           "host=db1,PASSWORD=SeCreT",
       }) {
    EXPECT_EQ(WithoutPassword(text), "***") << text;
  }
}

// If this fails, an option's text that was read back and set again is another one.
TEST(ConnectionStringTest, AShownTextIsShownUnchanged) {
  for (const absl::string_view text :
       {"postgresql://a:SeCreT@db1?password=SeCreT", "password='SeCreT' host=db1", "SeCreT"}) {
    const std::string shown = WithoutPassword(text);
    EXPECT_EQ(WithoutPassword(shown), shown);
    EXPECT_THAT(shown, Not(HasSubstr("SeCreT")));
  }
}

}  // namespace
}  // namespace tcsync::base
