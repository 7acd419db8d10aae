// The bound on bodies in memory. If these fail, uploads exhaust a small machine's memory, or
// returned memory is lost and the server refuses everything after a while.
#include "http/byte_budget.h"

#include <atomic>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tcsync/http_message.h"

namespace tcsync::http {
namespace {

// If this fails, the bound on bodies in memory differs from the option.
TEST(ByteBudgetTest, NeverExceedsItsMaximum) {
  ByteBudget budget(100);
  EXPECT_EQ(budget.bytes_max(), 100u);
  EXPECT_TRUE(budget.TryTake(60));
  EXPECT_FALSE(budget.TryTake(41));
  EXPECT_EQ(budget.bytes_taken(), 60u) << "a refusal took something";
  EXPECT_TRUE(budget.TryTake(40));
  EXPECT_FALSE(budget.TryTake(1));
  EXPECT_TRUE(budget.TryTake(0));
  budget.GiveBack(100);
  EXPECT_EQ(budget.bytes_taken(), 0u);
  EXPECT_TRUE(budget.TryTake(100));
  budget.GiveBack(100);
}

// If this fails, a huge number wraps around and everything fits.
TEST(ByteBudgetTest, HugeNumbersDoNotWrapAround) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  ByteBudget budget(100);
  EXPECT_FALSE(budget.TryTake(kHuge));
  ASSERT_TRUE(budget.TryTake(50));
  EXPECT_FALSE(budget.TryTake(kHuge));
  EXPECT_FALSE(budget.TryTake(kHuge - 49));
  EXPECT_EQ(budget.bytes_taken(), 50u);
  ByteBudget everything(kHuge);
  EXPECT_TRUE(everything.TryTake(kHuge));
  EXPECT_FALSE(everything.TryTake(1));
}

// If this fails, each request leaves a little less for the next, until all get 503.
TEST(ByteChargeTest, IsReturnedAtDestruction) {
  const auto budget = std::make_shared<ByteBudget>(100);
  {
    ByteCharge charge(budget);
    EXPECT_EQ(budget->bytes_taken(), 0u);
    EXPECT_TRUE(charge.TryResize(70));
    EXPECT_TRUE(charge.TryResize(100));
    EXPECT_TRUE(charge.TryResize(30));
    EXPECT_EQ(budget->bytes_taken(), 30u);
    EXPECT_FALSE(charge.TryResize(101));
    EXPECT_EQ(budget->bytes_taken(), 30u) << "a refusal changed something";
  }
  EXPECT_EQ(budget->bytes_taken(), 0u);
}

// If this fails, a body that is passed on is charged twice, or its charge is lost on the way.
TEST(ByteChargeTest, CanBeMoved) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteCharge first(budget);
  ASSERT_TRUE(first.TryResize(40));
  ByteCharge second(std::move(first));
  EXPECT_EQ(budget->bytes_taken(), 40u);
  {
    ByteCharge third(budget);
    ASSERT_TRUE(third.TryResize(10));
    third = std::move(second);
    EXPECT_GE(budget->bytes_taken(), 40u);
  }
  second = ByteCharge();
  EXPECT_EQ(budget->bytes_taken(), 0u);
}

// If this fails, a sent answer keeps its memory until the next large one.
TEST(ByteChargeTest, IsReturnedWithTheResponseThatHoldsIt) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteCharge charge(budget);
  ASSERT_TRUE(charge.TryResize(40));
  Response response;
  response.memory = std::make_shared<ByteCharge>(std::move(charge));
  EXPECT_EQ(budget->bytes_taken(), 40u);
  response = Response();
  EXPECT_EQ(budget->bytes_taken(), 0u);
}

// If this fails, the charge of a response outlives the handler that made it and crashes.
TEST(ByteChargeTest, KeepsItsBudgetAlive) {
  auto budget = std::make_shared<ByteBudget>(100);
  ByteCharge charge(budget);
  ASSERT_TRUE(charge.TryResize(40));
  budget.reset();
  EXPECT_TRUE(charge.TryResize(100));
  EXPECT_FALSE(charge.TryResize(101));
}

// If this fails, threads exceed the budget, or returned bytes are lost.
TEST(ByteChargeTest, ThreadsNeverExceedTheBudget) {
  constexpr uint64_t kBytes = 1000;
  constexpr int kThreads = 8;
  const auto budget = std::make_shared<ByteBudget>(kBytes);
  std::atomic<uint64_t> held{0};
  std::atomic<uint64_t> most_held{0};
  std::atomic<int> refusals{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 2000; ++round) {
        const uint64_t bytes = 100 + static_cast<uint64_t>(i * 37 + round) % 200;
        ByteCharge charge(budget);
        if (!charge.TryResize(bytes)) {
          refusals.fetch_add(1);
          continue;
        }
        const uint64_t now = held.fetch_add(bytes) + bytes;
        uint64_t most = most_held.load();
        while (now > most && !most_held.compare_exchange_weak(most, now)) {
        }
        held.fetch_sub(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most_held.load(), kBytes);
  EXPECT_EQ(budget->bytes_taken(), 0u);
}

}  // namespace
}  // namespace tcsync::http
