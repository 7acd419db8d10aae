// The file of an export. If these fail, a half export has the name of a whole one, a full disk goes
// unnoticed, or a stranger reads a person's history.
#include "server/administration/export_output.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/temporary_directory.h"
#include "server/process.h"
#include "tests/unit/server/child.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

size_t EntriesIn(const std::string& directory) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

TEST(ExportOutputTest, AFileGetsItsNameWhenItIsWhole) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path = directory.path() + "/out";
  {
    ExportOutput output(path, false);
    output.Write("half,");
    EXPECT_FALSE(std::filesystem::exists(path));
    struct stat status {};
    ASSERT_EQ(stat((path + ".part").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << "for its owner only";
    output.Write("");
    output.Write("whole");
    output.Finish();
  }
  EXPECT_EQ(ContentOf(path), "half,whole");
  EXPECT_EQ(EntriesIn(directory.path()), 1u);
}

TEST(ExportOutputTest, AnAbandonedFileIsRemoved) {
  const TemporaryDirectory directory("tcsync-test");
  { ExportOutput(directory.path() + "/out", false).Write("half"); }
  EXPECT_EQ(EntriesIn(directory.path()), 0u);
}

TEST(ExportOutputTest, AnEmptyExportIsAnEmptyFile) {
  const TemporaryDirectory directory("tcsync-test");
  ExportOutput(directory.path() + "/out", true).Finish();
  EXPECT_EQ(ContentOf(directory.path() + "/out"), "");
  EXPECT_EQ(EntriesIn(directory.path()), 1u);
}

TEST(ExportOutputTest, APlaceThatCannotBeWrittenIsNamed) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string base = directory.path();
  std::ofstream(base + "/file") << "kept";
  std::ofstream(base + "/taken.part") << "of another export";
  const struct {
    std::string path;
    const char* why;
  } cases[] = {
      {base + "/absent/out", "No such file or directory"},
      {base + "/file/out", "Not a directory"},
      {base + "/taken", "File exists"},
      {base + "/" + std::string(300, 'x'), "File name too long"},
      {std::string(1, '\x01') + "/out", "No such file or directory"},
  };
  for (const auto& each : cases) {
    const Outcome outcome = OutcomeOf([&] { ExportOutput(each.path, false); });
    EXPECT_EQ(outcome.status, kExitFailure);
    EXPECT_EQ(outcome.message, "cannot create " + each.path + ".part: " + each.why);
  }
  EXPECT_EQ(ContentOf(base + "/taken.part"), "of another export");
  EXPECT_EQ(EntriesIn(base), 2u);
}

TEST(ExportOutputTest, ADirectoryInThePlaceIsKept) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path = directory.path() + "/out";
  std::filesystem::create_directory(path);
  const Outcome outcome = OutcomeOf([&] {
    ExportOutput output(path, false);
    output.Write("x");
    output.Finish();
  });
  EXPECT_EQ(outcome.status, kExitFailure);
  EXPECT_THAT(outcome.message, StartsWith("cannot write " + path + ": "));
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(EntriesIn(directory.path()), 1u);
}

// If this fails, a damaged client is half in the export that is said not to have it.
TEST(ExportOutputTest, WhatWasNotKeptCanBeTakenBack) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path = directory.path() + "/out";
  const auto write = [](ExportOutput& output) {
    output.Write("first,");
    output.Keep();
    output.Write(std::string(100'000, 'x'));
    output.TakeBack();
    output.TakeBack();
    output.Write("second");
    output.Keep();
    output.Write("x");
    output.TakeBack();
    output.Finish();
  };
  {
    ExportOutput output(path, true);
    write(output);
  }
  EXPECT_EQ(ContentOf(path), "first,second");

  testing::internal::CaptureStdout();
  {
    ExportOutput output("", true);
    write(output);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "first,second");
}

// The output to `path` on a disk with room for `room` bytes.
ChildEnd OnFullDisk(const std::string& path, rlim_t room, size_t bytes, bool can_take_back) {
  return RunInChild([&](const Report& report) {
    Replace(STDOUT_FILENO, "/dev/null");
    IgnoreFileSizeSignal();
    const rlimit limit{room, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    ExportOutput output(path, can_take_back);
    output.Write(std::string(bytes, 'x'));
    if (can_take_back) output.Keep();
    output.Finish();
    report("finished");
  });
}

TEST(ExportOutputTest, AFullDiskIsAFailureAndLeavesNothing) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path = directory.path() + "/out";
  for (const bool can_take_back : {false, true}) {
    // Less than a buffer, a whole one, and more.
    for (const size_t bytes : {1, 4096, 100'000}) {
      const ChildEnd end = OnFullDisk(path, 0, bytes, can_take_back);
      EXPECT_EQ(end.status, kExitFailure) << bytes;
      EXPECT_THAT(end.report, HasSubstr("cannot write " + path + ": File too large")) << bytes;
    }
    EXPECT_EQ(OnFullDisk(path, 50'000, 100'000, can_take_back).status, kExitFailure);
  }
  EXPECT_EQ(EntriesIn(directory.path()), 0u);
}

// If this fails, an export through a pipe loses clients while /tmp is full, and says that it has
// them.
TEST(ExportOutputTest, AFullDirectoryForTheSpoolIsAFailure) {
  for (const size_t bytes : {1, 4096, 5000, 100'000}) {
    const ChildEnd end = OnFullDisk("", 0, bytes, /*can_take_back=*/true);
    EXPECT_EQ(end.status, kExitFailure) << bytes;
    EXPECT_EQ(end.report, "cannot write the output: File too large; ") << bytes;
  }
}

TEST(ExportOutputTest, LostStandardOutputIsAFailure) {
  for (const bool can_take_back : {false, true}) {
    for (const size_t bytes : {1, 4096, 100'000}) {
      const ChildEnd end = RunInChild([&](const Report&) {
        Replace(STDOUT_FILENO, "/dev/full");
        ExportOutput output("", can_take_back);
        output.Write(std::string(bytes, 'x'));
        output.Keep();
        output.Finish();
      });
      EXPECT_EQ(end.status, kExitFailure) << bytes;
      EXPECT_THAT(end.report, HasSubstr("cannot write the output")) << bytes;
    }
  }
}

TEST(ExportOutputTest, ATakenNameIsRefused) {
  const TemporaryDirectory directory("tcsync-test");
  EXPECT_EQ(OutcomeOf([&] { CheckIsNew(directory.path() + "/new"); }).status, 0);
  std::ofstream(directory.path() + "/file") << "x";
  for (const std::string& path : {directory.path(), directory.path() + "/file"}) {
    const Outcome outcome = OutcomeOf([&] { CheckIsNew(path); });
    EXPECT_EQ(outcome.message, path + " exists already: name another file with --output");
  }
}

TEST(ExportOutputTest, AFileWithoutANameIsNamedByClientReasonAndTime) {
  EXPECT_THAT(ExportFileName("c11e4700", "before-rewind"),
              MatchesRegex("c11e4700-before-rewind-20[0-9]+T[0-9]+Z\\.jsonl"));
}

}  // namespace
}  // namespace tcsync::server
