// The busiest clients. If these fail, an operator bans the wrong one, or a flood fills the memory
// of the counts.
#include "access/top_talkers.h"

#include <cstdint>

#include "absl/time/time.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::access {
namespace {

PeerAddress AddressOf(uint32_t number) {
  return PeerAddress::FromIpv4({static_cast<uint8_t>(number >> 24),
                                static_cast<uint8_t>(number >> 16),
                                static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)});
}

class TopTalkersTest : public testing::Test {
 protected:
  void Count(const PeerAddress& source, const std::optional<Uuid>& client = std::nullopt,
             uint64_t bytes = 0, bool is_refused = false) {
    talkers_.Count(
        {.client_id = client, .source = source, .bytes = bytes, .is_refused = is_refused});
  }

  static const TalkerRanking::Place& First(
      const std::array<std::vector<TalkerRanking::Place>, 3>& rankings,
      TopTalkers::Measure measure) {
    static const TalkerRanking::Place kNone;
    const auto& places = rankings[static_cast<size_t>(measure)];
    EXPECT_FALSE(places.empty());
    return places.empty() ? kNone : places.front();
  }

  ManualClock clock_;
  TopTalkers talkers_{clock_};
};

// If this fails, an operator finds the client with the most requests, but not the one with the most
// bytes.
TEST_F(TopTalkersTest, EachMeasureHasItsOwnRanking) {
  const Uuid most_requests = Uuid::Random();
  const Uuid most_bytes = Uuid::Random();
  const Uuid most_refusals = Uuid::Random();
  for (int i = 0; i < 30; ++i) Count(AddressOf(1), most_requests);
  Count(AddressOf(2), most_bytes, 1'000'000);
  for (int i = 0; i < 5; ++i) Count(AddressOf(3), most_refusals, 0, true);
  const TopTalkers::Rankings rankings = talkers_.Read();
  const auto expect = [&](TopTalkers::Measure measure, uint32_t address, const Uuid& client,
                          uint64_t count) {
    EXPECT_EQ(First(rankings.sources, measure).key, AddressOf(address).bytes());
    EXPECT_EQ(First(rankings.clients, measure).key, client.bytes());
    EXPECT_EQ(First(rankings.clients, measure).count, count);
    EXPECT_EQ(First(rankings.clients, measure).count_min, count);
  };
  expect(TopTalkers::Measure::kRequests, 1, most_requests, 30);
  expect(TopTalkers::Measure::kBytes, 2, most_bytes, 1'000'000);
  expect(TopTalkers::Measure::kRefusals, 3, most_refusals, 5);
  EXPECT_EQ(rankings.clients[0].size(), 3u);
  EXPECT_EQ(rankings.clients[1].size(), 1u);
}

// If this fails, a flood under ever new names hides one under a single name.
TEST_F(TopTalkersTest, AFloodOfNewSourcesDoesNotHideABusyOne) {
  constexpr uint32_t kStrangers = 100'000;
  const PeerAddress busy = AddressOf(0x7f000001);
  uint64_t busy_requests = 0;
  for (uint32_t i = 0; i < kStrangers; ++i) {
    Count(AddressOf(i + 1), Uuid::Random());
    if (i % 20 != 0) continue;  // a twentieth of all
    Count(busy);
    ++busy_requests;
  }
  const TopTalkers::Rankings rankings = talkers_.Read();
  EXPECT_LE(rankings.sources[0].size(), base::kTopTalkersMax);
  EXPECT_LE(rankings.clients[0].size(), base::kTopTalkersMax);
  const TalkerRanking::Place& first = First(rankings.sources, TopTalkers::Measure::kRequests);
  EXPECT_EQ(first.key, busy.bytes());
  EXPECT_GE(first.count, busy_requests);
  EXPECT_LE(first.count_min, busy_requests);
  EXPECT_GT(first.count_min, busy_requests / 2);
}

// If this fails, an operator bans a client that was busy hours ago.
TEST_F(TopTalkersTest, CountsOnlyTheLastMinutes) {
  const absl::Duration window = absl::Milliseconds(base::kTopTalkersWindowMs);
  Count(AddressOf(1));
  clock_.Advance(window - absl::Seconds(1));
  Count(AddressOf(1));
  EXPECT_EQ(First(talkers_.Read().sources, TopTalkers::Measure::kRequests).count, 2u);
  EXPECT_EQ(talkers_.Read().span, window - absl::Seconds(1));
  clock_.Advance(absl::Seconds(2));
  Count(AddressOf(2));
  EXPECT_EQ(talkers_.Read().sources[0].size(), 2u);
  EXPECT_EQ(talkers_.Read().span, window + absl::Seconds(1));
  clock_.Advance(window + absl::Seconds(1));
  // The window before the last one is gone, also without requests.
  EXPECT_EQ(talkers_.Read().sources[0].size(), 1u);
  EXPECT_EQ(First(talkers_.Read().sources, TopTalkers::Measure::kRequests).key,
            AddressOf(2).bytes());
  clock_.Advance(window);
  EXPECT_TRUE(talkers_.Read().sources[0].empty());
}

// If this fails, a flood from one IPv6 network is spread over many places and stays unseen.
TEST_F(TopTalkersTest, Ipv6AddressesOfOneNetworkAreOneSource) {
  Count(*PeerAddress::Parse("2001:db8:1:2::1"));
  Count(*PeerAddress::Parse("2001:db8:1:2:ffff::9"));
  Count(*PeerAddress::Parse("2001:db8:1:3::1"));
  Count(PeerAddress::Local());
  Count(PeerAddress());
  const auto places = talkers_.Read().sources[0];
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places[0].count + places[1].count, 4u);
}

}  // namespace
}  // namespace tcsync::access
