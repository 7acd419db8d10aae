// An incomplete data directory. If these fail, a start deletes the rest of the data, or serves a
// part of it as the whole.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");

absl::StatusOr<std::unique_ptr<Storage>> TryOpen(const std::string& data_dir) {
  return OpenRocksdbStorage({.data_dir = data_dir, .memtable_bytes = 64 * 1024}, base::Logger());
}

// A directory with table files, blob files and a log, all of which are needed; and its content.
struct CompleteDirectory {
  explicit CompleteDirectory(const std::string& data_dir) {
    std::unique_ptr<Storage> storage = *TryOpen(data_dir);
    for (int i = 0; i < 12; ++i) {
      version_ids.push_back(
          MustAppend(*storage, kClient, Latest(),
                     Noise(i % 3 == 0 ? 40'000 : 12'000, static_cast<uint32_t>(i)))
              .version_id);
    }
    storage.reset();
    storage = *TryOpen(data_dir);  // the content of the log is in files now
    for (int i = 0; i < 3; ++i) {
      version_ids.push_back(MustAppend(*storage, kClient, Latest(), Noise(300)).version_id);
    }
  }

  Uuid Latest() const { return version_ids.empty() ? kNil : version_ids.back(); }

  std::vector<Uuid> version_ids;
};

struct Damage {
  const char* name;
  // A change to a directory, given another whole one.
  std::function<void(const fs::path& data_dir, const fs::path& other)> make;
  const char* message;  // a part of the refusal

  friend std::ostream& operator<<(std::ostream& out, const Damage& damage) {
    return out << damage.name;
  }
};

fs::path ManifestOf(const fs::path& data_dir) {
  std::string name = BytesOf(data_dir / "rocksdb/CURRENT");
  name.pop_back();
  return data_dir / "rocksdb" / name;
}

void Halve(const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); }

