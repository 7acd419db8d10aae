// Which peers are trusted to name a request's source.
#include "access/proxy_networks.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/access/peers.h"

namespace tcsync::access {
namespace {

using ::testing::HasSubstr;

// If this fails, a stranger forges the address that the limits count, or a real proxy is not
// believed.
TEST(ProxyNetworksTest, TrustsItsNetworksOnly) {
  struct Case {
    std::vector<std::string> items;
    std::string peer;
    bool trusted;
  };
  const Case cases[] = {
      {{}, "127.0.0.1", false},
      {{"10.0.0.0/8"}, "10.255.1.2", true},
      {{"10.0.0.0/8"}, "11.0.0.0", false},
      {{"10.1.2.3/8"}, "10.9.9.9", true},
      {{"192.0.2.128/25"}, "192.0.2.127", false},
      {{"192.0.2.128/25"}, "192.0.2.128", true},
      {{"192.0.2.4/31"}, "192.0.2.5", true},
      {{"192.0.2.4/31"}, "192.0.2.6", false},
      {{"192.0.2.7"}, "192.0.2.7", true},
      {{"192.0.2.7"}, "192.0.2.8", false},
      {{"192.0.2.7/32"}, "192.0.2.7", true},
      {{"0.0.0.0/0"}, "8.8.8.8", true},
      {{"0.0.0.0/0"}, "2001:db8::1", false},
      {{"::/0"}, "2001:db8::1", true},
      {{"::/0"}, "8.8.8.8", false},
      {{"fd00::/8"}, "fdff::1", true},
      {{"fd00::/8"}, "fe00::1", false},
      {{"2001:db8::1"}, "2001:db8::1", true},
      {{"2001:db8::1"}, "2001:db8::2", false},
      {{"::ffff:10.0.0.0/104"}, "10.1.1.1", true},
      {{"10.0.0.0/8", "192.0.2.7"}, "192.0.2.7", true},
      {{"unix"}, "unix", true},
      {{"unix"}, "127.0.0.1", false},
      {{"0.0.0.0/0", "::/0"}, "unix", false},
      {{"0.0.0.0/0", "::/0", "unix"}, "unknown", false},
      {{"fly"}, "172.19.0.1", true},
      {{"fly"}, "fdaa:1:2::3", true},
      {{"fly"}, "127.0.0.1", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(TrustedNetworks(c.items).Trusts(PeerNamed(c.peer)), c.trusted)
        << testing::PrintToString(c.items) << " " << c.peer;
  }
}

// If this fails, a mistake in the option is silent, and the limits differ from the operator's
// intent.
TEST(ProxyNetworksTest, MalformedItemsAreNamed) {
  for (const char* item :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/+8", "10.0.0.0/ 8",
        "10.0.0/8", "2001:db8::/129", "fd00::/8/8", "localhost", "proxy.example", "Unix", "/8", "*",
        "10.0.0.0/99999999999999999999", "192.0.2.7:80", "[::1]"}) {
    const auto networks = ProxyNetworks::Parse(std::vector<std::string>{"10.0.0.0/8", item});
    ASSERT_EQ(networks.status().code(), absl::StatusCode::kInvalidArgument) << item;
    EXPECT_THAT(std::string(networks.status().message()), HasSubstr(std::string("'") + item + "'"));
    EXPECT_THAT(std::string(networks.status().message()), HasSubstr("10.0.0.0/8 or"));
  }
}

}  // namespace
}  // namespace tcsync::access
