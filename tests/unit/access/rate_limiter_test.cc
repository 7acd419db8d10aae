// Token buckets. If these fail, a flood is served, or a moderate client is refused.
#include "access/rate_limiter.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::access {
namespace {

RateLimiter::Key KeyOf(uint64_t number) {
  RateLimiter::Key key{};
  for (size_t i = 0; i < 8; ++i) key[i] = static_cast<uint8_t>(number >> (8 * i));
  return key;
}

constexpr size_t kManyBuckets = 1024;

class RateLimiterTest : public testing::Test {
 protected:
  // The number of `tries` that are admitted at this moment.
  static int Admitted(RateLimiter& limiter, const RateLimiter::Key& key, int tries) {
    int admitted = 0;
    for (int i = 0; i < tries; ++i) admitted += limiter.Take(key) == absl::ZeroDuration() ? 1 : 0;
    return admitted;
  }

  ManualClock clock_;
};

// If this fails, a first sync of many versions is refused, or a flood is served.
TEST_F(RateLimiterTest, AdmitsTheBurstAndThenTheRate) {
  RateLimiter limiter({.requests = 10, .burst = 50}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 60), 50);
  clock_.Advance(absl::Milliseconds(99));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 5), 0);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 5), 1);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 60), 20);
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 60), 50) << "more than the burst was saved up";
}

// If this fails, Retry-After sends clients back too early, and they are refused again.
TEST_F(RateLimiterTest, ReturnsTheTimeUntilTheNextToken) {
  RateLimiter limiter({.requests = 1, .period = absl::Seconds(10), .burst = 2}, kManyBuckets,
                      clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 2), 2);
  EXPECT_EQ(limiter.Take(KeyOf(1)), absl::Seconds(10));
  clock_.Advance(absl::Seconds(4));
  EXPECT_EQ(limiter.Take(KeyOf(1)), absl::Seconds(6));
  clock_.Advance(absl::Seconds(6));
  EXPECT_EQ(limiter.Take(KeyOf(1)), absl::ZeroDuration());
}

// If this fails, a refused client that retries is locked out for ever.
TEST_F(RateLimiterTest, RefusalsCostNothing) {
  RateLimiter limiter({.requests = 1, .burst = 1}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 1000), 1);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 1000), 1);
}

// If this fails, one client's flood uses up the rate of another.
TEST_F(RateLimiterTest, KeysHaveSeparateBuckets) {
  RateLimiter limiter({.requests = 1, .burst = 3}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 5), 3);
  EXPECT_EQ(Admitted(limiter, KeyOf(2), 5), 3);
}

// If this fails, an operator who turned a rate off still meets it.
TEST_F(RateLimiterTest, ZeroIsNoLimit) {
  RateLimiter limiter({.requests = 0, .burst = 1}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 10'000), 10'000);
  limiter.GiveBack(KeyOf(1));
  EXPECT_EQ(limiter.bucket_count(), 0u);
}

// If this fails, failed creations use up an address' new clients of the day.
TEST_F(RateLimiterTest, AReturnedTokenCanBeTakenAgain) {
  RateLimiter limiter({.requests = 1, .period = absl::Hours(24), .burst = 2}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 3), 2);
  limiter.GiveBack(KeyOf(1));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 3), 1);
  limiter.GiveBack(KeyOf(1));
  limiter.GiveBack(KeyOf(1));
  EXPECT_EQ(limiter.bucket_count(), 0u) << "a full bucket takes memory";
  limiter.GiveBack(KeyOf(1));
  EXPECT_EQ(Admitted(limiter, KeyOf(1), 5), 2) << "giving back made more than the burst";
}

// If this fails, the options' largest values overflow into no limit or into a lock-out.
TEST_F(RateLimiterTest, TheLargestOptionsWork) {
  RateLimiter fast({.requests = 1'000'000, .burst = 100'000'000}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(fast, KeyOf(1), 1000), 1000);
  RateLimiter slow({.requests = 1, .burst = 100'000'000}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(slow, KeyOf(1), 1000), 1000);
  RateLimiter daily({.requests = 1'000'000, .period = absl::Hours(24), .burst = 1'000'000},
                    kManyBuckets, clock_);
  EXPECT_EQ(Admitted(daily, KeyOf(1), 1000), 1000);
}

// If this fails, a flood under ever new names fills the server's memory.
TEST_F(RateLimiterTest, MemoryIsBounded) {
  RateLimiter limiter({.requests = 1, .burst = 10}, kManyBuckets, clock_);
  for (uint64_t i = 0; i < 100'000; ++i) {
    EXPECT_EQ(limiter.Take(KeyOf(i)), absl::ZeroDuration()) << "a newcomer pays for others";
  }
  EXPECT_LE(limiter.bucket_count(), kManyBuckets);
}

// If this fails, full buckets stay in memory, and others are forgotten in their place.
TEST_F(RateLimiterTest, FullBucketsAreEvictedFirst) {
  RateLimiter limiter({.requests = 1, .burst = 10}, kManyBuckets, clock_);
  for (uint64_t i = 0; i < 100'000; ++i) limiter.Take(KeyOf(i));
  clock_.Advance(absl::Seconds(11));
  for (uint64_t i = 0; i < 100; ++i) limiter.Take(KeyOf(1'000'000 + i));
  EXPECT_LT(limiter.bucket_count(), kManyBuckets);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(Admitted(limiter, KeyOf(1'000'000 + i), 20), 9) << "a bucket in use was forgotten";
  }
}

// If this fails, a flood under ever new names makes the limiter forget a client that has used up
// its tokens, and that client floods on.
TEST_F(RateLimiterTest, AFloodOfNewKeysDoesNotResetAnEmptyBucket) {
  RateLimiter limiter({.requests = 1, .burst = 10}, kManyBuckets, clock_);
  EXPECT_EQ(Admitted(limiter, KeyOf(7), 20), 10);
  for (uint64_t i = 1000; i < 101'000; ++i) limiter.Take(KeyOf(i));
  EXPECT_EQ(Admitted(limiter, KeyOf(7), 20), 0);
}

// If this fails, requests at the same moment are admitted beyond the burst. Mostly for the thread
// sanitizer.
TEST_F(RateLimiterTest, CountsExactlyAcrossThreads) {
  RateLimiter limiter({.requests = 1, .burst = 1000}, kManyBuckets, clock_);
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { admitted += Admitted(limiter, KeyOf(1), 1000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 1000);
}

}  // namespace
}  // namespace tcsync::access
