// When a snapshot is asked for. If these fail, clients upload snapshots at every sync, or never,
// and a new computer must replay years of history.
#include "sync/snapshot_urgency.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace tcsync::sync {
namespace {

constexpr int64_t kNow = 1'700'000'000;
constexpr int64_t kDay = 86'400;
constexpr SnapshotPolicy kDefault;

SnapshotUrgency ByCount(uint64_t versions_since, const SnapshotPolicy& policy = kDefault) {
  const SnapshotSummary snapshot{
      .version_id = {}, .stored_unix_seconds = kNow, .versions_since = versions_since};
  return UrgencyOf(snapshot, policy, kNow);
}

SnapshotUrgency ByAge(int64_t age_seconds, const SnapshotPolicy& policy = kDefault) {
  const SnapshotSummary snapshot{
      .version_id = {}, .stored_unix_seconds = kNow - age_seconds, .versions_since = 0};
  return UrgencyOf(snapshot, policy, kNow);
}

// If this fails, a client that never uploaded a snapshot is not asked for one.
TEST(SnapshotUrgencyTest, IsHighWithoutASnapshot) {
  EXPECT_EQ(UrgencyOf(std::nullopt, kDefault, kNow), SnapshotUrgency::kHigh);
}

// If this fails, clients do not meet the documented 100 and 150 versions.
TEST(SnapshotUrgencyTest, DefaultsByVersionCount) {
  EXPECT_EQ(ByCount(0), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(99), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(100), SnapshotUrgency::kLow);
  EXPECT_EQ(ByCount(149), SnapshotUrgency::kLow);
  EXPECT_EQ(ByCount(150), SnapshotUrgency::kHigh);
  EXPECT_EQ(ByCount(1'000'000'000), SnapshotUrgency::kHigh);
}

// If this fails, clients do not meet the documented 14 and 21 days.
TEST(SnapshotUrgencyTest, DefaultsByAge) {
  EXPECT_EQ(ByAge(0), SnapshotUrgency::kNone);
  EXPECT_EQ(ByAge(13 * kDay), SnapshotUrgency::kNone);
  EXPECT_EQ(ByAge(14 * kDay - 1), SnapshotUrgency::kNone);
  EXPECT_EQ(ByAge(14 * kDay), SnapshotUrgency::kLow);
  EXPECT_EQ(ByAge(20 * kDay), SnapshotUrgency::kLow);
  EXPECT_EQ(ByAge(21 * kDay - 1), SnapshotUrgency::kLow);
  EXPECT_EQ(ByAge(21 * kDay), SnapshotUrgency::kHigh);
  EXPECT_EQ(ByAge(10'000 * kDay), SnapshotUrgency::kHigh);
}

// If this fails, 1.5 times an odd setting is rounded down, and high comes too early.
TEST(SnapshotUrgencyTest, OneAndAHalfTimesAnOddSettingIsRoundedUp) {
  const SnapshotPolicy three{.versions = 3, .days = 3};
  EXPECT_EQ(ByCount(2, three), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(3, three), SnapshotUrgency::kLow);
  EXPECT_EQ(ByCount(4, three), SnapshotUrgency::kLow);  // 4.5 is high
  EXPECT_EQ(ByCount(5, three), SnapshotUrgency::kHigh);
  EXPECT_EQ(ByAge(4 * kDay, three), SnapshotUrgency::kLow);
  EXPECT_EQ(ByAge(5 * kDay, three), SnapshotUrgency::kHigh);

  const SnapshotPolicy fifteen{.versions = 15, .days = 15};
  EXPECT_EQ(ByCount(14, fifteen), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(15, fifteen), SnapshotUrgency::kLow);
  EXPECT_EQ(ByCount(22, fifteen), SnapshotUrgency::kLow);  // 22.5 is high
  EXPECT_EQ(ByCount(23, fifteen), SnapshotUrgency::kHigh);
  EXPECT_EQ(ByAge(22 * kDay, fifteen), SnapshotUrgency::kLow);
  EXPECT_EQ(ByAge(23 * kDay, fifteen), SnapshotUrgency::kHigh);

  const SnapshotPolicy one{.versions = 1, .days = 1};
  EXPECT_EQ(ByCount(0, one), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(1, one), SnapshotUrgency::kLow);
  EXPECT_EQ(ByCount(2, one), SnapshotUrgency::kHigh);
}

// If this fails, an old snapshot is not replaced because few versions came, or vice versa.
TEST(SnapshotUrgencyTest, IsTheLargerOfCountAndAge) {
  const auto urgency = [](int64_t age_days, uint64_t versions_since) {
    return UrgencyOf(SnapshotSummary{.version_id = {},
                                     .stored_unix_seconds = kNow - age_days * kDay,
                                     .versions_since = versions_since},
                     kDefault, kNow);
  };
  EXPECT_EQ(urgency(13, 99), SnapshotUrgency::kNone);
  EXPECT_EQ(urgency(14, 99), SnapshotUrgency::kLow);
  EXPECT_EQ(urgency(13, 100), SnapshotUrgency::kLow);
  EXPECT_EQ(urgency(21, 0), SnapshotUrgency::kHigh);
  EXPECT_EQ(urgency(21, 100), SnapshotUrgency::kHigh);
  EXPECT_EQ(urgency(14, 150), SnapshotUrgency::kHigh);
}

// If this fails, a machine whose clock was set back requests snapshots at every sync.
TEST(SnapshotUrgencyTest, IsNoneAfterTheClockWentBack) {
  EXPECT_EQ(ByAge(-1), SnapshotUrgency::kNone);
  EXPECT_EQ(ByAge(-30 * kDay), SnapshotUrgency::kNone);
  EXPECT_EQ(ByAge(-kNow), SnapshotUrgency::kNone);
}

// If this fails, the largest settings overflow and mean "always".
TEST(SnapshotUrgencyTest, TheLargestSettingsDoNotOverflow) {
  const SnapshotPolicy largest{.versions = 1'000'000, .days = 36'500};
  EXPECT_EQ(ByCount(999'999, largest), SnapshotUrgency::kNone);
  EXPECT_EQ(ByCount(1'500'000, largest), SnapshotUrgency::kHigh);
  EXPECT_EQ(ByAge(kNow, largest), SnapshotUrgency::kNone);
}

}  // namespace
}  // namespace tcsync::sync
