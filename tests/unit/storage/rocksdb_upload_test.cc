// Uploads in a RocksDB directory: their remains when the process, the disk or a file fails.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/child_process.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

class RocksdbUploadTest : public testing::Test {
 protected:
  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = data_dir_,
                                       .memtable_bytes = 256 * 1024,
                                       .disk_wait_max = std::chrono::hours(1),
                                       .env = faults_.env()},
                                      base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  std::unique_ptr<rocksdb::DB> OpenDatabase() {
    storage_.reset();
    return OpenBareDatabase(data_dir_ + "/rocksdb");
  }

  // The keys of pieces, and of uploads in progress.
  std::vector<std::string> KeysOfUploads() {
    std::vector<std::string> keys;
    const auto database = OpenDatabase();
    for (const std::string& key : KeysIn(*database)) {
      const bool is_piece =
          key.size() > Uuid::kBytes && ParsePieceKey(Uuid::FromBytes(key.data()), key).has_value();
      if (is_piece || ParseUploadKey(key)) keys.push_back(key);
    }
    return keys;
  }

  const TemporaryDirectory directory_;
  const std::string data_dir_ = directory_.path() + "/data";
  FaultEnv faults_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, interrupted uploads fill the disk.
TEST_F(RocksdbUploadTest, UnfinishedUploadsLeaveNothing) {
  Open();
  const Uuid parent = MustAppend(*storage_, kClient, kNil).version_id;
  AppendRequest late = UploadedAppendFor(*storage_, kClient, parent, Noise(300'000), 100'000);
  {
    const auto abandoned = MustBeginUpload(*storage_, UploadRequestFor(kClient, parent));
    AddAll(*abandoned, Noise(300'000), 100'000);
    const auto of_stranger = MustBeginUpload(*storage_, UploadRequestFor(Uuid::Random(), kNil));
    AddAll(*of_stranger, Noise(300'000), 100'000);
    const auto empty = MustBeginUpload(*storage_, UploadRequestFor(kClient, parent));
  }
  MustAppend(*storage_, kClient, parent);
  EXPECT_TRUE(ConflictOf(*TryAppend(*storage_, std::move(late))).has_value());
  EXPECT_THAT(KeysOfUploads(), IsEmpty());
}

// If this fails, the register of uploads grows with each one that is stored.
TEST_F(RocksdbUploadTest, AStoredUploadIsRemovedFromTheRegister) {
  Open();
  EXPECT_TRUE(
      TryAppend(*storage_, UploadedAppendFor(*storage_, kClient, kNil, Noise(300'000), 100'000))
          .ok());
  EXPECT_THAT(KeysOfUploads(), SizeIs(3));
}

// If this fails, a server that is killed during uploads keeps their bytes for ever, or loses a
// large version that it acknowledged.
TEST_F(RocksdbUploadTest, AKillLeavesOnlyAcknowledgedUploads) {
  constexpr int kAcknowledgedAtLeast = 8;
  std::vector<Uuid> acknowledged;
  for (int kills = 1; kills <= 2; ++kills) {
    {
      ChildProcess child(kUploadUntilKilled, data_dir_);
      int count = 0;
      while (const std::optional<std::string> line = child.ReadLine()) {
        const std::optional<Uuid> version_id = Uuid::Parse(*line);
        ASSERT_TRUE(version_id.has_value()) << *line;
        acknowledged.push_back(*version_id);
        if (++count == kAcknowledgedAtLeast) child.Kill();
      }
      ASSERT_GE(count, kAcknowledgedAtLeast) << "the child ended by itself";
    }
    Open();
    const std::vector<Version> chain = ReadChain(*storage_, KilledClient(0), kNil);
    ASSERT_GE(chain.size(), acknowledged.size()) << "an acknowledged version is lost";
    ASSERT_LE(chain.size(), acknowledged.size() + 1) << "versions out of nothing";
    for (size_t i = 0; i < chain.size(); ++i) {
      EXPECT_TRUE(chain[i].segment == LargeSegmentOfKilled(chain[i].parent_version_id)) << i;
    }
    EXPECT_THAT(Verify(*storage_, KilledClient(0)).problems, IsEmpty());
    acknowledged = VersionIdsOf(chain);
    // The others were killed before their ends, and are clients without a version.
    EXPECT_THAT(ListAll(*storage_), SizeIs(1));
    size_t pieces = 0;
    for (const Version& version : chain) {
      pieces += (version.segment.size() + base::kPieceBytesMax - 1) / base::kPieceBytesMax;
    }
    EXPECT_EQ(KeysOfUploads().size(), pieces) << "pieces without an upload";
  }
}

// If this fails, a full disk during an upload is reported as another fault, or leaves pieces that
// cannot be removed.
TEST_F(RocksdbUploadTest, AFullDiskFailsUploadsUntilThereIsSpace) {
  Open();
  const Uuid parent = MustAppend(*storage_, kClient, kNil).version_id;
  auto before = UploadedAppendFor(*storage_, kClient, parent, Noise(300'000), 100'000);
  auto during = MustBeginUpload(*storage_, UploadRequestFor(kClient, parent));
  ASSERT_TRUE(TryAdd(*during, Noise(100'000)).ok());
  faults_.FailAppends(FaultEnv::Files::kAll, rocksdb::IOStatus::NoSpace());
  const absl::Status added = TryAdd(*during, Noise(100'000));
  EXPECT_EQ(added.code(), absl::StatusCode::kResourceExhausted) << added;
  during.reset();
  faults_.Heal();
  // Its pieces were not synced when the disk failed, so their state is unknown.
  const auto outcome = TryAppend(*storage_, std::move(before));
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kUnavailable) << outcome.status();
  EXPECT_TRUE(
      TryAppend(*storage_, UploadedAppendFor(*storage_, kClient, parent, Noise(300'000), 100'000))
          .ok());
  EXPECT_THAT(Verify(*storage_, kClient).problems, IsEmpty());
  Open();  // removes the remains
  EXPECT_THAT(KeysOfUploads(), SizeIs(3));
}

// If this fails, a replica gets a part of a segment for the whole, or an operator reads that a
// damaged history is whole.
TEST_F(RocksdbUploadTest, AMissingPieceIsReportedAsDataLoss) {
  Open();
  const auto appended =
      TryAppend(*storage_, UploadedAppendFor(*storage_, kClient, kNil, Noise(300'000), 100'000));
  ASSERT_TRUE(appended.ok());
  const Uuid version_id = std::get<Appended>(*appended).version_id;
  StoreSnapshotRequest snapshot = StoreSnapshotRequestFor(kClient, version_id, "");
  snapshot.upload = MustBeginUpload(*storage_, SnapshotUploadRequestFor(kClient, version_id));
  AddAll(*snapshot.upload, Noise(200'000), 100'000);
  ASSERT_EQ(StoreSnapshot(*storage_, std::move(snapshot)), StoreSnapshotOutcome::kStored);

  const std::vector<std::string> keys = KeysOfUploads();
  ASSERT_THAT(keys, SizeIs(5));
  for (const std::string& key : keys) {
    if (ParsePieceKey(kClient, key)->piece != 1) continue;
    ASSERT_TRUE(OpenDatabase()->Delete(rocksdb::WriteOptions(), key).ok());
  }
  Open();
  const ChildOutcome outcome = GetChild(*storage_, kClient, kNil);
  PieceSource& source = *std::get<Version>(outcome).pieces;
  EXPECT_TRUE(ReadPiece(source).ok());
  const absl::Status lost = ReadPiece(source).status();
  EXPECT_EQ(lost.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(lost.message()), HasSubstr("piece 1 of 3 of version 1"));
  EXPECT_THAT(
      Verify(*storage_, kClient).problems,
      testing::UnorderedElementsAre(
          AllOf(HasSubstr("piece 1 of 3 of the segment of version 1"), HasSubstr("is missing")),
          AllOf(HasSubstr("piece 1 of 2 of the snapshot of version 1"), HasSubstr("is missing"))));
}

// If this fails, orphaned pieces stay where no operator learns of them.
TEST_F(RocksdbUploadTest, OrphanedPiecesAreReported) {
  Open();
  MustAppend(*storage_, kClient, kNil);
  ASSERT_TRUE(OpenDatabase()
                  ->Put(rocksdb::WriteOptions(), PieceKey(kClient, Uuid::Random(), 0), "piece")
                  .ok());
  Open();
  EXPECT_THAT(Verify(*storage_, kClient).problems,
              ElementsAre(HasSubstr("that belongs to no version and no snapshot")));
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
