// Stored bytes that are damaged or contradict each other. If these fail, damage is answered as if
// it were data, or grows.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");

// A directory with a client of three versions, the second of them large, and a snapshot; and with
// another client, which must not be affected.
class RocksdbDamageTest : public testing::Test {
 protected:
  RocksdbDamageTest() {
    Open();
    first_ = MustAppend(*storage_, kClient, kNil).version_id;
    second_ = MustAppend(*storage_, kClient, first_, Noise(1'000'000)).version_id;
    third_ = MustAppend(*storage_, kClient, second_).version_id;
    EXPECT_EQ(StoreSnapshot(*storage_, kClient, third_), StoreSnapshotOutcome::kStored);
    of_other_ = MustAppend(*storage_, kOtherClient, base::RandomUuidWithNumber(9)).version_id;
    Open();  // the content of the log is in files now
    storage_.reset();
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = data_dir_}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // Writes a record behind the storage's back; nullptr removes it.
  void Put(const std::string& key, const std::string* value) {
    storage_.reset();
    const auto database = OpenBareDatabase(data_dir_ + "/rocksdb");
    ASSERT_NE(database, nullptr);
    ASSERT_TRUE((value != nullptr ? database->Put(rocksdb::WriteOptions(), key, *value)
                                  : database->Delete(rocksdb::WriteOptions(), key))
                    .ok());
    ASSERT_TRUE(database->Flush(rocksdb::FlushOptions()).ok());
  }
  void Put(const std::string& key, const std::string& value) { Put(key, &value); }
  void Remove(const std::string& key) { Put(key, nullptr); }

  static void ExpectDataLoss(const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    // Messages of storage get into logs, which must not give the ID away.
    EXPECT_THAT(status.message(), HasSubstr("the client's records"));
    EXPECT_THAT(status.message(), Not(HasSubstr(kClient.ToString())));
  }
  void ExpectOtherClientIsUnaffected() {
    EXPECT_EQ(NoChildOf(GetChild(*storage_, kOtherClient, of_other_)), of_other_);
    of_other_ = MustAppend(*storage_, kOtherClient, of_other_).version_id;
  }
  absl::Status TryToAppend(const Uuid& parent) {
    return TryAppend(*storage_, AppendRequestFor(kClient, parent)).status();
  }

  const TemporaryDirectory directory_;
  const std::string data_dir_ = directory_.path() + "/data";
  std::unique_ptr<Storage> storage_;
  Uuid first_;
  Uuid second_;
  Uuid third_;
  Uuid of_other_;
};

// If this fails, a client whose record is damaged is taken for a new one.
TEST_F(RocksdbDamageTest, AMalformedClientRecordIsDataLoss) {
  Put(ClientKey(kClient), "nonsense");
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, kNil).status());
  ExpectDataLoss(TryGetSnapshot(*storage_, kClient).status());
  ExpectDataLoss(TryToAppend(third_));
  ExpectDataLoss(TryStoreSnapshot(*storage_, StoreSnapshotRequestFor(kClient, third_)).status());
  ExpectOtherClientIsUnaffected();
}

// If this fails, a client whose versions were lost begins a new chain over the remaining ones.
TEST_F(RocksdbDamageTest, AClientWithoutVersionsIsDataLoss) {
  Put(ClientKey(kClient), EncodeClientRecord({}));
  for (const uint64_t number : {1, 2, 3}) Remove(VersionKey(kClient, number));
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, kNil).status());
  ExpectDataLoss(TryToAppend(kNil));
  ExpectOtherClientIsUnaffected();
}

// If this fails, an append continues from a version with an invented ID.
TEST_F(RocksdbDamageTest, AMalformedLatestVersionIsDataLoss) {
  Put(VersionKey(kClient, 3), "nonsense");
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, kNil).status());
  ExpectDataLoss(TryToAppend(third_));
  ExpectOtherClientIsUnaffected();
}

// If this fails, damage in the middle of a chain affects more than it must.
TEST_F(RocksdbDamageTest, AMalformedVersionInTheMiddleIsDataLossForItsReaders) {
  Put(VersionKey(kClient, 2), "nonsense");
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, first_).status());
  EXPECT_EQ(ChildOf(*storage_, kClient, kNil)->version_id, first_);
  EXPECT_EQ(ChildOf(*storage_, kClient, second_)->version_id, third_);
  MustAppend(*storage_, kClient, third_);
}

// If this fails, a replica gets an empty version, and its tasks are wrong for ever.
TEST_F(RocksdbDamageTest, AMissingSegmentIsDataLossForItsReaders) {
  Remove(SegmentKey(kClient, 2));
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, first_).status());
  MustAppend(*storage_, kClient, third_);
}

// If this fails, a new computer reads that there is no snapshot, and starts from nothing.
TEST_F(RocksdbDamageTest, AMissingSnapshotIsDataLossForItsReaders) {
  Remove(SnapshotKey(kClient));
  Open();
  ExpectDataLoss(TryGetSnapshot(*storage_, kClient).status());
  MustAppend(*storage_, kClient, third_);
}

// If this fails, a damaged entry leads a replica to a version that is not its own.
TEST_F(RocksdbDamageTest, AMalformedIndexEntryIsDataLossForItsReaders) {
  const Uuid foreign = Uuid::Random();
  Put(ParentKey(kClient, foreign), "not 8 bytes");
  Open();
  ExpectDataLoss(TryGetChild(*storage_, kClient, foreign).status());
  MustAppend(*storage_, kClient, third_);
}

// If this fails, a flipped bit on the disk reaches a replica.
TEST_F(RocksdbDamageTest, AFlippedBitInABlobFileIsDataLoss) {
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir_ + "/rocksdb")) {
    const std::string path = entry.path().string();
    if (!absl::EndsWith(path, ".blob")) continue;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(500'000);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(500'000);
    file.put(byte);
    ASSERT_TRUE(file.flush());
    ++damaged;
  }
  ASSERT_EQ(damaged, 1);
  Open();
  const auto child = TryGetChild(*storage_, kClient, first_);
  EXPECT_EQ(child.status().code(), absl::StatusCode::kDataLoss) << child.status();
  EXPECT_EQ(ChildOf(*storage_, kClient, kNil)->version_id, first_);
  MustAppend(*storage_, kClient, third_);
}

// If this fails, a database that cannot be opened is replaced by a new one.
TEST_F(RocksdbDamageTest, AnUnreadableDatabaseIsNotOpened) {
  std::ofstream(data_dir_ + "/rocksdb/CURRENT") << "MANIFEST-999999\n";
  const auto storage = OpenRocksdbStorage({.data_dir = data_dir_}, base::Logger());
  EXPECT_FALSE(storage.ok());
  EXPECT_THAT(storage.status().message(), HasSubstr(data_dir_));
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
