// A data directory that is removed from under a running server. If these fail, acknowledged writes
// are lost for ever, or a second database begins in place of the first one.
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
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

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000003");

struct Displacement {
  const char* name;
  std::function<void(const fs::path& data_dir, const fs::path& aside)> make;
  std::function<void(const fs::path& data_dir, const fs::path& aside)> undo;

  friend std::ostream& operator<<(std::ostream& out, const Displacement& displacement) {
    return out << displacement.name;
  }
};

void MoveAside(const fs::path& path, const fs::path& aside) { fs::rename(path, aside); }
void MoveBack(const fs::path& path, const fs::path& aside) {
  fs::remove_all(path);
  fs::rename(aside, path);
}

// Of one part of the directory.
Displacement OfPart(const char* name, const std::string& part) {
  return {name,
          [part](const fs::path& dir, const fs::path& aside) { MoveAside(dir / part, aside); },
          [part](const fs::path& dir, const fs::path& aside) { MoveBack(dir / part, aside); }};
}

// Of one file of the database.
Displacement OfFile(const char* name, const std::string& ending) {
  return {name,
          [ending](const fs::path& dir, const fs::path& aside) {
            const fs::path file = DatabaseFileWith(dir, ending);
            fs::create_directory(aside);
            fs::rename(file, aside / file.filename());
          },
          [](const fs::path& dir, const fs::path& aside) {
            for (const auto& entry : fs::directory_iterator(aside)) {
              fs::rename(entry.path(), dir / "rocksdb" / entry.path().filename());
            }
          }};
}

const std::vector<Displacement>& Displacements() {
  static const std::vector<Displacement> displacements = {
      {"MovedAway", MoveAside, MoveBack},
      {"ReplacedByAnEmptyOne",
       [](const fs::path& dir, const fs::path& aside) {
         MoveAside(dir, aside);
         fs::create_directory(dir);
       },
       MoveBack},
      {"ReplacedByACopy",
       [](const fs::path& dir, const fs::path& aside) {
         MoveAside(dir, aside);
         CopyDirectory(aside, dir);
       },
       MoveBack},
      OfPart("DatabaseMovedAway", "rocksdb"),
      OfPart("FormatMovedAway", "FORMAT"),
      OfPart("DatabaseFileMovedAway", "DATABASE"),
      OfPart("CurrentMovedAway", "rocksdb/CURRENT"),
      OfFile("LogMovedAway", ".log"),
      OfFile("TableMovedAway", ".sst"),
      OfFile("BlobFileMovedAway", ".blob"),
  };
  return displacements;
}

class DisplacedDirectoryTest : public testing::TestWithParam<Displacement> {
 protected:
  DisplacedDirectoryTest() {
    Reopen();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(AppendOne(30'000), absl::OkStatus());
    Reopen();  // then there is a file of every kind
    EXPECT_EQ(AppendOne(100), absl::OkStatus());
  }

  absl::StatusOr<std::unique_ptr<Storage>> TryToOpen() {
    return OpenRocksdbStorage({.data_dir = data_dir_,
                               .memtable_bytes = 1 << 20,
                               .watch_interval = std::chrono::milliseconds(20)},
                              base::Logger(
                                  [this](const LogRecord& record) {
                                    const std::lock_guard lock(mutex_);
                                    log_.push_back(ToText(record));
                                  },
                                  LogLevel::kWarning));
  }
  void Reopen() {
    storage_.reset();
    auto storage = TryToOpen();
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  absl::Status AppendOne(size_t bytes) {
    const Uuid parent = version_ids_.empty() ? kNil : version_ids_.back();
    const absl::StatusOr<AppendOutcome> outcome =
        TryAppend(*storage_, AppendRequestFor(kClient, parent, Noise(bytes)));
    if (!outcome.ok()) return outcome.status();
    version_ids_.push_back(std::get<Appended>(*outcome).version_id);
    return absl::OkStatus();
  }

  // Appends until the wanted result; returns the last one.
  absl::Status AppendUntil(bool succeeds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      const absl::Status appended = AppendOne(100);
      if (appended.ok() == succeeds || std::chrono::steady_clock::now() > deadline) {
        return appended;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  int LinesWith(const std::string& text) {
    const std::lock_guard lock(mutex_);
    int lines = 0;
    for (const std::string& line : log_) lines += line.find(text) != std::string::npos ? 1 : 0;
    return lines;
  }

  const TemporaryDirectory directory_;
  const fs::path data_dir_ = fs::path(directory_.path()) / "data";
  const fs::path aside_ = fs::path(directory_.path()) / "aside";
  std::mutex mutex_;
  std::vector<std::string> log_;
  std::unique_ptr<Storage> storage_;
  std::vector<Uuid> version_ids_;
};

INSTANTIATE_TEST_SUITE_P(Displacements, DisplacedDirectoryTest, testing::ValuesIn(Displacements()),
                         [](const testing::TestParamInfo<Displacement>& info) {
                           return info.param.name;
                         });

TEST_P(DisplacedDirectoryTest, WritesAreRefusedUntilItIsMovedBack) {
  for (int times = 1; times <= 2; ++times) {
    GetParam().make(data_dir_, aside_);
    const absl::Status refusal = AppendUntil(/*succeeds=*/false);
    EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition) << refusal;
    EXPECT_THAT(refusal.message(), HasSubstr(data_dir_.string()));
    EXPECT_THAT(refusal.message(), HasSubstr("nothing is stored"));
    // First it was moved away, and then replaced: each is reported once.
    EXPECT_LE(LinesWith("nothing is stored"), 2 * times);
    // The files in the directory's place are not ours. (In the directory itself RocksDB may still
    // have work to finish.)
    const bool has_replacement = fs::exists(data_dir_) && fs::exists(aside_ / "FORMAT");
    const std::map<std::string, std::string> replacement =
        has_replacement ? EverythingIn(data_dir_) : std::map<std::string, std::string>();
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(AppendOne(100).ok());
    if (has_replacement) {
      EXPECT_EQ(EverythingIn(data_dir_), replacement);
    }
    GetParam().undo(data_dir_, aside_);
    EXPECT_EQ(AppendUntil(/*succeeds=*/true), absl::OkStatus());
    fs::remove_all(aside_);
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, kClient, kNil)), version_ids_);
  }
  Reopen();
  EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, kClient, kNil)), version_ids_);
}

using RemovedDirectoryTest = DisplacedDirectoryTest;
INSTANTIATE_TEST_SUITE_P(Removed, RemovedDirectoryTest,
                         testing::Values(Displacement{"All", nullptr, nullptr}),
                         [](const testing::TestParamInfo<Displacement>& info) {
                           return info.param.name;
                         });

// If this fails, a server continues to acknowledge lost writes, or begins a new database without
// having been started.
TEST_P(RemovedDirectoryTest, NothingIsStoredInANewDirectory) {
  fs::remove_all(data_dir_);
  EXPECT_EQ(AppendUntil(/*succeeds=*/false).code(), absl::StatusCode::kFailedPrecondition);
  fs::create_directory(data_dir_);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(AppendOne(100'000).ok());
  storage_.reset();
  EXPECT_TRUE(fs::is_empty(data_dir_));
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
