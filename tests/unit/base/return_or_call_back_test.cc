// Ready results are returned, and others are passed to a callback. If these fail, a request is
// never answered, or twice.
#include "base/return_or_call_back.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

// Not copyable, as responses.
using Result = std::unique_ptr<int>;
using Callback = absl::AnyInvocable<void(Result)>;

// If this fails, a ready request is answered twice, or not at all.
TEST(ReturnOrCallBackTest, AReadyResultIsReturned) {
  const std::optional<Result> returned =
      ReturnOrCallBack(Callback([](const Result&) { ADD_FAILURE() << "called back as well"; }),
                       [](Callback give) { give(std::make_unique<int>(7)); });
  ASSERT_TRUE(returned);
  EXPECT_EQ(**returned, 7);
}

// If this fails, a request that waits for the disk is never answered.
TEST(ReturnOrCallBackTest, ALaterResultIsPassedToTheCallback) {
  Callback give;
  int got = 0;
  EXPECT_FALSE(ReturnOrCallBack(Callback([&got](const Result& result) { got += *result; }),
                                [&give](Callback later) { give = std::move(later); }));
  EXPECT_EQ(got, 0);
  give(std::make_unique<int>(7));
  EXPECT_EQ(got, 7);
}

// If this fails, a caller waits for ever when memory runs out on the way.
TEST(ReturnOrCallBackTest, ADroppedCallbackIsFreed) {
  const auto owned = std::make_shared<int>();
  EXPECT_FALSE(ReturnOrCallBack(Callback([owned](const Result&) {}), [](const Callback&) {}));
  EXPECT_EQ(owned.use_count(), 1);
}

// If this fails, a request hangs, or is answered twice, by chance.
// Results that come on another thread during the call: either way each comes once.
TEST(ReturnOrCallBackTest, EachResultIsDeliveredOnceUnderARace) {
  struct Call {
    Callback give;
    std::atomic<bool> has_started{false};
    int returned = 0;
    int called_back = 0;
  };
  std::vector<Call> calls(20'000);
  std::thread result_thread([&calls] {
    for (Call& call : calls) {
      while (!call.has_started) std::this_thread::yield();
      call.give(std::make_unique<int>(7));
    }
  });
  for (Call& call : calls) {
    const std::optional<Result> result =
        ReturnOrCallBack(Callback([&call](const Result& later) { call.called_back += *later; }),
                         [&call](Callback give) {
                           call.give = std::move(give);
                           call.has_started = true;
                         });
    if (result) call.returned += **result;
  }
  result_thread.join();
  for (const Call& call : calls) EXPECT_EQ(call.returned + call.called_back, 7);
}

// If this fails, a blocking call of an embedder returns too early, or never.
TEST(WaitForTest, WaitsForTheCallback) {
  EXPECT_EQ(*WaitFor<Result>([](Callback) { return std::make_unique<int>(1); }), 1);
  std::thread thread;
  EXPECT_EQ(*WaitFor<Result>([&thread](Callback give) -> std::optional<Result> {
    thread = std::thread([give = std::move(give)]() mutable { give(std::make_unique<int>(2)); });
    return std::nullopt;
  }),
            2);
  thread.join();
}

}  // namespace
}  // namespace tcsync::base
