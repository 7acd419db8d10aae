#include "tcsync/peer_address.h"

#include <gtest/gtest.h>

namespace tcsync::base {
namespace {

// If this fails, an address in the log is not the one that an operator can look up or block.
TEST(PeerAddressTest, AddressesRoundTrip) {
  for (const char* text : {"192.0.2.7", "0.0.0.0", "2001:db8::7", "::1"}) {
    const std::optional<PeerAddress> address = PeerAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToString(), text);
    EXPECT_EQ(address->kind(), PeerAddress::Kind::kIp);
  }
  EXPECT_EQ(PeerAddress().ToString(), "unknown");
  EXPECT_EQ(PeerAddress::Local().ToString(), "unix");
}

// If this fails, one source counts as two, once for each way of writing its address.
TEST(PeerAddressTest, AMappedIpv4AddressIsAnIpv4Address) {
  EXPECT_EQ(PeerAddress::Parse("192.0.2.7"), PeerAddress::Parse("::ffff:192.0.2.7"));
  EXPECT_EQ(PeerAddress::Parse("192.0.2.7"), PeerAddress::FromIpv4({192, 0, 2, 7}));
  EXPECT_TRUE(PeerAddress::Parse("::ffff:192.0.2.7")->IsIpv4());
  EXPECT_FALSE(PeerAddress::Parse("::1")->IsIpv4());
  EXPECT_NE(PeerAddress::Local(), PeerAddress());
}

// If this fails, a stranger's text in a header counts as an address.
TEST(PeerAddressTest, OtherTextsAreNotAddresses) {
  for (const absl::string_view text :
       {absl::string_view(""), absl::string_view("192.0.2"), absl::string_view("192.0.2.7:80"),
        absl::string_view("[::1]"), absl::string_view("::1%lo"), absl::string_view("localhost"),
        absl::string_view("192.0.2.7\0x", 11), absl::string_view(" 192.0.2.7")}) {
    EXPECT_FALSE(PeerAddress::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tcsync::base
