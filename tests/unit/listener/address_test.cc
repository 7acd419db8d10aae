// Addresses to listen on, as people write them. If these fail, a server listens where nobody meant,
// or the message about a mistake in a unit file does not help.
#include "listener/address.h"

#include <sys/un.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::listener {
namespace {

using ::testing::HasSubstr;

void ExpectTcp(absl::string_view text, absl::string_view host, absl::string_view port) {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(text, "listen");
  ASSERT_TRUE(address.ok()) << address.status();
  ASSERT_TRUE(std::holds_alternative<TcpAddress>(*address)) << text;
  EXPECT_EQ(std::get<TcpAddress>(*address).host, host) << text;
  EXPECT_EQ(std::get<TcpAddress>(*address).port, port) << text;
}

// If this fails, a server cannot listen on IPv4, IPv6 or a name.
TEST(ListenAddressTest, ParsesAHostAndAPort) {
  ExpectTcp("127.0.0.1:8080", "127.0.0.1", "8080");
  ExpectTcp("0.0.0.0:0", "0.0.0.0", "0");
  ExpectTcp("localhost:65535", "localhost", "65535");
  ExpectTcp("[::1]:8080", "::1", "8080");
  ExpectTcp("[::]:80", "::", "80");
  ExpectTcp("[fe80::1%eth0]:80", "fe80::1%eth0", "80");
}

// If this fails, a server behind a proxy of its own machine cannot use a socket file.
TEST(ListenAddressTest, ParsesAUnixPath) {
  for (const std::string& path :
       {std::string("/run/tcsync.sock"), std::string("relative"), std::string("/a:b:80"),
        std::string(sizeof(sockaddr_un::sun_path) - 1, 'x')}) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress("unix:" + path, "listen");
    ASSERT_TRUE(address.ok()) << address.status();
    ASSERT_TRUE(std::holds_alternative<UnixAddress>(*address)) << path;
    EXPECT_EQ(std::get<UnixAddress>(*address).path, path);
  }
}

// If this fails, a mistake in an address is found out late, or reported without the address.
TEST(ListenAddressTest, RefusesOtherTextsByName) {
  for (const std::string& text :
       {std::string(),
        std::string(":"),
        std::string("8080"),
        std::string(":8080"),
        std::string("localhost"),
        std::string("localhost:"),
        std::string("localhost:http"),
        std::string("localhost:65536"),
        std::string("localhost:-1"),
        std::string("localhost:8080x"),
        std::string("localhost:80.5"),
        std::string("::1:8080"),
        std::string("[::1:8080"),
        std::string("::1]:8080"),
        std::string("[::1]8080"),
        std::string("[::1]"),
        std::string("[]:8080"),
        std::string("[::1]x:8080"),
        std::string("http://localhost:8080"),
        std::string("unix:"),
        absl::StrCat("unix:", std::string(sizeof(sockaddr_un::sun_path), 'x'))}) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(text, "listen");
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(address.status().message(), HasSubstr(absl::StrCat("'", text, "'")));
    EXPECT_THAT(address.status().message(), HasSubstr("HOST:PORT")) << "no hint at the right form";
  }
}

}  // namespace
}  // namespace tcsync::listener
