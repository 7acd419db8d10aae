#include "engine/housekeeping.h"

#include <gtest/gtest.h>

#include <future>

namespace tcsync::engine {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// If this fails, a chore runs once and never again.
TEST(HousekeepingTest, AChoreIsRepeatedAfterItsInterval) {
  std::promise<void> ran_three_times;
  int runs = 0;
  const Housekeeping housekeeping(
      {{.interval = milliseconds(1), .first_after = milliseconds(0), .run_piece = [&] {
          if (++runs == 3) ran_three_times.set_value();
          return false;
        }}});
  ran_three_times.get_future().wait();
}

// If this fails, a chore of many pieces waits for its interval between them, and takes days.
TEST(HousekeepingTest, PiecesOfAChoreAreNotSeparatedByTheInterval) {
  std::promise<void> done;
  int pieces = 0;
  const Housekeeping housekeeping(
      {{.interval = hours(24), .first_after = milliseconds(0), .run_piece = [&] {
          if (++pieces < 5) return true;
          done.set_value();
          return false;
        }}});
  done.get_future().wait();
}

// If this fails, one endless chore starves the others.
TEST(HousekeepingTest, AnEndlessChoreDoesNotStarveOthers) {
  std::promise<void> other_ran;
  int other_runs = 0;
  const Housekeeping housekeeping(
      {{.interval = hours(24), .first_after = milliseconds(0), .run_piece = [] { return true; }},
       {.interval = milliseconds(1), .first_after = milliseconds(1), .run_piece = [&] {
          if (++other_runs == 3) other_ran.set_value();
          return false;
        }}});
  other_ran.get_future().wait();
}

// If this fails, a stop waits for the next chore, or one without chores hangs.
TEST(HousekeepingTest, StoppingDoesNotWaitForTheNextChore) {
  bool ran = false;
  {
    const Housekeeping without_chores({});
    const Housekeeping with_later_chore(
        {{.interval = hours(24), .first_after = hours(24), .run_piece = [&] {
            ran = true;
            return false;
          }}});
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace tcsync::engine
