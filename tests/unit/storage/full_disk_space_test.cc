// A disk that is really full: a small file system, filled to its last byte. If these fail, an
// operator cannot make room there, or strangers take the room that was made.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/missing_prerequisite.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr int kDiskMebibytes = 48;

class SmallDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    if (mount("tmpfs", disk_.path().c_str(), "tmpfs", 0,
              absl::StrCat("size=", kDiskMebibytes, "m").c_str()) != 0) {
      TCSYNC_MISSING_PREREQUISITE(absl::StrCat("a small file system cannot be mounted (",
                                               std::strerror(errno), "): run this as root"));
    }
    is_mounted_ = true;
    options_.data_dir = disk_.path() + "/data";
    options_.memtable_bytes = 256 * 1024;
    options_.disk_wait_max = std::chrono::hours(1);
    Open();
  }

  void TearDown() override {
    storage_.reset();
    if (is_mounted_) {
      EXPECT_EQ(umount2(disk_.path().c_str(), MNT_DETACH), 0);
    }
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage(options_, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  uint64_t FreeBytes() const {
    struct statvfs disk {};
    EXPECT_EQ(statvfs(disk_.path().c_str(), &disk), 0);
    return uint64_t{disk.f_bavail} * disk.f_frsize;
  }

  // A stranger uploads until nothing is accepted any more, and continues with less and less.
  Uuid FillByUploads(size_t segment_bytes) {
    const Uuid stranger = Uuid::Random();
    Uuid latest = kNil;
    for (size_t bytes = segment_bytes; bytes > 0; bytes /= 8) {
      for (;;) {
        const auto outcome =
            TryAppend(*storage_, AppendRequestFor(stranger, latest, Noise(bytes, ++seed_)));
        if (!outcome.ok()) {
          EXPECT_TRUE(absl::IsResourceExhausted(outcome.status())) << outcome.status();
          break;
        }
        latest = std::get<Appended>(*outcome).version_id;
      }
    }
    return stranger;
  }

  // Another program's file takes the rest.
  void FillWithAnotherFile() {
    const int file =
        open((disk_.path() + "/other").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    const std::string bytes(4096, 'x');
    while (write(file, bytes.data(), bytes.size()) > 0) continue;
    close(file);
  }

  // The same, until compactions in progress have ended and release nothing any more.
  void FillDisk() {
    for (int i = 0; i < 1'000; ++i) {
      FillWithAnotherFile();
      if (IsRefused() && FreeBytes() < 100'000) return;
    }
    ADD_FAILURE() << "the disk does not fill up";
  }

  bool IsRefused() {
    const auto outcome = TryAppend(*storage_, AppendRequestFor(Uuid::Random(), kNil, "small"));
    if (!outcome.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(outcome.status())) << outcome.status();
    }
    return !outcome.ok();
  }

  // New data is stored only once the reserve is back: a compaction may have released some space
  // meanwhile.
  void ExpectRoomIsKept() {
    if (IsRefused()) return;
    EXPECT_GT(std::filesystem::file_size(options_.data_dir + "/reserve"), uint64_t{1} << 20);
  }

  CompactionReport Compact() {
    const auto report = storage_->administration().Compact(
        {}, [](absl::string_view, uint64_t, uint64_t) { return true; });
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(CompactionReport());
  }

  const TemporaryDirectory disk_;
  bool is_mounted_ = false;
  RocksdbStorageOptions options_;
  std::unique_ptr<Storage> storage_;
  uint32_t seed_ = 0;
};

// If this fails, users stay locked out after the operator deleted the stranger who filled the disk.
TEST_F(SmallDiskTest, DeletingAClientFreesItsSpaceAtOnce) {
  for (const size_t segment_bytes : {size_t{1'000'000}, size_t{15'000}, size_t{3'000}}) {
    SCOPED_TRACE(segment_bytes);
    const Uuid honest = Uuid::Random();
    const std::vector<Uuid> chain = AppendChain(*storage_, honest, kNil, 10);
    const Uuid stranger = FillByUploads(segment_bytes);
    FillDisk();
    // Looking works.
    EXPECT_GE(ListAll(*storage_).size(), 2u);
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, honest, kNil)), chain);
    EXPECT_TRUE(storage_->administration().ReadStats().ok());

    ASSERT_TRUE(Delete(*storage_, stranger));
    Compact();
    std::filesystem::remove(disk_.path() + "/other");
    EXPECT_GE(FreeBytes(), uint64_t{20} << 20);
    EXPECT_FALSE(IsRefused());
    EXPECT_EQ(VersionIdsOf(ReadChain(*storage_, honest, kNil)), chain);
    ASSERT_TRUE(Delete(*storage_, honest));
  }
}

