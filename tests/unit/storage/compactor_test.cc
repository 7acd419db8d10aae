// A compaction beside readers. If these fail, it reports the erasure of bytes that a file still
// has, because of a reader.
#include "storage/rocksdb/compactor.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/file_deletions.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/record_codec.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/raw_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// A database without a storage around it.
class BareStorage final : public AdministeredStorage {
 public:
  explicit BareStorage(const std::string& path) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.enable_blob_files = true;
    options.min_blob_size = 10'000;
    database_ = OpenBareDatabase(path, options);
    reader_ = std::make_unique<ChainReader>(*database_, ReadTier::kDisk);
  }

  rocksdb::DB& database() { return *database_; }

  absl::Status WithDatabase(Use use) override { return use(*database_, *reader_); }
  absl::Status Commit(PendingChange::Decide change, Room) override {
    BatchBuilder batch(*reader_, heads_, uploads_, {}, 0);
    if (const absl::Status decided = change(batch); !decided.ok()) return decided;
    return database_->Write(rocksdb::WriteOptions(), &batch.writes()).ok()
               ? absl::OkStatus()
               : absl::UnknownError("write");
  }
  absl::Status MakeRoom() override { return absl::OkStatus(); }
  absl::Status FlushNotes(Room) override { return absl::OkStatus(); }
  std::shared_ptr<PieceSource> OpenPieces(const PiecesOwner&, const PiecesRecord&) override {
    return nullptr;
  }
  UploadTable& uploads() override { return uploads_; }
  StorageTotals totals() const override { return {}; }
  bool has_removals() const override { return has_removals_; }
  void set_has_removals(bool has_removals) override { has_removals_ = has_removals; }
  uint64_t removals() const override { return 1; }
  CommitterQueue queue() const override { return {}; }
  uint64_t head_cache_bytes() const override { return 0; }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  std::unique_ptr<ChainReader> reader_;
  HeadCache heads_{1'000};
  UploadTable uploads_;
  bool has_removals_ = true;
};

class CompactorTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(storage_.database().Put(rocksdb::WriteOptions(), key, value).ok());
  }
  void Flush() { ASSERT_TRUE(storage_.database().Flush(rocksdb::FlushOptions()).ok()); }

  // Two values of the client, one in a table and one in a blob file, and others beside them.
  void PutClient() {
    Put(VersionKey(client_, 1), marker_ + Noise(500));
    Put(SnapshotKey(client_), marker_ + Noise(50'000));
    Put(SnapshotKey(Uuid::Random()), Noise(50'000, 2));
    Flush();
  }
  void RemoveClient() {
    for (const std::string& key : {VersionKey(client_, 1), SnapshotKey(client_)}) {
      ASSERT_TRUE(storage_.database().Delete(rocksdb::WriteOptions(), key).ok());
    }
    Put(ErasedKey(client_), EncodeNumber(1));
  }

  // Compacts on another thread.
  void Begin() {
    thread_ = std::thread([this] {
      result_ = Compactor(storage_, {}, [this](absl::string_view doing, uint64_t, uint64_t) {
                  const std::lock_guard lock(mutex_);
                  progress_ = std::string(doing);
                  changed_.notify_all();
                  return true;
                }).Run();
    });
  }
  void AwaitProgress(absl::string_view expected) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      return absl::StrContains(progress_, expected);
    })) << progress_;
  }
  void ExpectDone() {
    thread_.join();
    ASSERT_TRUE(result_.ok()) << result_.status();
    EXPECT_EQ(result_->removals, 1u);
    EXPECT_FALSE(storage_.has_removals());
    EXPECT_THAT(FilesWith(path_, {marker_}), IsEmpty());
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/db";
  BareStorage storage_{path_};
  const Uuid client_ = Uuid::Random();
  const std::string marker_ = "marker " + Uuid::Random().ToString();
  std::thread thread_;
  absl::StatusOr<CompactionReport> result_ = absl::UnknownError("not run");
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string progress_;
};

// A reader of an older moment may still see removed data, so RocksDB keeps it.
TEST_F(CompactorTest, WaitsForAReaderOfAnOlderState) {
  PutClient();
  const rocksdb::Snapshot* const moment = storage_.database().GetSnapshot();
  RemoveClient();
  Begin();
  AwaitProgress("a reader that began before");
  EXPECT_THAT(FilesWith(path_, {marker_}), Not(IsEmpty()));
  storage_.database().ReleaseSnapshot(moment);
  ExpectDone();
}

// A reader keeps the files that it reads.
TEST_F(CompactorTest, WaitsForFilesThatAreRead) {
  PutClient();
  std::unique_ptr<rocksdb::Iterator> iterator(
      storage_.database().NewIterator(rocksdb::ReadOptions()));
  iterator->SeekToFirst();
  ASSERT_TRUE(iterator->Valid());
  RemoveClient();
  // It has no snapshot, so the compaction completes, and then finds the files still there.
  Begin();
  AwaitProgress("that still needs");
  EXPECT_THAT(FilesWith(path_, {marker_}), Not(IsEmpty()));
  iterator.reset();
  ExpectDone();
}

// A pause of file deletions, which backups use, does the same.
TEST_F(CompactorTest, WaitsForABackup) {
  PutClient();
  RemoveClient();
  auto backup = std::make_unique<DeletionPause>(storage_.database());
  Begin();
  AwaitProgress("that still needs");
  EXPECT_THAT(FilesWith(path_, {marker_}), Not(IsEmpty()));
  backup.reset();
  ExpectDone();
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
