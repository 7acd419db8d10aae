// The end of a connection whose client still sends: it can send the rest and then read the answer.
// If one of these fails, that client gets a reset instead of the reason of its refusal.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

using base::kRequestsPerTurn;
const absl::Duration kLingerQuiet = absl::FromChrono(base::kLingerQuiet);

// More than the kernel keeps for both ends.
constexpr size_t kRestBytes = size_t{16} << 20;

constexpr uint64_t kBodyBytesMax = 1'000'000;

struct Ending {
  const char* name;
  std::string request;  // and the first bytes of what follows it
  int status;
};

std::vector<Ending> Endings() {
  const std::string first(1000, 'x');
  HttpRequest sized = AddVersionRequest(RandomId(), kNil, "");
  sized.headers.emplace_back("Content-Length", absl::StrCat(kRestBytes));
  HttpRequest chunked = AddVersionRequest(RandomId(), kNil, "");
  chunked.headers.emplace_back("Transfer-Encoding", "chunked");
  HttpRequest closing;
  closing.headers.emplace_back("Connection", "close");
  HttpRequest unknown = {"POST", "/nothing", {{"Content-Length", absl::StrCat(kRestBytes)}}, ""};
  return {
      {"a body over the limit", sized.Serialize() + first, 413},
      {"a chunk over the limit",
       chunked.Serialize() + "1000000\r\n" + std::string(kBodyBytesMax + 1, 'x'), 413},
      {"a malformed chunk", chunked.Serialize() + "none\r\n" + first, 400},
      {"a malformed head", "GET\r\n\r\n" + first, 400},
      {"a body for no endpoint", unknown.Serialize() + first, 404},
      {"a request that is to be the last", closing.Serialize() + first, 200},
  };
}

Options WithSmallBodies() {
  Options options = OptionsFor("memory");
  options.body_bytes_max = kBodyBytesMax;
  return options;
}

TEST(LingeringTest, TheRestIsReceivedAfterTheAnswer) {
  TestServer server(WithSmallBodies());
  for (const Ending& ending : Endings()) {
    // Among them, the number of requests after which others have their turn.
    for (const int before : {0, 1, kRequestsPerTurn - 1, kRequestsPerTurn}) {
      SCOPED_TRACE(absl::StrCat(ending.name, ", after ", before, " requests"));
      HttpClient client = server.Connect();
      std::string pipeline;
      for (int i = 0; i < before; ++i) pipeline += HttpRequest().Serialize();
      ASSERT_TRUE(client.Send(pipeline + ending.request));
      for (int i = 0; i < before; ++i) EXPECT_EQ(client.ReadResponse().status, 200);
      EXPECT_EQ(client.ReadResponse().status, ending.status);
      const absl::Time begin = absl::Now();
      EXPECT_TRUE(client.SendBlindly(std::string(kRestBytes, 'x')))
          << "reset after " << absl::Now() - begin;
    }
  }
}

TEST(LingeringTest, TheRestMayBeSlow) {
  TestServer server(WithSmallBodies());
  HttpClient client = server.Connect();
  ASSERT_TRUE(client.Send(Endings().front().request));
  const absl::Time begin = absl::Now();
  while (absl::Now() - begin < 2.5 * kLingerQuiet) {
    ASSERT_TRUE(client.SendBlindly(std::string(1000, 'x'))) << absl::Now() - begin;
    absl::SleepFor(kLingerQuiet / 10);
  }
  EXPECT_EQ(client.ReadResponse().status, 413);
}

// If this fails, clients that were turned away hold connections for as long as they like.
TEST(LingeringTest, OnlyAServedClientMayBeSlow) {
  Options options = WithSmallBodies();
  options.connections_max = 1;
  options.event_loops = 1;
  TestServer server(options);
  HttpClient busy = server.Connect();
  const std::string request = HttpRequest().Serialize();
  ASSERT_TRUE(busy.Send(request.substr(0, request.size() - 1)));
  HttpClient refused;
  ASSERT_TRUE(Eventually([&] {
    refused = server.Connect();
    return refused.ReadResponse().status == 503;
  }));
  const absl::Time begin = absl::Now();
  bool is_open = true;
  while (is_open && absl::Now() - begin < 10 * kLingerQuiet) {
    is_open = refused.SendBlindly("x");
    absl::SleepFor(kLingerQuiet / 10);
  }
  EXPECT_FALSE(is_open);
}

}  // namespace
}  // namespace tcsync::conformance
