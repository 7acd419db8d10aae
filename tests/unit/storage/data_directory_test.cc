// The data directory: its lock, and its formats. If these fail, two servers write to one directory,
// or a release writes over data that it does not understand.
#include "storage/rocksdb/data_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/child_process.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::HasSubstr;

constexpr char kFormat[] = "tcsync storage format 4\n";

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class DataDirectoryTest : public testing::Test {
 protected:
  // The error of a refused opening. Expects that the message names the directory, and that nothing
  // in it was changed.
  absl::Status Refusal() {
    const auto before = EverythingIn(directory_.path());
    const auto opened = DataDirectory::Open(path_);
    EXPECT_FALSE(opened.ok());
    EXPECT_THAT(opened.status().message(), HasSubstr(path_));
    EXPECT_EQ(EverythingIn(directory_.path()), before) << "it was changed";
    const auto storage = OpenRocksdbStorage({.data_dir = path_}, base::Logger());
    EXPECT_EQ(storage.status(), opened.status());
    EXPECT_EQ(EverythingIn(directory_.path()), before) << "it was changed";
    return opened.status();
  }

  void MakeDirectoryWithFormat(absl::string_view format) {
    std::filesystem::create_directory(path_);
    SetBytesOf(path_ + "/FORMAT", std::string(format));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/data";
};

// If this fails, other users of the machine read the server's data, or its format is not recorded.
TEST_F(DataDirectoryTest, IsCreatedForItsOwnerOnly) {
  const auto opened = DataDirectory::Open(path_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(ModeOf(path_), 0700u);
  EXPECT_EQ(BytesOf(path_ + "/FORMAT"), kFormat);
  EXPECT_EQ(ModeOf(path_ + "/FORMAT"), 0600u);
  EXPECT_EQ(opened->DatabasePath(), path_ + "/rocksdb");
}

// If this fails, a first start in a home directory or a container fails for lack of a directory.
TEST_F(DataDirectoryTest, AParentThatDoesNotExistIsCreated) {
  for (const std::string& path : {path_ + "/a/b/c", path_ + "/d/e//", path_ + "/f/"}) {
    EXPECT_TRUE(DataDirectory::Open(path).ok()) << path;
    EXPECT_EQ(ModeOf(path), 0700u);
  }
}

// If this fails, an operator's own permissions on a directory are overruled.
TEST_F(DataDirectoryTest, AnExistingDirectoryKeepsItsMode) {
  std::filesystem::create_directory(path_);
  ASSERT_EQ(chmod(path_.c_str(), 0750), 0);
  EXPECT_TRUE(DataDirectory::Open(path_).ok());
  EXPECT_EQ(ModeOf(path_), 0750u);
  EXPECT_EQ(BytesOf(path_ + "/FORMAT"), kFormat);
}

// If this fails, a server starts once and never again.
TEST_F(DataDirectoryTest, CanBeReopened) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(DataDirectory::Open(path_).ok());
  EXPECT_EQ(BytesOf(path_ + "/FORMAT"), kFormat);
}

// If this fails, an older release destroys the data of a newer one.
TEST_F(DataDirectoryTest, ANewerFormatIsRefused) {
  // With a database inside, as a newer release leaves it.
  ASSERT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
  for (const int version : {5, 10, 2'000'000'000}) {
    SetBytesOf(path_ + "/FORMAT", absl::StrCat("tcsync storage format ", version, "\n"));
    const absl::Status refusal = Refusal();
    EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(refusal.message(), HasSubstr(absl::StrCat("format ", version)));
    EXPECT_THAT(refusal.message(), HasSubstr("newer release"));
  }
}

// If this fails, tcsync writes into a directory that is another program's.
TEST_F(DataDirectoryTest, AGarbageFormatIsRefused) {
  for (const std::string& format :
       {std::string("garbage"), std::string("tcsync storage format"),
        std::string("tcsync storage format \n"), std::string("tcsync storage format 0\n"),
        std::string("tcsync storage format -1\n"), std::string("tcsync storage format 1 2\n"),
        std::string("tcsync storage format one\n"), std::string("Tcsync storage format 1\n"),
        std::string("tcsync storage format 99999999999999999999\n"), std::string(1000, 'x'),
        std::string("\0\0\0", 3)}) {
    MakeDirectoryWithFormat(format);
    EXPECT_EQ(Refusal().code(), absl::StatusCode::kFailedPrecondition) << format;
  }
}

// If this fails, a database of unknown format is read in this one.
TEST_F(DataDirectoryTest, ADatabaseWithoutAFormatIsRefused) {
  ASSERT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
  std::filesystem::remove(path_ + "/FORMAT");
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kFailedPrecondition);
  SetBytesOf(path_ + "/FORMAT", "");
  EXPECT_EQ(Refusal().code(), absl::StatusCode::kFailedPrecondition);
}

// If this fails, a mistyped path mixes another program's files with the server's, or an operator of
// the reference server sees an empty server without an explanation.
TEST_F(DataDirectoryTest, AnotherProgramsDirectoryIsRefused) {
  std::filesystem::create_directory(path_);
  SetBytesOf(path_ + "/photo.jpeg", "someone's");
  absl::Status refusal = Refusal();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refusal.message(), HasSubstr("photo.jpeg"));
  SetBytesOf(path_ + "/taskchampion-sync-server.sqlite3", "SQLite format 3");
  refusal = Refusal();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refusal.message(), HasSubstr("taskchampion-sync-server.sqlite3"));
  EXPECT_THAT(refusal.message(), HasSubstr("tcsync-server import-reference"));
}

