// The storage tests' own main: the program is also run by itself as a child, which can be killed in
// the middle of its writes (child_process.h).
#include "gtest/gtest.h"
#include "tests/unit/storage/child_process.h"

int main(int argc, char** argv) {
  if (const auto code = tcsync::RunAsChild(argc, argv, tcsync::RunTask)) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
