// Messages in floods. If these fail, the log fills up, or does not count the suppressed ones.
#include "http/log_throttle.h"

#include <chrono>
#include <cstdint>
#include <optional>

#include "gtest/gtest.h"

namespace tcsync::http {
namespace {

// If this fails, an operator cannot tell from the log how large a flood was.
// The log's lines and their counts of suppressed ones are all messages except those since the last.
TEST(LogThrottleTest, CountsSuppressedMessages) {
  LogThrottle throttle;
  EXPECT_EQ(throttle.Pass(), std::optional<uint64_t>(0));
  uint64_t held_back = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::optional<uint64_t> passed;
  while (!(passed = throttle.Pass()) && std::chrono::steady_clock::now() < deadline) ++held_back;
  EXPECT_EQ(passed, held_back) << "the next second's line";
}

// If this fails, single warnings are suppressed, or a flood fills the log.
TEST(LogThrottleTest, AllowsAShortBurst) {
  LogThrottle throttle(20);
  const auto begin = std::chrono::steady_clock::now();
  int passed = 0;
  for (int i = 0; i < 1000; ++i) passed += throttle.Pass() ? 1 : 0;
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  EXPECT_GE(passed, 20);
  EXPECT_LE(passed, 20 + seconds.count());
}

}  // namespace
}  // namespace tcsync::http
