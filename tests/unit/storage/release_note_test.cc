// Databases of another release of RocksDB. If these fail, an operator who went back to an older
// system reads that the data is damaged, and not that the system is too old for it.
#include "storage/rocksdb/release_note.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "rocksdb/db.h"
#include "rocksdb/version.h"
#include "temporary_directory.h"
#include "tests/unit/storage/bare_database.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReleaseNoteTest : public testing::Test {
 protected:
  std::string Note() { return NewerReleaseNote(*rocksdb::Env::Default(), path_); }

  // Options as RocksDB writes them, of that release.
  void WriteOptions(const std::string& number, const std::string& release) {
    std::filesystem::create_directories(path_);
    std::ofstream(absl::StrCat(path_, "/OPTIONS-", number))
        << "# This is a RocksDB option file.\n#\n\n[Version]\n  rocksdb_version=" << release
        << "\n  options_file_version=1.1\n\n[DBOptions]\n";
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/rocksdb";
};

// If this fails, an operator who went back to an older system takes good data for damaged.
TEST_F(ReleaseNoteTest, ANewerReleaseIsNamed) {
  WriteOptions("000007", "99.1.2");
  EXPECT_THAT(Note(), HasSubstr("RocksDB 99.1.2 had it open last"));
  EXPECT_THAT(Note(), HasSubstr(absl::StrCat("this is ", ROCKSDB_MAJOR, ".", ROCKSDB_MINOR)));
}

// If this fails, the message blames a release that had the database open long ago.
TEST_F(ReleaseNoteTest, TheNewestFileNamesTheRelease) {
  WriteOptions("000099", "99.1.2");
  WriteOptions("000100", "1.2.3");
  EXPECT_THAT(Note(), IsEmpty());
}

// If this fails, a release with a two-digit number counts as older.
TEST_F(ReleaseNoteTest, ReleasesAreComparedAsNumbers) {
  WriteOptions("000007", absl::StrCat(ROCKSDB_MAJOR, ".", ROCKSDB_MINOR + 100, ".0"));
  EXPECT_THAT(Note(), HasSubstr("had it open last"));
}

// If this fails, RocksDB writes the release in another way, and the note is never given.
TEST_F(ReleaseNoteTest, ADatabaseOfThisReleaseHasNoNote) {
  rocksdb::Options options;
  options.create_if_missing = true;
  ASSERT_NE(OpenBareDatabase(path_, options), nullptr);
  EXPECT_THAT(Note(), IsEmpty());
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (entry.path().filename().string().rfind("OPTIONS-", 0) != 0) continue;
    std::ifstream file(entry.path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string own_release = absl::StrCat("rocksdb_version=", ROCKSDB_MAJOR, ".");
    const size_t place = text.find(own_release);
    ASSERT_NE(place, std::string::npos);
    std::ofstream(entry.path()) << text.replace(place, own_release.size(), "rocksdb_version=99.");
  }
  EXPECT_THAT(Note(), HasSubstr("RocksDB 99"));
}

// If this fails, the message blames a release that never had the database open.
TEST_F(ReleaseNoteTest, AnUnreadableReleaseHasNoNote) {
  EXPECT_THAT(Note(), IsEmpty());  // there is no directory
  for (const char* const release : {"", "99", "99.1.2.3", "x.y.z", "99..1"}) {
    WriteOptions("000007", release);
    EXPECT_THAT(Note(), IsEmpty()) << release;
  }
  std::filesystem::create_directory(path_ + "/OPTIONS-000008");
  EXPECT_THAT(Note(), IsEmpty());
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
