// The source of a request. If these fail, a stranger chooses the address to which the limits apply,
// or all clients behind a proxy share one limit.
#include "http/forwarded_fields.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/access/peers.h"

namespace tcsync::http {
namespace {

using Fields = std::vector<HeaderView>;

class SourceTest : public testing::Test {
 protected:
  // Behind Caddy at 192.0.2.1 and another proxy in 10.0.0.0/8.
  std::string SourceOf(absl::string_view peer, const Fields& fields) const {
    return networks_.SourceOf(access::PeerNamed(peer), ForwardedFieldsOf(fields)).ToString();
  }
  const access::ProxyNetworks networks_ =
      access::TrustedNetworks({"192.0.2.1", "10.0.0.0/8", "unix"});
};

// If this fails, any client escapes the limits by a header.
TEST_F(SourceTest, ForwardedFieldsOfUntrustedPeersAreIgnored) {
  const Fields fields = {{"X-Forwarded-For", "203.0.113.9"}, {"Fly-Client-IP", "203.0.113.9"}};
  EXPECT_EQ(SourceOf("198.51.100.4", fields), "198.51.100.4");
  EXPECT_EQ(SourceOf("unknown", fields), "unknown");
  EXPECT_EQ(access::ProxyNetworks()
                .SourceOf(access::PeerNamed("unix"), ForwardedFieldsOf(fields))
                .ToString(),
            "unix");
}

// If this fails, a stranger writes a field and is limited as another address.
TEST_F(SourceTest, IsTheRightmostAddressThatIsNotATrustedProxy) {
  const auto source = [this](absl::string_view forwarded) {
    return SourceOf("192.0.2.1", {{"X-Forwarded-For", forwarded}});
  };
  EXPECT_EQ(source("203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(source("198.51.100.4, 203.0.113.9"), "203.0.113.9") << "the client wrote the first";
  EXPECT_EQ(source("198.51.100.4, 203.0.113.9, 10.1.1.1"), "203.0.113.9");
  EXPECT_EQ(source("203.0.113.9,10.1.1.1,10.2.2.2"), "203.0.113.9");
  EXPECT_EQ(source("10.1.1.1, 10.2.2.2"), "192.0.2.1") << "no more than proxies";
  EXPECT_EQ(source("garbage, 203.0.113.9"), "203.0.113.9") << "the part further left is not read";
}

// If this fails, a stranger's own field before the proxy's counts as the source.
TEST_F(SourceTest, SeveralFieldsAreOneList) {
  EXPECT_EQ(SourceOf("192.0.2.1", {{"X-Forwarded-For", "198.51.100.4"},
                                   {"Host", "x"},
                                   {"x-forwarded-for", "203.0.113.9, 10.1.1.1"}}),
            "203.0.113.9");
  EXPECT_EQ(
      SourceOf("192.0.2.1", {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-For", "10.1.1.1"}}),
      "203.0.113.9");
}

// If this fails, all users behind a proxy that adds ports or brackets share one limit.
TEST_F(SourceTest, AddressesMayHavePortsAndBrackets) {
  const auto source = [this](absl::string_view forwarded) {
    return SourceOf("unix", {{"X-Forwarded-For", forwarded}});
  };
  EXPECT_EQ(source(" 203.0.113.9 \t"), "203.0.113.9");
  EXPECT_EQ(source("203.0.113.9:4711"), "203.0.113.9");
  EXPECT_EQ(source("2001:db8::7"), "2001:db8::7");
  EXPECT_EQ(source("[2001:db8::7]"), "2001:db8::7");
  EXPECT_EQ(source("[2001:db8::7]:4711"), "2001:db8::7");
  EXPECT_EQ(source("::ffff:203.0.113.9"), "203.0.113.9") << "one address has two buckets";
  EXPECT_EQ(source("203.0.113.9,, ,"), "203.0.113.9");
}

// If this fails, a client whose proxy passes on malformed fields gets a bucket of its own, or
// crashes the server.
TEST_F(SourceTest, IsTheProxyWhenItsFieldIsMalformed) {
  for (const char* forwarded : {"",
                                " ",
                                ",",
                                ",,,",
                                "unknown",
                                "_hidden",
                                "203.0.113",
                                "203.0.113.9:",
                                "203.0.113.9:x",
                                "203.0.113.9:123456",
                                "203.0.113.9 4711",
                                "[2001:db8::7",
                                "[2001:db8::7]4711",
                                "[]",
                                "[",
                                "2001:db8::7%eth0",
                                "203.0.113.9;",
                                "\"203.0.113.9\"",
                                "198.51.100.4, nonsense",
                                "198.51.100.4, nonsense, 10.1.1.1"}) {
    EXPECT_EQ(SourceOf("192.0.2.1", {{"X-Forwarded-For", forwarded}}), "192.0.2.1") << forwarded;
  }
  const std::string with_nul("203.0.113.9\0", 12);
  EXPECT_EQ(SourceOf("192.0.2.1", {{"X-Forwarded-For", with_nul}}), "192.0.2.1");
  EXPECT_EQ(SourceOf("192.0.2.1", {}), "192.0.2.1");
  EXPECT_EQ(SourceOf("unix", {}), "unix");
}

// If this fails, clients behind any other proxy are believed when they write Fly's header.
TEST_F(SourceTest, FlyClientIpIsTrustedOnFlyOnly) {
  EXPECT_EQ(SourceOf("192.0.2.1",
                     {{"Fly-Client-IP", "198.51.100.4"}, {"X-Forwarded-For", "203.0.113.9"}}),
            "203.0.113.9");
  EXPECT_EQ(SourceOf("192.0.2.1", {{"Fly-Client-IP", "198.51.100.4"}}), "192.0.2.1");

  const access::ProxyNetworks fly = access::TrustedNetworks({"fly"});
  const auto source = [&fly](const Fields& fields) {
    return fly.SourceOf(access::PeerNamed("172.19.0.1"), ForwardedFieldsOf(fields)).ToString();
  };
  EXPECT_EQ(
      source({{"X-Forwarded-For", "203.0.113.9, 66.241.0.1"}, {"fly-client-ip", "198.51.100.4"}}),
      "198.51.100.4");
  EXPECT_EQ(source({{"Fly-Client-IP", "nonsense"}, {"X-Forwarded-For", "203.0.113.9"}}),
            "172.19.0.1");
  EXPECT_EQ(source({{"X-Forwarded-For", "203.0.113.9"}}), "203.0.113.9");
  EXPECT_EQ(fly.SourceOf(access::PeerNamed("203.0.113.1"),
                         ForwardedFieldsOf(Fields{{"Fly-Client-IP", "198.51.100.4"}}))
                .ToString(),
            "203.0.113.1");
}

}  // namespace
}  // namespace tcsync::http
