// The replica tests' own main: the program is also run by itself as a child, which can be killed in
// the middle of its writes (child_process.h).
#include "gtest/gtest.h"
#include "tests/unit/replica/child_process.h"

int main(int argc, char** argv) {
  if (const auto code = tcsync::RunAsChild(argc, argv, tcsync::replica::RunTask)) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
