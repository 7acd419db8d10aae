#include "base/reload_hooks.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

// If this fails, a listener that has stopped is called, or one that serves is not.
TEST(ReloadHooksTest, RunsTheRegisteredHooks) {
  ReloadHooks hooks;
  EXPECT_TRUE(hooks.Run().ok()) << "nothing to do is no failure";
  int first = 0;
  int second = 0;
  const auto count = [](int& calls) {
    return [&calls] {
      ++calls;
      return absl::OkStatus();
    };
  };
  std::optional<ReloadHooks::Registration> registration = hooks.Register(count(first));
  {
    const ReloadHooks::Registration other = hooks.Register(count(second));
    EXPECT_TRUE(hooks.Run().ok());
  }
  EXPECT_TRUE(hooks.Run().ok());
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 1);

  ReloadHooks::Registration moved = std::move(*registration);
  registration.reset();
  EXPECT_TRUE(hooks.Run().ok());
  EXPECT_EQ(first, 3);
  moved = {};
  EXPECT_TRUE(hooks.Run().ok());
  EXPECT_EQ(first, 3);
}

// If this fails, one broken file keeps the others from being read, or nobody learns of a second
// one.
TEST(ReloadHooksTest, CombinesTheFailuresOfAllHooks) {
  ReloadHooks hooks;
  int calls = 0;
  const auto first = hooks.Register([] { return absl::NotFoundError("first file"); });
  const auto good = hooks.Register([&calls] {
    ++calls;
    return absl::OkStatus();
  });
  const auto second = hooks.Register([] { return absl::DataLossError("second file"); });
  const absl::Status status = hooks.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "first file")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "second file")) << status;
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace tcsync::base