const std::vector<Damage>& Damages() {
  static const std::vector<Damage> damages = {
      {"CurrentIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(dir / "rocksdb/CURRENT"); },
       "rocksdb/CURRENT is missing"},
      {"CurrentIsEmpty",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(dir / "rocksdb/CURRENT", ""); },
       "rocksdb/CURRENT is empty"},
      {"CurrentIsGarbage",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(dir / "rocksdb/CURRENT", "?\n"); },
       "rocksdb/CURRENT is damaged"},
      {"CurrentNamesAMissingManifest",
       [](const fs::path& dir, const fs::path&) {
         SetBytesOf(dir / "rocksdb/CURRENT", "MANIFEST-000999\n");
       },
       "rocksdb/MANIFEST-000999, which CURRENT names, is missing"},
      {"CurrentAndLogsAreMissing",
       [](const fs::path& dir, const fs::path&) {
         fs::remove(dir / "rocksdb/CURRENT");
         fs::remove(DatabaseFileWith(dir, ".log"));
       },
       "rocksdb/CURRENT is missing"},
      {"ManifestIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(ManifestOf(dir)); }, "MANIFEST"},
      {"ManifestIsEmpty",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(ManifestOf(dir), ""); }, "is empty"},
      {"ManifestIsHalved", [](const fs::path& dir, const fs::path&) { Halve(ManifestOf(dir)); },
       "bytes"},
      {"ManifestLacksItsLastByte",
       [](const fs::path& dir, const fs::path&) {
         fs::resize_file(ManifestOf(dir), fs::file_size(ManifestOf(dir)) - 1);
       },
       "bytes"},
      {"ManifestHasAFlippedByteAtItsBeginning",
       [](const fs::path& dir, const fs::path&) { FlipByteOf(ManifestOf(dir), 20); },
       "is damaged at byte 0"},
      {"ManifestHasAFlippedByteAtItsEnd",
       [](const fs::path& dir, const fs::path&) {
         FlipByteOf(ManifestOf(dir), fs::file_size(ManifestOf(dir)) - 3);
       },
       "is damaged at byte"},
      {"TableIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(DatabaseFileWith(dir, ".sst")); },
       ".sst is missing"},
      {"TableIsTruncated",
       [](const fs::path& dir, const fs::path&) { Halve(DatabaseFileWith(dir, ".sst")); },
       ".sst has"},
      {"TableHasAFlippedByteInItsFirstRecords",
       [](const fs::path& dir, const fs::path&) { FlipByteOf(DatabaseFileWith(dir, ".sst"), 10); },
       "the storage's own records cannot be read: Corruption"},
      {"TableIsEmpty",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(DatabaseFileWith(dir, ".sst"), ""); },
       ".sst has 0 bytes"},
      {"BlobFileIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(DatabaseFileWith(dir, ".blob")); },
       ".blob is missing"},
      {"BlobFileIsTruncated",
       [](const fs::path& dir, const fs::path&) { Halve(DatabaseFileWith(dir, ".blob")); },
       ".blob has"},
      {"AllTablesAndBlobsAreMissing",
       [](const fs::path& dir, const fs::path&) {
         std::vector<fs::path> files;
         for (const auto& entry : fs::directory_iterator(dir / "rocksdb")) {
           const fs::path ending = entry.path().extension();
           if (ending == ".sst" || ending == ".blob") files.push_back(entry.path());
         }
         for (const fs::path& file : files) fs::remove(file);
       },
       " is missing"},
      {"LogIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(DatabaseFileWith(dir, ".log")); },
       "with up to 6 versions"},
      {"DatabaseIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove_all(dir / "rocksdb"); },
       "rocksdb/ is missing"},
      {"DatabaseIsEmpty",
       [](const fs::path& dir, const fs::path&) {
         fs::remove_all(dir / "rocksdb");
         fs::create_directory(dir / "rocksdb");
       },
       "rocksdb/CURRENT is missing"},
      {"DatabaseFileIsMissing",
       [](const fs::path& dir, const fs::path&) { fs::remove(dir / "DATABASE"); },
       "DATABASE is missing"},
      {"DatabaseFileIsEmpty",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(dir / "DATABASE", ""); },
       "DATABASE is damaged"},
      {"DatabaseFileIsGarbage",
       [](const fs::path& dir, const fs::path&) {
         SetBytesOf(dir / "DATABASE", std::string(20'000, '?'));
       },
       "DATABASE is damaged"},
      {"FormatIsMissing", [](const fs::path& dir, const fs::path&) { fs::remove(dir / "FORMAT"); },
       "FORMAT is missing"},
      {"FormatIsEmpty",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(dir / "FORMAT", ""); },
       "FORMAT is empty"},
      {"FormatIsGarbage",
       [](const fs::path& dir, const fs::path&) { SetBytesOf(dir / "FORMAT", "?\n"); },
       "FORMAT file does not read"},
      {"OnlyFormatIsPresent",
       [](const fs::path& dir, const fs::path&) {
         fs::remove_all(dir / "rocksdb");
         fs::remove(dir / "DATABASE");
       },
       "DATABASE is missing"},
      {"DatabaseIsOfAnotherDirectory",
       [](const fs::path& dir, const fs::path& other) {
         CopyDirectory(other / "rocksdb", dir / "rocksdb");
       },
       "it belongs to"},
      {"ManifestIsOfAnotherDatabase",
       [](const fs::path& dir, const fs::path& other) {
         fs::remove(ManifestOf(dir));
         fs::copy(ManifestOf(other), dir / "rocksdb", fs::copy_options::overwrite_existing);
         fs::copy(other / "rocksdb/CURRENT", dir / "rocksdb", fs::copy_options::overwrite_existing);
       },
       "it belongs to"},
      {"ManifestIsOutdated",
       [](const fs::path& dir, const fs::path&) {
         SetBytesOf(dir / "rocksdb/MANIFEST-000001", BytesOf(ManifestOf(dir)));
         SetBytesOf(dir / "rocksdb/CURRENT", "MANIFEST-000001\n");
       },
       "is older than"},
  };
  return damages;
}

class IncompleteDirectoryTest : public testing::TestWithParam<Damage> {
 protected:
  const TemporaryDirectory directory_;
  const fs::path complete_dir_ = fs::path(directory_.path()) / "whole";
  const fs::path other_dir_ = fs::path(directory_.path()) / "other";
  const fs::path data_dir_ = fs::path(directory_.path()) / "data";
};

INSTANTIATE_TEST_SUITE_P(Damages, IncompleteDirectoryTest, testing::ValuesIn(Damages()),
                         [](const testing::TestParamInfo<Damage>& info) {
                           return info.param.name;
                         });

TEST_P(IncompleteDirectoryTest, IsRefusedUnchangedUntilItIsComplete) {
  const CompleteDirectory complete(complete_dir_);
  CompleteDirectory another(other_dir_);
  CopyDirectory(complete_dir_, data_dir_);
  GetParam().make(data_dir_, other_dir_);
  const std::map<std::string, std::string> before = EverythingIn(data_dir_);
  for (int i = 0; i < 2; ++i) {
    const absl::Status refusal = TryOpen(data_dir_).status();
    EXPECT_THAT(refusal.message(), HasSubstr(GetParam().message));
    EXPECT_THAT(refusal.message(), HasSubstr(data_dir_.string()));
    EXPECT_EQ(EverythingIn(data_dir_), before) << "it was changed";
  }
  CopyDirectory(complete_dir_, data_dir_);
  const auto storage = TryOpen(data_dir_);
  ASSERT_TRUE(storage.ok()) << storage.status();
  EXPECT_EQ(VersionIdsOf(ReadChain(**storage, kClient, kNil)), complete.version_ids);
}

