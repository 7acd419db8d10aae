#include "base/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

namespace tcsync::base {
namespace {

constexpr int64_t kConnectionShareBytes = 32 * 1024;
constexpr int64_t kDerivedEventLoopsMax = 4;
// They wait for the disk rather than use a core. Each may hold a snapshot in memory, so they are
// few.
constexpr int64_t kDerivedReaderThreads = 4;

int64_t OpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  // "No limit" is the largest number; it must survive the conversion.
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 30));
}

int64_t OpenFilesForConnections() {
  return OpenFilesLimit() - kStorageOpenFilesMax - kOtherOpenFiles;
}

int64_t DerivedConnectionsMax(int64_t budget_bytes) {
  // So that refused connections have descriptors as well.
  const int64_t affordable =
      OpenFilesForConnections() * kRefusedConnectionsShare / (kRefusedConnectionsShare + 1);
  return std::min(budget_bytes / kConnectionShareBytes, std::max<int64_t>(16, affordable));
}

int64_t DerivedEventLoops() {
  return std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, kDerivedEventLoopsMax);
}

// `set`, unless it is 0, which requests the derived value.
int64_t ConfiguredOr(int64_t set, int64_t derived) { return set != 0 ? set : derived; }

}  // namespace

Limits::Limits(const Options& options) {
  const int64_t budget = options.memory_budget_bytes;
  body_bytes_max = ConfiguredOr(options.body_bytes_max, kBodyBytesCeiling);
  bodies_in_flight_bytes_max = ConfiguredOr(options.bodies_in_flight_bytes_max, budget / 8 * 3);
  memtable_bytes = ConfiguredOr(options.memtable_bytes, budget / 16);
  block_cache_bytes = ConfiguredOr(options.block_cache_bytes, budget / 8);
  head_cache_bytes = ConfiguredOr(options.head_cache_bytes, budget / 16);
  connections_max = ConfiguredOr(options.connections_max, DerivedConnectionsMax(budget));
  connection_bytes_max = ConfiguredOr(options.connection_bytes_max, budget / 16 * 3);
  refused_connections_max = std::clamp(OpenFilesForConnections() - connections_max,
                                       kRefusedConnectionsMin, kRefusedConnectionsMax);
  event_loops = static_cast<int>(ConfiguredOr(options.event_loops, DerivedEventLoops()));
  reader_threads = static_cast<int>(ConfiguredOr(options.reader_threads, kDerivedReaderThreads));
}

}  // namespace tcsync::base
