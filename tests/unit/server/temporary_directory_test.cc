// A command's own files. If these fail, a person's history stays readable in /tmp.
#include "server/administration/temporary_directory.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/child.h"

namespace tcsync::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(TemporaryDirectoryTest, IsItsOwnersOnlyAndGoesWithItsContent) {
  std::string path;
  {
    const TemporaryDirectory first("tcsync-test");
    const TemporaryDirectory second("tcsync-test");
    EXPECT_NE(first.path(), second.path());
    path = first.path();
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    std::filesystem::create_directories(path + "/a/b");
    std::ofstream(path + "/a/b/c") << "x";
    std::filesystem::create_symlink("/", path + "/root");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists("/tmp")) << "a link was followed";
}

TEST(TemporaryDirectoryTest, IsMadeWhereTheEnvironmentSays) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string file = directory.path() + "/file";
  std::ofstream(file) << "x";
  const struct {
    std::string variable;
    std::string begin;  // of the path
  } cases[] = {
      {directory.path(), directory.path() + "/tcsync-x-"},
      {directory.path() + "/absent", "/tmp/tcsync-x-"},
      {file, "/tmp/tcsync-x-"},
  };
  for (const auto& each : cases) {
    const ChildEnd end = RunInChild([&](const Report& report) {
      setenv("TMPDIR", each.variable.c_str(), 1);
      report(TemporaryDirectory("tcsync-x").path());
    });
    EXPECT_THAT(end.report, StartsWith(each.begin));
    EXPECT_EQ(end.status, 0);
  }
}

TEST(TemporaryDirectoryTest, WithoutAPlaceForItTheFailureHasItsPath) {
  const ChildEnd end = RunInChild([](const Report&) { TemporaryDirectory("no/such"); });
  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.report, HasSubstr("no/such-"));
  EXPECT_THAT(end.report, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace tcsync::server
