// The disk space for tables. If these fail, a compaction takes the space in which the log records
// removals, or a database cannot be opened on a full disk.
#include "storage/rocksdb/log_file_system.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

// A disk with so much free space, regardless of writes.
class DiskOf final : public rocksdb::EnvWrapper {
 public:
  explicit DiskOf(uint64_t free_bytes)
      : EnvWrapper(rocksdb::Env::Default()), free_bytes_(free_bytes) {
    file_system_ = std::make_shared<FileSystem>(rocksdb::FileSystem::Default(), free_bytes_);
  }
  const char* Name() const override { return "DiskOf"; }

  void set_free_bytes(uint64_t free_bytes) { free_bytes_ = free_bytes; }

 private:
  class FileSystem final : public rocksdb::FileSystemWrapper {
   public:
    FileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, const uint64_t& free_bytes)
        : FileSystemWrapper(base), free_bytes_(free_bytes) {}
    const char* Name() const override { return "DiskOf"; }
    rocksdb::IOStatus GetFreeSpace(const std::string&, const rocksdb::IOOptions&, uint64_t* bytes,
                                   rocksdb::IODebugContext*) override {
      *bytes = free_bytes_;
      return rocksdb::IOStatus::OK();
    }

   private:
    const uint64_t& free_bytes_;
  };

  uint64_t free_bytes_;
};

class LogReserveTest : public testing::Test {
 protected:
  rocksdb::IOStatus Write(const std::string& name, uint64_t bytes) {
    const rocksdb::IOOptions options;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus status = env_->GetFileSystem()->NewWritableFile(
        directory_.path() + name, rocksdb::FileOptions(), &file, nullptr);
    if (status.ok()) status = file->Append(std::string(bytes, 'x'), options, nullptr);
    if (status.ok()) status = file->Close(options, nullptr);
    return status;
  }

  uint64_t FreeBytes() {
    uint64_t free_bytes = 0;
    EXPECT_TRUE(env_->GetFileSystem()
                    ->GetFreeSpace(directory_.path(), rocksdb::IOOptions(), &free_bytes, nullptr)
                    .ok());
    return free_bytes;
  }

  const TemporaryDirectory directory_;
  bool is_short_ = true;
  DiskOf disk_{10 * kMebibyte};
  const std::unique_ptr<rocksdb::Env> env_ =
      EnvWithRoomForLogs(disk_, 4 * kMebibyte, [this] { return is_short_; });
};

// If this fails, a compaction takes the space that a deletion on a full disk needs.
TEST_F(LogReserveTest, TablesAndBlobFilesLeaveTheReserve) {
  for (const char* const name : {"/000007.sst", "/000008.blob"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(Write(name, 6 * kMebibyte).ok());
    EXPECT_TRUE(Write(name, 6 * kMebibyte + 1).IsNoSpace());
  }
  disk_.set_free_bytes(3 * kMebibyte);
  EXPECT_TRUE(Write("/000009.sst", 1).IsNoSpace());
}

// If this fails, a server reports a full disk too early.
TEST_F(LogReserveTest, TablesMayTakeTheReserveWhileSpaceIsNotShort) {
  is_short_ = false;
  EXPECT_TRUE(Write("/000007.sst", 10 * kMebibyte).ok());
  EXPECT_EQ(FreeBytes(), 10 * kMebibyte);
}

// If this fails, an operator cannot delete clients on a full disk.
TEST_F(LogReserveTest, LogsAndManifestsMayTakeTheReserve) {
  for (const char* const name : {"/000007.log", "/MANIFEST-000008", "/CURRENT"}) {
    EXPECT_TRUE(Write(name, 9 * kMebibyte).ok()) << name;
  }
}

// If this fails, a database on a full disk cannot be opened.
TEST_F(LogReserveTest, AnExemptThreadMayTakeTheReserve) {
  {
    const MayTakeLogRoom exempt;
    EXPECT_TRUE(Write("/000007.sst", 9 * kMebibyte).ok());
    std::thread([&] { EXPECT_TRUE(Write("/000008.sst", 9 * kMebibyte).IsNoSpace()); }).join();
  }
  EXPECT_TRUE(Write("/000009.sst", 9 * kMebibyte).IsNoSpace());
}

// If this fails, RocksDB plans a compaction with the reserve, and fails in its middle.
TEST_F(LogReserveTest, TheReserveIsNotReportedAsFree) {
  EXPECT_EQ(FreeBytes(), 6 * kMebibyte);
  disk_.set_free_bytes(kMebibyte);
  EXPECT_EQ(FreeBytes(), 0u);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