// If this fails, a server does not start on a volume that was made for it.
TEST_F(DataDirectoryTest, ANewVolumesOwnFilesDoNotCount) {
  std::filesystem::create_directories(path_ + "/lost+found");
  SetBytesOf(path_ + "/.gitkeep", "");
  EXPECT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
  EXPECT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
}

// If this fails, an operator's files beside the data later stop the server.
TEST_F(DataDirectoryTest, OtherFilesMayBeAddedLater) {
  ASSERT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
  SetBytesOf(path_ + "/notes.txt", "an operator's");
  EXPECT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
}

// If this fails, a half-restored directory opens as one that lost data, or can never be used again.
TEST_F(DataDirectoryTest, AnInterruptedRestoreIsReportedAndCanBeRepeated) {
  {
    const auto restoring = DataDirectory::OpenForRestore(path_, 2);
    ASSERT_TRUE(restoring.ok()) << restoring.status();
    EXPECT_EQ(DataDirectory::Open(path_).status().code(), absl::StatusCode::kAlreadyExists);
    std::filesystem::create_directory(restoring->DatabasePath());
    SetBytesOf(restoring->DatabasePath() + "/000008.sst", "half of a file");
  }
  const absl::Status refusal = Refusal();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refusal.message(), HasSubstr("cut short"));
  {
    auto restoring = DataDirectory::OpenForRestore(path_, 2);
    ASSERT_TRUE(restoring.ok()) << restoring.status();
    EXPECT_FALSE(std::filesystem::exists(restoring->DatabasePath())) << "with the half file in it";
    EXPECT_TRUE(restoring->EndRestore("identity").ok());
  }
  EXPECT_EQ(BytesOf(path_ + "/FORMAT"), "tcsync storage format 2\n");
  EXPECT_FALSE(std::filesystem::exists(path_ + "/RESTORING"));
}

// If this fails, a restore writes over data, or refuses the directory that was made for it.
TEST_F(DataDirectoryTest, ARestoreRequiresAnEmptyDirectory) {
  ASSERT_TRUE(OpenRocksdbStorage({.data_dir = path_}, base::Logger()).ok());
  auto contents = EverythingIn(path_);
  auto refused = DataDirectory::OpenForRestore(path_, 2).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), testing::AllOf(HasSubstr(path_), HasSubstr("DATABASE")));
  EXPECT_EQ(EverythingIn(path_), contents) << "it was changed";

  const std::string foreign = directory_.path() + "/foreign";
  std::filesystem::create_directory(foreign);
  SetBytesOf(foreign + "/photo.jpeg", "someone's");
  refused = DataDirectory::OpenForRestore(foreign, 1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(EverythingIn(foreign).size(), 1u) << "it was changed";

  const std::string volume = directory_.path() + "/volume";
  std::filesystem::create_directories(volume + "/lost+found");
  auto restoring = DataDirectory::OpenForRestore(volume, 1);
  ASSERT_TRUE(restoring.ok()) << restoring.status();
  restoring->AbandonRestore();
  EXPECT_EQ(EverythingIn(volume).size(), 1u) << "something was left behind";

  const std::string created = directory_.path() + "/created";
  auto made = DataDirectory::OpenForRestore(created, 1);
  ASSERT_TRUE(made.ok()) << made.status();
  made->AbandonRestore();
  EXPECT_FALSE(std::filesystem::exists(created)) << "something was left behind";
}

