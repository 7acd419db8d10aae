// What a C++ test says when this machine lacks something that it needs. Where it is not there, CI
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

// Ends the test function: with CI=true as a failure, otherwise as skipped. `what` says what is
// missing. Two branches, because each is a return.
#define TCSYNC_MISSING_PREREQUISITE(what)   \
  if (::tcsync::IsInCi()) FAIL() << (what); \
  GTEST_SKIP() << (what)

#endif  // TCSYNC_TESTS_MISSING_PREREQUISITE_H_
