// The end of a C++ test on a machine that lacks a prerequisite. Where it is not there, CI
// must notice; a person may have good reasons.
#ifndef TCSYNC_TESTS_MISSING_PREREQUISITE_H_
#define TCSYNC_TESTS_MISSING_PREREQUISITE_H_

#include <cstdlib>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace tcsync {

inline bool IsInCi() {
  const char* const ci = std::getenv("CI");
  return ci != nullptr && absl::string_view(ci) == "true";
}

}  // namespace tcsync

// Ends the test function: with CI=true as a failure, otherwise as skipped. `reason` names
// the missing part. A macro, because each of the two returns from the function around it.
#define TCSYNC_MISSING_PREREQUISITE(reason)     \
  do {                                          \
    if (::tcsync::IsInCi()) FAIL() << (reason); \
    GTEST_SKIP() << (reason);                   \
  } while (false)

#endif  // TCSYNC_TESTS_MISSING_PREREQUISITE_H_
