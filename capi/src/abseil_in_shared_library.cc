// Two files of Abseil's, sysinfo.cc and cordz_functions.cc, in place of those in its archives, for
// TCSYNC_STATIC_DEPENDENCIES=ON.
//
// Distributions compile Abseil's archives for programs (-fPIE). The linker takes such code into a
// shared library as well, except for thread-local variables that it defines; and among the files
// that absl::Status needs, these two define some. Their functions are defined here instead, and so
// the linker does not take them from the archives. Should Abseil move such a variable elsewhere, or
// declare something else, linking or compiling fails: nothing goes wrong silently.
#include "absl/base/config.h"

// The release of Debian 12, or a later one. The profiler's sampling was changed in 20240116.
#if defined(__linux__) && defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION >= 20220623

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <thread>

#include "absl/base/internal/sysinfo.h"
#include "absl/strings/internal/cordz_functions.h"

namespace absl {
ABSL_NAMESPACE_BEGIN

namespace base_internal {

int NumCPUs() {
  // It decides how long Abseil's locks spin.
  const unsigned int count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : static_cast<int>(count);
}

// Abseil's own value for "unknown".
double NominalCPUFrequency() { return 1.0; }

pid_t GetTID() { return static_cast<pid_t>(syscall(SYS_gettid)); }

pid_t GetCachedTID() {
  static thread_local const pid_t id = GetTID();
  return id;
}

}  // namespace base_internal

// The profiler of Cords, which samples none of them here.
namespace cord_internal {

#if ABSL_LTS_RELEASE_VERSION >= 20240116

constexpr SamplingState kNever = {std::numeric_limits<int64_t>::max(), 0};
ABSL_CONST_INIT thread_local SamplingState cordz_next_sample = kNever;

int64_t cordz_should_profile_slow(SamplingState& state) {
  state = kNever;
  return 0;
}

#else

ABSL_CONST_INIT thread_local int64_t cordz_next_sample = std::numeric_limits<int64_t>::max();

bool cordz_should_profile_slow() {
  cordz_next_sample = std::numeric_limits<int64_t>::max();
  return false;
}

#endif

void cordz_set_next_sample_for_testing(int64_t) {}

int32_t get_cordz_mean_interval() { return std::numeric_limits<int32_t>::max(); }

void set_cordz_mean_interval(int32_t) {}

}  // namespace cord_internal

ABSL_NAMESPACE_END
}  // namespace absl

#endif
