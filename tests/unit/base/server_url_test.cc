// If these fail, people cannot use the URL that their replicas use, or learn only from a strange
// network error that they mistyped it.
#include "base/server_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tcsync::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// If this fails, a request goes to the wrong host, port or path.
TEST(ServerUrlTest, UrlsAreParsed) {
  struct Case {
    const char* text;
    bool uses_tls;
    const char* host;
    int port;
    const char* base_path;
    const char* host_header;
  };
  for (const Case& expected : {
           Case{"https://sync.example.org", true, "sync.example.org", 443, "", "sync.example.org"},
           Case{"HTTPS://Sync.Example.ORG/", true, "sync.example.org", 443, "", "sync.example.org"},
           Case{"http://127.0.0.1:8080", false, "127.0.0.1", 8080, "", "127.0.0.1:8080"},
           Case{"http://[::1]:8080/a/b//", false, "::1", 8080, "/a/b", "[::1]:8080"},
           Case{"http://host:80/Path%20x", false, "host", 80, "/Path%20x", "host"},
           Case{"https://host:80", true, "host", 80, "", "host:80"},
           Case{"https://[2001:db8::1]", true, "2001:db8::1", 443, "", "[2001:db8::1]"},
       }) {
    SCOPED_TRACE(expected.text);
    const auto url = ParseServerUrl(expected.text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->uses_tls, expected.uses_tls);
    EXPECT_EQ(url->host, expected.host);
    EXPECT_EQ(url->port, expected.port);
    EXPECT_EQ(url->base_path, expected.base_path);
    EXPECT_EQ(url->HostHeader(), expected.host_header);
  }
  EXPECT_TRUE(ParseServerUrl("http://127.0.0.1")->HostIsAddress());
  EXPECT_TRUE(ParseServerUrl("http://[::1]")->HostIsAddress());
  EXPECT_FALSE(ParseServerUrl("http://localhost")->HostIsAddress());
}

// If this fails, a mistyped URL ends in a strange network error.
TEST(ServerUrlTest, TheFaultOfAnInvalidUrlIsNamed) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "does not begin with https://"},
      {"sync.example.org", "does not begin with https://"},
      {"ftp://sync.example.org", "neither https:// nor http://"},
      {"https://", "has no host"},
      {"https://:8080", "has no host"},
      {"https:///path", "has no host"},
      {"https://host:", "port"},
      {"https://host:0", "port"},
      {"https://host:65536", "port"},
      {"https://host:80x", "port"},
      {"https://host:+80", "port"},
      {"https://host?x=1", "'?'"},
      {"https://host/#top", "'#'"},
      {"https://ho st", "spaces"},
      {"https://host\r\nX: y", "control"},
      {"https://b\xc3\xbc"
       "cher.example",
       "non-ASCII"},
      {"https://::1", "neither a name"},
      {"https://[::1", "']'"},
      {"https://[nonsense]", "IPv6"},
      {"https://[::1]x", "after ']'"},
      {"https://ho$t", "neither a name"},
  };
  for (const auto& [text, problem] : cases) {
    SCOPED_TRACE(text);
    const auto url = ParseServerUrl(text);
    ASSERT_FALSE(url.ok());
    EXPECT_THAT(std::string(url.status().message()), HasSubstr(problem));
  }
}

// If this fails, a password in a URL appears in an error and in logs.
TEST(ServerUrlTest, PasswordsAreNotRepeated) {
  for (const char* const text :
       {"https://user:hunter2@host", "hunter2@host", "https://user:hunter2@host/ x"}) {
    const std::string message(ParseServerUrl(text).status().message());
    EXPECT_THAT(message, HasSubstr("'@'"));
    EXPECT_THAT(message, Not(HasSubstr("hunter2")));
  }
  for (const char* const text :
       {"socks5://user:hunter2@host", "http://user:hunter2@host:x", "user:hunter2%@host"}) {
    const auto proxy = ParseProxyUrl(text);
    ASSERT_FALSE(proxy.ok()) << text;
    EXPECT_THAT(std::string(proxy.status().message()), Not(HasSubstr("hunter2")));
  }
}

// If this fails, a proxy with a password or an IPv6 address cannot be used.
TEST(ServerUrlTest, ProxiesAreParsed) {
  const auto proxy = ParseProxyUrl("http://us%40er:p%3Ass@proxy.example:3128/");
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  EXPECT_EQ(proxy->host, "proxy.example");
  EXPECT_EQ(proxy->port, 3128);
  EXPECT_EQ(proxy->authorization, "Basic dXNAZXI6cDpzcw==");  // us@er:p:ss
  EXPECT_EQ(ParseProxyUrl("proxy.example:8080")->HostAndPort(), "proxy.example:8080");
  EXPECT_EQ(ParseProxyUrl("http://[::1]")->HostAndPort(), "[::1]:80");
  EXPECT_EQ(ParseProxyUrl("proxy")->authorization, "");
  EXPECT_THAT(std::string(ParseProxyUrl("socks5://proxy:1080").status().message()),
              HasSubstr("not an HTTP proxy"));
  EXPECT_THAT(std::string(ParseProxyUrl("https://proxy").status().message()),
              HasSubstr("not an HTTP proxy"));
}

// If this fails, a caller that hides a secret of the text cannot, or an option's error does not
// name the option.
TEST(ServerUrlTest, MessagesBeginWithTheCallersSubject) {
  for (const char* const text :
       {"", "sync.example.org", "ftp://host", "https://", "https://host:0", "https://a b",
        "https://[::1", "https://ada:secret@host", "https://host/?key=secret", "https://ho!st"}) {
    const auto url = ParseServerUrl(text, "option public-url: '...'");
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_THAT(std::string(url.status().message()), StartsWith("option public-url: '...' "))
        << text;
    EXPECT_THAT(url.status().message(), Not(HasSubstr("secret"))) << text;
  }
}

}  // namespace
}  // namespace tcsync::base