// If this fails, a compaction takes the space that a deletion needs, and the disk stays full.
// RocksDB compacts when it chooses, also with the space that was just released for a removal. A
// removal must be written beside a compaction that takes all the space it can.
TEST_F(SmallDiskTest, AFailedCompactionLeavesTheReserveForTheLog) {
  const Uuid stranger = FillByUploads(3'000);
  FillDisk();
  std::atomic<bool> is_done{false};
  std::thread compactions([&] {
    while (!is_done) {
      const auto report = storage_->administration().Compact(
          {.everything = true}, [&](absl::string_view, uint64_t, uint64_t) { return !is_done; });
      if (report.ok()) continue;
      EXPECT_TRUE(absl::IsResourceExhausted(report.status()) || absl::IsCancelled(report.status()))
          << report.status();
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto changed =
        storage_->administration().ChangeAccess(Ban{.client_id = Uuid::Random(), .reason = "full"});
    EXPECT_TRUE(changed.ok()) << i << ": " << changed;
  }
  EXPECT_TRUE(Delete(*storage_, stranger));
  is_done = true;
  compactions.join();
  Compact();
  std::filesystem::remove(disk_.path() + "/other");
  EXPECT_FALSE(IsRefused());
  EXPECT_THAT(Access(*storage_).bans, testing::SizeIs(200));
}

// If this fails, uploads or a restart use up the reserve, and the operator cannot delete any more.
TEST_F(SmallDiskTest, UploadsAndRestartsLeaveTheReserveForDeletions) {
  FillByUploads(100'000);
  FillDisk();
  // A ban needs a write, and gets the space for it. The rest of that space is reserved.
  Change(*storage_, Ban{.client_id = Uuid::Random(), .reason = "fills the disk"});
  EXPECT_GT(FreeBytes(), uint64_t{1} << 20);
  for (int i = 0; i < 50; ++i) ExpectRoomIsKept();
  Open();
  ExpectRoomIsKept();
  EXPECT_THAT(Access(*storage_).bans, testing::SizeIs(1));
  std::filesystem::remove(disk_.path() + "/other");
}

// If this fails, a server on a full disk does not start, and its operator cannot make room.
TEST_F(SmallDiskTest, AServerStartsOnAFullDisk) {
  const Uuid stranger = FillByUploads(50'000);
  FillDisk();
  Open();
  ASSERT_TRUE(Delete(*storage_, stranger));
  Compact();
  std::filesystem::remove(disk_.path() + "/other");
  EXPECT_FALSE(IsRefused());
}

// If this fails, an operator of a full disk can only delete clients.
TEST_F(SmallDiskTest, PruningAndBackupsWorkOnAFullDisk) {
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  uint64_t versions = 0;
  for (; versions < 200; ++versions) {
    latest = MustAppend(*storage_, client, latest, Noise(100'000, ++seed_)).version_id;
  }
  ASSERT_EQ(StoreSnapshot(*storage_, client, latest, Noise(1'000)), StoreSnapshotOutcome::kStored);
  FillDisk();
  const TemporaryDirectory elsewhere;
  const auto backup =
      storage_->administration().Backup({.directory = elsewhere.path() + "/backups", .keep = 0},
                                        [](uint64_t, uint64_t) { return true; });
  ASSERT_TRUE(backup.ok()) << backup.status();
  ASSERT_EQ(VerifyBackup(elsewhere.path() + "/backups", backup->backup_id), absl::OkStatus());
  EXPECT_TRUE(storage_->administration().ReadPositions(client, 0).ok());
  ASSERT_GT(RemoveBelow(*storage_, client, versions), 19'000'000u);
  Compact();
  EXPECT_GE(FreeBytes(), uint64_t{15} << 20);
  EXPECT_FALSE(IsRefused());
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
