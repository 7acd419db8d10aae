#include "engine/housekeeping.h"

#include <gtest/gtest.h>

#include <future>

namespace tcsync::engine {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// If this fails, a chore runs once and never again.
TEST(HousekeepingTest, AChoreIsRepeatedAfterItsInterval) {
  std::promise<void> thrice;
  int runs = 0;
  const Housekeeping housekeeping(
      {{.interval = milliseconds(1), .first_after = milliseconds(0), .run_piece = [&] {
          if (++runs == 3) thrice.set_value();
          return false;
        }}});
  thrice.get_future().wait();
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
  std::promise<void> other_done;
  int others = 0;
  const Housekeeping housekeeping(
      {{.interval = hours(24), .first_after = milliseconds(0), .run_piece = [] { return true; }},
       {.interval = milliseconds(1), .first_after = milliseconds(1), .run_piece = [&] {
          if (++others == 3) other_done.set_value();
          return false;
        }}});
  other_done.get_future().wait();
}

// If this fails, a stop waits for the next chore, or one without chores hangs.
TEST(HousekeepingTest, StoppingDoesNotWaitForTheNextChore) {
  bool ran = false;
  {
    const Housekeeping nothing({});
    const Housekeeping later({{.interval = hours(24), .first_after = hours(24), .run_piece = [&] {
                                 ran = true;
                                 return false;
                               }}});
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace tcsync::engine
