// If these fail, people behind a proxy cannot sync, or traffic for the inner network goes through
// it.
#include "remote/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "environment.h"

namespace tcsync::remote {
namespace {

using ::testing::HasSubstr;

// If this fails, a server in the inner network cannot be reached, because its traffic goes to the
// proxy.
TEST(ProxyTest, ExceptionsAreHonoured) {
  struct Case {
    const char* no_proxy;
    const char* host;
    bool is_exempt;
  };
  for (const Case& expected : {
           Case{"", "host", false},
           Case{"*", "host", true},
           Case{"example.org", "example.org", true},
           Case{"example.org", "sync.example.org", true},
           Case{".example.org", "sync.example.org", true},
           Case{".example.org", "example.org", true},
           Case{"Example.ORG", "sync.example.org", true},
           Case{"example.org", "notexample.org", false},
           Case{"example.org", "example.org.evil", false},
           Case{"a, b , c", "b", true},
           Case{"a b", "b", true},
           Case{"localhost,127.0.0.1", "127.0.0.1", true},
           Case{"127.0.0.1", "127.0.0.11", false},
           Case{"0.0.1", "127.0.0.1", false},
           Case{"10.0.0.0/8", "10.1.2.3", true},
           Case{"10.0.0.0/8", "11.1.2.3", false},
           Case{"10.1.2.3/8", "10.9.9.9", true},
           Case{"10.0.0.0/99", "10.1.2.3", false},
           Case{"10.0.0.0/8", "host", false},
           Case{"::1", "::1", true},
           Case{"[::1]", "::1", true},
           Case{"2001:db8::/32", "2001:db8::7", true},
           Case{"2001:db8::/32", "10.1.2.3", false},
           Case{"host:443", "host", true},
           Case{"host:444", "host", false},
           Case{"[::1]:443", "::1", true},
           Case{"[::1]:444", "::1", false},
           Case{".", "host", false},
       }) {
    EXPECT_EQ(IsExemptFromProxy(expected.no_proxy, expected.host, 443), expected.is_exempt)
        << expected.no_proxy << " for " << expected.host;
  }
}

std::string ProxyFor(const char* url) {
  const auto proxy = ProxyFromEnvironment(base::ParseServerUrl(url).value());
  if (!proxy.ok()) return std::string(proxy.status().message());
  return *proxy ? (*proxy)->HostAndPort() : "none";
}

// If this fails, a computer's proxy is ignored, or a stranger names one in a CGI program's request.
TEST(ProxyTest, TheEnvironmentIsRead) {
  const CleanProxyEnvironment clean;
  EXPECT_EQ(ProxyFor("https://host"), "none");
  const Variable upper("HTTPS_PROXY", "http://upper:1");
  EXPECT_EQ(ProxyFor("https://host"), "upper:1");
  EXPECT_EQ(ProxyFor("http://host"), "none");
  const Variable lower("https_proxy", "http://lower:2");
  EXPECT_EQ(ProxyFor("https://host"), "lower:2");
  // In a CGI program, HTTP_PROXY is the value of a request's header "Proxy".
  const Variable cgi("HTTP_PROXY", "http://evil:3");
  EXPECT_EQ(ProxyFor("http://host"), "none");
  const Variable plain("http_proxy", "http://plain:4");
  EXPECT_EQ(ProxyFor("http://host"), "plain:4");
  const Variable except("NO_PROXY", "host");
  EXPECT_EQ(ProxyFor("https://host"), "none");
  EXPECT_EQ(ProxyFor("https://other"), "lower:2");
  const Variable except_lower("no_proxy", "other");
  EXPECT_EQ(ProxyFor("https://other"), "none");
  EXPECT_EQ(ProxyFor("https://host"), "lower:2");
}

// If this fails, a person does not learn which variable has a wrong proxy.
TEST(ProxyTest, InvalidVariablesAreNamed) {
  const CleanProxyEnvironment clean;
  const Variable wrong("https_proxy", "socks5://proxy:1080");
  EXPECT_THAT(ProxyFor("https://host"), HasSubstr("https_proxy"));
  const Variable empty("https_proxy", "");
  EXPECT_EQ(ProxyFor("https://host"), "none");
}

}  // namespace
}  // namespace tcsync::remote
