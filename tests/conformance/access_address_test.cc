// Limits by source address, over sockets: these tests come from 127.0.0.1. If they fail, one
// machine can block a public server for all others, or a proxy's users share one limit.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

Options With(const std::vector<std::pair<std::string, std::string>>& settings) {
  Options options = OptionsFor("memory");
  for (const auto& [name, value] : settings) {
    EXPECT_TRUE(SetOption(name, value, options).ok()) << name;
  }
  return options;
}

HttpRequest From(absl::string_view forwarded_for, HttpRequest request) {
  request.headers.emplace_back("X-Forwarded-For", std::string(forwarded_for));
  return request;
}

HttpRequest NewClient() { return AddVersionRequest(RandomId(), kNil); }

// If this fails, a script fills the disk with clients, or keeps its neighbours' clients from
// syncing.
TEST(AccessAddressTest, NewClientsOfOneAddressAreLimitedAndOthersAreNot) {
  constexpr int kLimit = 5;
  constexpr int kThreads = 16;
  const TestServer server(With({{"new-clients-per-address-day", absl::StrCat(kLimit)}}));
  Replica early(server);
  std::string latest = early.Append(kNil);
  std::atomic<int> created{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const HttpResponse response = server.Connect().Exchange(NewClient());
      created += response.status == 200 ? 1 : 0;
      refused += response.status == 429 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, kLimit - 1);
  EXPECT_EQ(refused, kThreads - created);

  HttpClient client = server.Connect();
  const HttpResponse response = client.Exchange(NewClient());
  ExpectError(response, 429);
  int seconds = 0;
  EXPECT_TRUE(absl::SimpleAtoi(response.Header("Retry-After"), &seconds)) << response;
  EXPECT_GT(seconds, 60) << "a script that obeys comes back too soon";
  latest = early.Append(latest);
  EXPECT_THAT(server.log().Messages(LogLevel::kWarning),
              Contains(AllOf(HasSubstr("reason=new-clients"), HasSubstr("source=127.0.0.1: "))));
}

// If this fails, one machine gets all capacity by using many client IDs.
TEST(AccessAddressTest, AnAddressBeyondItsRateGets429) {
  const TestServer server(
      With({{"address-requests-per-second", "1"}, {"address-requests-burst", "3"}}));
  HttpClient client = server.Connect();
  HttpResponse response;
  for (int i = 0; i < 1000 && response.status != 429; ++i) {
    response = client.Exchange(GetSnapshotRequest(RandomId()));
  }
  ExpectError(response, 429);
  EXPECT_TRUE(response.Has("Retry-After")) << response;
  EXPECT_EQ(client.Exchange({.target = "/", .headers = {}, .body = {}}).status, 429)
      << "the page for people is a way around the rate";
}

// If this fails, strangers choose their source address.
TEST(AccessAddressTest, WithoutATrustedProxyForwardedAddressesAreIgnored) {
  const TestServer server(With({{"new-clients-per-address-day", "1"}}));
  HttpClient client = server.Connect();
  EXPECT_EQ(client.Exchange(From("203.0.113.1", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(From("203.0.113.2", NewClient())).status, 429);
}

// If this fails, all users behind the server's own proxy share one limit.
TEST(AccessAddressTest, BehindATrustedProxyEachSourceHasItsOwnLimit) {
  const TestServer server(
      With({{"new-clients-per-address-day", "1"}, {"trusted-proxy", "127.0.0.0/8"}}));
  HttpClient client = server.Connect();
  EXPECT_EQ(client.Exchange(From("203.0.113.1", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(From("203.0.113.2", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(From("198.51.100.7, 203.0.113.1", NewClient())).status, 429)
      << "the client's own field was trusted";
  EXPECT_EQ(client.Exchange(From("2001:db8::1", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(From("2001:db8::2", NewClient())).status, 429) << "one /64 is one";
}

// If this fails, a server behind a proxy on a Unix socket cannot tell its users apart.
TEST(AccessAddressTest, AProxyOnAUnixSocketCanBeTrusted) {
  const TempDirectory directory;
  Options options = With({{"new-clients-per-address-day", "1"}, {"trusted-proxy", "unix"}});
  options.listen = {absl::StrCat("unix:", directory.path(), "/s")};
  const TestServer server(options);
  HttpClient client = server.Connect();
  EXPECT_EQ(client.Exchange(From("203.0.113.1", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(From("203.0.113.1", NewClient())).status, 429);
  EXPECT_EQ(client.Exchange(From("203.0.113.2", NewClient())).status, 200);
  EXPECT_EQ(client.Exchange(NewClient()).status, 200) << "the proxy itself has no limit";
  EXPECT_EQ(client.Exchange(NewClient()).status, 200);
}

}  // namespace
}  // namespace tcsync::conformance