// An older release would make a database where its own is missing. If this fails, the upgrade does.
TEST(IncompleteOldDirectoryTest, IsRefusedUnchangedByTheUpgrade) {
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  const CompleteDirectory complete(data_dir);
  SetBytesOf(data_dir + "/FORMAT", "tcsync storage format 2\n");
  fs::remove(data_dir + "/DATABASE");
  fs::rename(data_dir + "/rocksdb", directory.path() + "/away");
  const auto before = EverythingIn(data_dir);
  EXPECT_THAT(TryOpen(data_dir).status().message(), HasSubstr("rocksdb/ is missing"));
  EXPECT_EQ(EverythingIn(data_dir), before);
  fs::rename(directory.path() + "/away", data_dir + "/rocksdb");
  for (int i = 0; i < 2; ++i) {
    const auto storage = TryOpen(data_dir);
    ASSERT_TRUE(storage.ok()) << storage.status();
    EXPECT_EQ(VersionIdsOf(ReadChain(**storage, kClient, kNil)), complete.version_ids);
    EXPECT_EQ(BytesOf(data_dir + "/FORMAT"), "tcsync storage format 4\n");
    EXPECT_TRUE(fs::exists(data_dir + "/DATABASE"));
  }
}

// If this fails, a server with an interrupted first start never starts.
TEST(FirstStartTest, IsCompletedAfterAnInterruptionAtAnyPoint) {
  const TemporaryDirectory directory;
  const fs::path fresh = fs::path(directory.path()) / "fresh";
  ASSERT_TRUE(TryOpen(fresh).ok());
  EXPECT_FALSE(fs::exists(fresh / "CREATING"));
  SetBytesOf(fresh / "CREATING", "");
  // Each undoes one more of its steps.
  const std::vector<std::function<void(const fs::path&)>> steps = {
      [](const fs::path&) {},
      [](const fs::path& dir) { fs::remove(dir / "reserve"); },
      [](const fs::path& dir) { fs::rename(dir / "DATABASE", dir / "DATABASE.new"); },
      [](const fs::path& dir) { fs::remove(dir / "DATABASE.new"); },
      [](const fs::path& dir) { fs::remove(DatabaseFileWith(dir, ".log")); },
      [](const fs::path& dir) { fs::remove(dir / "rocksdb/CURRENT"); },
      [](const fs::path& dir) { Halve(DatabaseFileWith(dir, "")); },
      [](const fs::path& dir) {
        fs::remove_all(dir / "rocksdb");
        fs::create_directory(dir / "rocksdb");
      },
      [](const fs::path& dir) { fs::remove(dir / "rocksdb"); },
      [](const fs::path& dir) { SetBytesOf(dir / "FORMAT", ""); },
      [](const fs::path& dir) { fs::remove(dir / "CREATING"); },
      [](const fs::path& dir) { fs::remove(dir / "FORMAT"); },
  };
  for (size_t undone = 1; undone <= steps.size(); ++undone) {
    SCOPED_TRACE(undone);
    const fs::path data_dir = fs::path(directory.path()) / std::to_string(undone);
    CopyDirectory(fresh, data_dir);
    for (size_t i = 0; i < undone; ++i) steps[i](data_dir);
    std::vector<Uuid> version_ids;
    for (int i = 0; i < 2; ++i) {
      const auto storage = TryOpen(data_dir);
      ASSERT_TRUE(storage.ok()) << storage.status();
      EXPECT_FALSE(fs::exists(data_dir / "CREATING"));
      EXPECT_EQ(VersionIdsOf(ReadChain(**storage, kClient, kNil)), version_ids);
      if (i == 0) version_ids = AppendChain(**storage, kClient, kNil, 3);
    }
  }
}

// If this fails, data in a directory that looks like an interrupted first start is deleted.
TEST(FirstStartTest, ADirectoryWithDataIsNeverTreatedAsNew) {
  const TemporaryDirectory directory;
  const fs::path data_dir = fs::path(directory.path()) / "data";
  const CompleteDirectory complete(data_dir);
  SetBytesOf(data_dir / "CREATING", "");
  fs::remove(data_dir / "DATABASE");
  fs::remove(data_dir / "rocksdb/CURRENT");
  for (const char* const ending : {".blob", ".log", ".sst"}) {
    const auto before = EverythingIn(data_dir);
    EXPECT_THAT(TryOpen(data_dir).status().message(), HasSubstr("had just been created, but has"));
    EXPECT_EQ(EverythingIn(data_dir), before);
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(data_dir / "rocksdb")) {
      if (entry.path().extension() == ending) files.push_back(entry.path());
    }
    for (const fs::path& file : files) fs::remove(file);
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