// If this fails, an interrupted first start makes every later one fail.
TEST_F(DataDirectoryTest, AnEmptyFormatIsCompleted) {
  MakeDirectoryWithFormat("");
  EXPECT_TRUE(DataDirectory::Open(path_).ok());
  EXPECT_EQ(BytesOf(path_ + "/FORMAT"), kFormat);
}

// If this fails, two engines of one process write to one directory and destroy it.
TEST_F(DataDirectoryTest, CanBeOpenedOnceInAProcess) {
  const auto first = OpenRocksdbStorage({.data_dir = path_}, base::Logger());
  ASSERT_TRUE(first.ok()) << first.status();
  MustAppend(**first, Uuid::Random(), kNil);
  const auto second = OpenRocksdbStorage({.data_dir = path_}, base::Logger());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(second.status().message(), HasSubstr(path_));
  EXPECT_THAT(second.status().message(), HasSubstr("in use"));
  MustAppend(**first, Uuid::Random(), kNil);
}

// If this fails, two servers on one directory destroy it.
TEST_F(DataDirectoryTest, CanBeOpenedByOneProcess) {
  {
    const auto first = OpenRocksdbStorage({.data_dir = path_}, base::Logger());
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_THAT(ChildProcess(kTryOpen, path_).ReadLine().value_or(""),
                testing::AllOf(testing::StartsWith("ALREADY_EXISTS"), HasSubstr(path_)));
    MustAppend(**first, Uuid::Random(), kNil);
  }
  EXPECT_EQ(ChildProcess(kTryOpen, path_).ReadLine(), "ok");
}

// If this fails, the lock is lost or doubled when the directory changes hands within the program.
TEST_F(DataDirectoryTest, TheLockIsMovedWithTheObject) {
  auto opened = DataDirectory::Open(path_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  {
    const DataDirectory moved = *std::move(opened);
    opened = absl::UnknownError("moved from");
    EXPECT_EQ(DataDirectory::Open(path_).status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_TRUE(DataDirectory::Open(path_).ok());
}

// If this fails, a mistake in a path destroys a file, or gives a message that does not help.
TEST_F(DataDirectoryTest, AFileIsRefused) {
  SetBytesOf(path_, "a file of someone's");
  const absl::Status refusal = Refusal();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(refusal.message(), HasSubstr("not a directory"));
}

// If this fails, the message about an impossible path does not name it.
TEST_F(DataDirectoryTest, APathThroughAFileIsRefused) {
  SetBytesOf(path_, "a file of someone's");
  const auto opened = DataDirectory::Open(path_ + "/data");
  EXPECT_FALSE(opened.ok());
  EXPECT_THAT(opened.status().message(), HasSubstr(path_));
}

// If this fails, an empty option puts data into the root directory.
TEST_F(DataDirectoryTest, AnEmptyPathIsRefused) {
  EXPECT_EQ(DataDirectory::Open("").status().code(), absl::StatusCode::kInvalidArgument);
}

// If this fails, a server without the rights to its directory fails with a message that does not
// help, or starts and fails later.
TEST_F(DataDirectoryTest, AnUnwritableDirectoryIsRefused) {
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const auto refusal = [this] {
    return ChildProcess(kTryOpenAsNobody, path_).ReadLine().value_or("");
  };
  const auto is_denied = testing::AllOf(testing::StartsWith("PERMISSION_DENIED"), HasSubstr(path_));
  // A user who is neither root nor the owner, or whose directory is read-only.
  ASSERT_EQ(chmod(directory_.path().c_str(), 0555), 0);
  EXPECT_THAT(refusal(), is_denied);  // cannot be created
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  std::filesystem::create_directory(path_);
  ASSERT_EQ(chmod(path_.c_str(), 0555), 0);
  EXPECT_THAT(refusal(), is_denied);
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  // Its files belong to another user.
  ASSERT_EQ(chmod(path_.c_str(), 0755), 0);
  SetBytesOf(path_ + "/FORMAT", kFormat);
  ASSERT_EQ(chmod((path_ + "/FORMAT").c_str(), 0400), 0);
  EXPECT_THAT(refusal(), is_denied);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
