// The arithmetic of the memory budget: if these fail, the engine takes more memory than its machine
// has, or refuses bodies that it could afford.
#include "base/limits.h"

#include <sys/resource.h>

#include "gtest/gtest.h"
#include "tcsync/options.h"

namespace tcsync::base {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

Limits LimitsOfBudget(uint64_t budget_mib) {
  Options options;
  options.memory_budget_bytes = static_cast<int64_t>(budget_mib * kMiB);
  return Limits(options);
}

// Sets the limit on open files, and puts it back.
class OpenFilesLimit {
 public:
  explicit OpenFilesLimit(rlim_t files) {
    getrlimit(RLIMIT_NOFILE, &previous_);
    rlimit limit = previous_;
    limit.rlim_cur = std::min(files, previous_.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~OpenFilesLimit() { setrlimit(RLIMIT_NOFILE, &previous_); }

 private:
  rlimit previous_{};
};

// If this fails, the default does not keep its promise: bodies of 100 MiB in a 256 MB machine.
TEST(LimitsTest, DefaultBudget) {
  const Limits limits{Options()};
  EXPECT_EQ(limits.body_bytes_max, 100 * kMiB);
  EXPECT_EQ(limits.bodies_in_flight_bytes_max, 48 * kMiB);
  EXPECT_EQ(limits.memtable_bytes, 8 * kMiB);
  EXPECT_EQ(limits.block_cache_bytes, 16 * kMiB);
  EXPECT_EQ(limits.head_cache_bytes, 8 * kMiB);
}

// If this fails, the smallest budget is exceeded.
TEST(LimitsTest, SmallestBudget) {
  const Limits limits = LimitsOfBudget(16);
  EXPECT_EQ(limits.body_bytes_max, 100 * kMiB);
  EXPECT_EQ(limits.bodies_in_flight_bytes_max, 6 * kMiB);
  EXPECT_EQ(limits.memtable_bytes, 1 * kMiB);
  EXPECT_EQ(limits.block_cache_bytes, 2 * kMiB);
  EXPECT_EQ(limits.head_cache_bytes, 1 * kMiB);
  EXPECT_LE(limits.connections_max, 512);
}

// If this fails, a large machine takes bodies that the reference server refuses.
TEST(LimitsTest, LargeBudget) {
  const Limits limits = LimitsOfBudget(8192);
  EXPECT_EQ(limits.body_bytes_max, static_cast<uint64_t>(kBodyBytesCeiling));
  EXPECT_EQ(limits.bodies_in_flight_bytes_max, 3072 * kMiB);
  EXPECT_EQ(limits.memtable_bytes, 512 * kMiB);
  EXPECT_EQ(limits.block_cache_bytes, 1024 * kMiB);
  EXPECT_EQ(limits.head_cache_bytes, 512 * kMiB);
}

// If this fails, the shares of limits.h's comment do not fit into the budget, or there is no memory
// for the pieces of large bodies, which would refuse them for ever.
TEST(LimitsTest, SharesFitIntoTheBudget) {
  for (const uint64_t budget_mib : {16, 17, 100, 128, 255, 256, 8192}) {
    const Limits limits = LimitsOfBudget(budget_mib);
    EXPECT_GE(limits.bodies_in_flight_bytes_max, kBodiesInFlightBytesMin) << budget_mib;
    EXPECT_LE(limits.bodies_in_flight_bytes_max + 4 * limits.memtable_bytes +
                  limits.block_cache_bytes + limits.head_cache_bytes +
                  static_cast<uint64_t>(limits.connections_max) * 2048,
              budget_mib * kMiB)
        << budget_mib;
  }
}

// If this fails, an operator's own number is overruled.
TEST(LimitsTest, EachLimitCanBeSetAlone) {
  Options options;
  options.body_bytes_max = 1;
  options.bodies_in_flight_bytes_max = 2;
  options.memtable_bytes = 3;
  options.block_cache_bytes = 4;
  options.head_cache_bytes = 5;
  options.connections_max = 6;
  options.event_loops = 7;
  options.reader_threads = 8;
  const Limits limits(options);
  EXPECT_EQ(limits.body_bytes_max, 1u);
  EXPECT_EQ(limits.bodies_in_flight_bytes_max, 2u);
  EXPECT_EQ(limits.memtable_bytes, 3u);
  EXPECT_EQ(limits.block_cache_bytes, 4u);
  EXPECT_EQ(limits.head_cache_bytes, 5u);
  EXPECT_EQ(limits.connections_max, 6);
  EXPECT_EQ(limits.event_loops, 7);
  EXPECT_EQ(limits.reader_threads, 8);
}

// If this fails, the largest budget overflows into a negative or tiny limit.
TEST(LimitsTest, TheLargestBudgetDoesNotOverflow) {
  Options options;
  options.memory_budget_bytes = std::numeric_limits<int64_t>::max();
  const Limits limits(options);
  EXPECT_EQ(limits.body_bytes_max, static_cast<uint64_t>(kBodyBytesCeiling));
  EXPECT_GT(limits.bodies_in_flight_bytes_max, uint64_t{1} << 60);
  EXPECT_GT(limits.connections_max, 0);
}

// If this fails, the process runs out of open files before it refuses connections, and then storage
// cannot open its own.
TEST(LimitsTest, ConnectionsLeaveFilesForStorage) {
  const OpenFilesLimit files(1024);
  const Limits limits = LimitsOfBudget(128);
  const int64_t connections = limits.connections_max + limits.refused_connections_max;
  EXPECT_LE(connections, 1024 - kStorageOpenFilesMax - kOtherOpenFiles);
  EXPECT_GE(connections, 1024 - kStorageOpenFilesMax - kOtherOpenFiles - 2);
  EXPECT_EQ(LimitsOfBudget(16).connections_max, 512);
}

// If this fails, a machine with few open files serves nobody.
TEST(LimitsTest, AFewConnectionsAreAllowedWithFewOpenFiles) {
  const OpenFilesLimit files(64);
  EXPECT_EQ(LimitsOfBudget(128).connections_max, 16);
}

// If this fails, there are no event loops, or more than serve a purpose.
TEST(LimitsTest, EventLoopsDependOnTheCores) {
  const Limits limits{Options()};
  EXPECT_GE(limits.event_loops, 1);
  EXPECT_LE(limits.event_loops, 4);
}

// If this fails, an administration request takes as much memory as a body may have, which is more
// than there is; or the lines of older exports, with a version of up to 32 MiB, are refused.
TEST(LimitsTest, AdministrationBodiesFitLinesOfOlderExports) {
  const Limits limits{Options()};
  const uint64_t bytes =
      AdminBodyBytesMax(limits.body_bytes_max, limits.bodies_in_flight_bytes_max);
  EXPECT_GE(bytes, 32 * kMiB / 3 * 4);
  EXPECT_LE(bytes, 48 * kMiB);
}

// If this fails, a record with an inline segment goes to a blob file, and finding a client's latest
// version reads one.
TEST(LimitsTest, InlineSegmentsStayOutOfBlobFiles) {
  constexpr uint64_t kTrailerBytes = 41;
  EXPECT_LT(kInlineBytesMax + kTrailerBytes, kBlobBytesMin);
}

}  // namespace
}  // namespace tcsync::base
