// Checks of stored data. If these fail, an operator takes a damaged history for a whole one.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");
const Uuid kForeignParent = *Uuid::Parse("f0e16700-0000-4000-8000-000000000000");

// A client that came from another server, of five versions, the second and the fourth of them
// large, with a snapshot of the third; and another client, with one version.
class RocksdbVerifyTest : public testing::Test {
 protected:
  RocksdbVerifyTest() {
    Open();
    Uuid parent = kForeignParent;
    for (const size_t bytes :
         {size_t{100}, size_t{300'000}, size_t{200}, size_t{30'000}, size_t{50}}) {
      parent = MustAppend(*storage_, kClient, parent, Noise(bytes)).version_id;
      ids_.push_back(parent);
    }
    EXPECT_EQ(StoreSnapshot(*storage_, kClient, ids_[2], Noise(60'000)),
              StoreSnapshotOutcome::kStored);
    MustAppend(*storage_, kOtherClient, kNil);
    Open();  // the content of the log is in files now
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = data_dir_}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  std::unique_ptr<rocksdb::DB> OpenDatabase() {
    storage_.reset();
    return OpenBareDatabase(data_dir_ + "/rocksdb");
  }

  // Writes a record behind the storage's back, and opens it again.
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(OpenDatabase()->Put(rocksdb::WriteOptions(), key, value).ok());
    Open();
  }
  void Remove(const std::string& key) {
    ASSERT_TRUE(OpenDatabase()->Delete(rocksdb::WriteOptions(), key).ok());
    Open();
  }
  std::string Get(const std::string& key) {
    std::string value;
    EXPECT_TRUE(OpenDatabase()->Get(rocksdb::ReadOptions(), key, &value).ok());
    return value;
  }
  // Changes the trailer of an inline version.
  template <typename Change>
  void ChangeTrailer(uint64_t number, Change change) {
    std::string value = Get(VersionKey(kClient, number));
    VersionTrailer trailer = *DecodeVersionTrailer(value);
    value.resize(value.size() - trailer.encoded_bytes);
    change(trailer);
    Put(VersionKey(kClient, number), value + EncodeVersionTrailer(trailer));
  }
  template <typename Change>
  void ChangeRecord(Change change) {
    ClientRecord record = *DecodeClientRecord(Get(ClientKey(kClient)));
    change(record);
    Put(ClientKey(kClient), EncodeClientRecord(record));
  }

  std::string Named(uint64_t number) const {
    return absl::StrCat("version ", number, " (", ids_[number - 1].ToString(), ")");
  }

  // The problems of the client. The other one must have none.
  std::vector<std::string> Problems() {
    EXPECT_THAT(Verify(*storage_, kOtherClient).problems, IsEmpty());
    return Verify(*storage_, kClient).problems;
  }

  // Flips a byte in the middle of each file with that extension.
  int FlipBytes(const std::string& end) {
    int flipped = 0;
    for (const auto& entry : std::filesystem::directory_iterator(data_dir_ + "/rocksdb")) {
      if (!absl::EndsWith(entry.path().string(), end)) continue;
      const auto middle = static_cast<std::streamoff>(entry.file_size() / 2);
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(middle);
      const char byte = static_cast<char>(file.get() ^ 1);
      file.seekp(middle);
      file.put(byte);
      EXPECT_TRUE(file.flush());
      ++flipped;
    }
    return flipped;
  }

  const TemporaryDirectory directory_;
  const std::string data_dir_ = directory_.path() + "/data";
  std::unique_ptr<Storage> storage_;
  std::vector<Uuid> ids_;
};

// If this fails, an operator restores a backup over undamaged data.
TEST_F(RocksdbVerifyTest, AnUndamagedDatabaseHasNoProblems) {
  EXPECT_THAT(Problems(), IsEmpty());
  const ChainReport report = Verify(*storage_, kClient);
  EXPECT_EQ(report.versions, 5u);
  EXPECT_EQ(report.bytes, 100u + 300'000 + 200 + 30'000 + 50 + 60'000);
  EXPECT_EQ(VerifyFiles(*storage_), absl::OkStatus());
}

TEST_F(RocksdbVerifyTest, AMissingVersionIsFound) {
  Remove(VersionKey(kClient, 3));
  EXPECT_THAT(Problems(), Contains("version 3 is missing"));
  Remove(VersionKey(kClient, 4));
  EXPECT_THAT(Problems(), Contains("versions 3 to 4 are missing"));
}

TEST_F(RocksdbVerifyTest, MissingFirstVersionsAreFound) {
  Remove(VersionKey(kClient, 1));
  EXPECT_THAT(Problems(), Contains("version 1 is missing"));
}

TEST_F(RocksdbVerifyTest, AVersionBelowTheFirstNumberIsFound) {
  ChangeRecord([](ClientRecord& record) { record.first_number = 2; });
  EXPECT_THAT(Problems(), Contains("version 1 is kept, though 2 should be the first"));
}

TEST_F(RocksdbVerifyTest, AMalformedVersionIsFound) {
  Put(VersionKey(kClient, 3), "nonsense");
  EXPECT_THAT(Problems(), Contains("version 3 is malformed"));
}

TEST_F(RocksdbVerifyTest, AChainThatForksIsFound) {
  ChangeTrailer(3, [](VersionTrailer& trailer) { trailer.parent_version_id = kForeignParent; });
  EXPECT_THAT(Problems(),
              Contains(AllOf(HasSubstr("the parent of " + Named(3)),
                             HasSubstr(kForeignParent.ToString()), HasSubstr(ids_[1].ToString()))));
}

TEST_F(RocksdbVerifyTest, ATruncatedSegmentIsFound) {
  const std::string value = Get(VersionKey(kClient, 3));
  Put(VersionKey(kClient, 3), value.substr(10));
  EXPECT_THAT(Problems(),
              ElementsAre("the segment of " + Named(3) + " has 190 bytes, but 200 were counted"));
}

TEST_F(RocksdbVerifyTest, ATruncatedLargeSegmentIsFound) {
  Put(SegmentKey(kClient, 2), Noise(299'999));
  EXPECT_THAT(Problems(), ElementsAre("the segment of " + Named(2) +
                                      " has 299999 bytes, but 300000 were counted"));
}

TEST_F(RocksdbVerifyTest, AWrongSumOfHistoryBytesIsFound) {
  ChangeTrailer(5, [](VersionTrailer& trailer) { trailer.history_bytes -= 100; });
  EXPECT_THAT(Problems(), ElementsAre(AllOf(HasSubstr(Named(5)), HasSubstr("fewer than"))));
}

TEST_F(RocksdbVerifyTest, AWrongSumOfRemovedBytesIsFound) {
  ChangeRecord([](ClientRecord& record) { record.removed_history_bytes = 7; });
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("the segment of " + Named(1))));
}

TEST_F(RocksdbVerifyTest, AMissingLargeSegmentIsFound) {
  Remove(SegmentKey(kClient, 2));
  EXPECT_THAT(Problems(), ElementsAre("the segment of " + Named(2) + " is missing"));
  Remove(SegmentKey(kClient, 4));
  EXPECT_THAT(Problems(), ElementsAre("the segment of " + Named(2) + " is missing",
                                      "the segment of " + Named(4) + " is missing"));
}

TEST_F(RocksdbVerifyTest, ASegmentWithoutAVersionIsFound) {
  for (const uint64_t number : {3, 9}) {
    Put(SegmentKey(kClient, number), "an orphan");
    EXPECT_THAT(Problems(), Contains(absl::StrCat("there is a segment of number ", number,
                                                  " that no version has")));
  }
}

TEST_F(RocksdbVerifyTest, AWrongIndexEntryIsFound) {
  Put(ParentKey(kClient, kForeignParent), EncodeNumber(2));
  EXPECT_THAT(Problems(), ElementsAre("the index leads from parent " + kForeignParent.ToString() +
                                      " to version 2 instead of 1"));
  Put(ParentKey(kClient, kForeignParent), "malformed");
  EXPECT_THAT(Problems(), ElementsAre("the index entry of parent " + kForeignParent.ToString() +
                                      " is malformed"));
  Remove(ParentKey(kClient, kForeignParent));
  EXPECT_THAT(Problems(), ElementsAre("the index does not lead from parent " +
                                      kForeignParent.ToString() + " to version 1"));
}

TEST_F(RocksdbVerifyTest, ASurplusIndexEntryIsFound) {
  const Uuid nobody = Uuid::Random();
  Put(ParentKey(kClient, nobody), EncodeNumber(3));
  EXPECT_THAT(Problems(), ElementsAre("the index leads from parent " + nobody.ToString() +
                                      " to version 3, and no version needs that"));
}

TEST_F(RocksdbVerifyTest, ASnapshotWithoutBytesIsFound) {
  Remove(SnapshotKey(kClient));
  const std::string name = "the snapshot of " + Named(3);
  EXPECT_THAT(Problems(), Contains(name + " has no bytes"));
  EXPECT_TRUE(Verify(*storage_, kClient).new_replica_cannot_start);
}

TEST_F(RocksdbVerifyTest, ATruncatedSnapshotIsFound) {
  Put(SnapshotKey(kClient), Noise(59'999));
  EXPECT_THAT(Problems(), ElementsAre("the snapshot of " + Named(3) +
                                      " has 59999 bytes, but 60000 were counted"));
}

TEST_F(RocksdbVerifyTest, ASnapshotWithoutAVersionIsFound) {
  ChangeRecord([](ClientRecord& record) { record.snapshot->version_id = Uuid::Random(); });
  EXPECT_THAT(Problems(), Contains(HasSubstr("is of no version that is kept")));
  EXPECT_TRUE(Verify(*storage_, kClient).new_replica_cannot_start);
  ChangeRecord([](ClientRecord& record) { record.snapshot.reset(); });
  EXPECT_THAT(Problems(), Contains(HasSubstr("the client record has no snapshot")));
}

TEST_F(RocksdbVerifyTest, APositionWithoutAVersionIsFound) {
  Put(PositionKey(kClient, 19'675), EncodeNumber(6));
  EXPECT_THAT(Problems(), ElementsAre(AllOf(HasSubstr("day 19675"), HasSubstr("version 6"))));
  Put(PositionKey(kClient, 19'675), "malformed");
  EXPECT_THAT(Problems(), ElementsAre(AllOf(HasSubstr("day 19675"), HasSubstr("malformed"))));
}

TEST_F(RocksdbVerifyTest, AMalformedRecordOfReplicasAheadIsFound) {
  Put(ReplicasAheadKey(kClient), "malformed");
  EXPECT_THAT(Problems(), ElementsAre("the record of replicas ahead is malformed"));
}

TEST_F(RocksdbVerifyTest, UnknownRecordsAreFound) {
  for (const char* const rest : {"\x01", "\x10more", "\x20short", "\x21short", "\x30short",
                                 "\x40more", "\x4f", "\x50longer", "\x52", "\xf0"}) {
    const std::string key = std::string(kClient.AsStringView()) + rest;
    Put(key, "unknown");
    EXPECT_THAT(Problems(), ElementsAre(HasSubstr("does not know")))
        << absl::StrCat(absl::Hex(static_cast<uint8_t>(rest[0])));
    Remove(key);
  }
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(RocksdbVerifyTest, AMalformedClientRecordIsFoundAndListed) {
  Put(ClientKey(kClient), "nonsense");
  EXPECT_THAT(Problems(), Contains("the client record is malformed"));
  const std::vector<ClientSummary> clients = ListAll(*storage_);
  ASSERT_EQ(clients.size(), 2u) << "one client's damage hides others";
  EXPECT_EQ(clients[0].problem, "the client record is malformed");
  EXPECT_EQ(clients[1].problem, "");
  EXPECT_EQ(Find(*storage_, kClient).problem, "the client record is malformed");
}

TEST_F(RocksdbVerifyTest, AMissingClientRecordIsFoundAndListed) {
  Remove(ClientKey(kClient));
  EXPECT_THAT(Problems(), Contains(HasSubstr("there is no client record")));
  const std::vector<ClientSummary> clients = ListAll(*storage_);
  ASSERT_EQ(clients.size(), 2u);
  EXPECT_EQ(clients[0].client_id, kClient);
  EXPECT_NE(clients[0].problem, "");
}

TEST_F(RocksdbVerifyTest, AClientWithoutVersionsIsFoundAndListed) {
  const Uuid client = *Uuid::Parse("c11e4700-0000-4000-8000-000000000003");
  Put(ClientKey(client), EncodeClientRecord({}));
  EXPECT_THAT(Verify(*storage_, client).problems, ElementsAre("it has no version"));
  EXPECT_EQ(Find(*storage_, client).problem, "it has no version");
}

TEST_F(RocksdbVerifyTest, AMalformedLatestVersionIsListed) {
  Put(VersionKey(kClient, 5), "nonsense");
  EXPECT_EQ(Find(*storage_, kClient).problem, "its latest version is malformed");
}

// If this fails, an export of a damaged history looks like a complete one.
TEST_F(RocksdbVerifyTest, DamagedVersionsAreNotRead) {
  Remove(SegmentKey(kClient, 4));
  const auto read = [this] {
    return storage_->administration().ReadVersions(kClient, 0, 1 << 30).status();
  };
  EXPECT_EQ(read().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(read().message(), HasSubstr("version 4"));
  EXPECT_EQ(ReadVersions(*storage_, kClient, 0, 300'100).size(), 2u)
      << "the versions before it are lost";
  Remove(VersionKey(kClient, 3));
  EXPECT_THAT(read().message(), HasSubstr("version 3 is missing"));
}

// If this fails, a client that is damaged as a whole fills the memory with sentences.
TEST_F(RocksdbVerifyTest, ProblemsAreBounded) {
  {
    const auto database = OpenDatabase();
    for (uint64_t number = 1'000; number < 1'150; ++number) {
      ASSERT_TRUE(
          database->Put(rocksdb::WriteOptions(), SegmentKey(kClient, number), "an orphan").ok());
    }
  }
  Open();
  const std::vector<std::string> problems = Problems();
  EXPECT_EQ(problems.size(), base::kChainProblemsMax + 1);
  EXPECT_EQ(problems.back(), "and there are 50 more");
}

// If this fails, flipped bits on the disk are found only when a replica asks for them.
TEST_F(RocksdbVerifyTest, FlippedBitsInBlobFilesAreFound) {
  ASSERT_GE(FlipBytes(".blob"), 1);
  Open();
  EXPECT_EQ(VerifyFiles(*storage_).code(), absl::StatusCode::kDataLoss);
  const std::vector<std::string> problems = Problems();
  EXPECT_THAT(problems, ElementsAre(AllOf(HasSubstr("the segment of " + Named(2)),
                                          HasSubstr("cannot be read"))));
}

TEST_F(RocksdbVerifyTest, FlippedBitsInTableFilesAreFound) {
  // Enough versions for many blocks, so that opening does not read the damaged one.
  Uuid parent = ids_.back();
  for (int i = 0; i < 200; ++i) {
    parent = MustAppend(*storage_, kClient, parent, Noise(1'000)).version_id;
  }
  Open();
  ASSERT_TRUE(OpenDatabase()->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ok());
  ASSERT_GE(FlipBytes(".sst"), 1);
  Open();
  EXPECT_EQ(VerifyFiles(*storage_).code(), absl::StatusCode::kDataLoss);
  const ChainReport report = Verify(*storage_, kClient);
  EXPECT_THAT(report.problems, Contains(HasSubstr("cannot be read")));
  EXPECT_GT(report.versions, 100u) << "the undamaged versions were not read";
}

// If this fails, a person sees no progress, or a server that should stop reads all of its disk
// first.
TEST_F(RocksdbVerifyTest, ComparingFilesReportsItsProgressAndCanBeStopped) {
  Uuid parent = ids_.back();
  for (int i = 0; i < 5; ++i) {
    parent = MustAppend(*storage_, kClient, parent, Noise(3'000'000)).version_id;
  }
  Open();
  std::vector<uint64_t> progress;
  uint64_t total = 0;
  const auto compare = [&](size_t calls_max) {
    progress.clear();
    return storage_->administration().VerifyFiles([&](uint64_t done, uint64_t all) {
      progress.push_back(done);
      total = all;
      return progress.size() < calls_max;
    });
  };
  EXPECT_EQ(compare(1'000'000), absl::OkStatus());
  EXPECT_GE(progress.size(), 15u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_GT(total, 15'000'000u);
  EXPECT_EQ(progress.back(), total);

  EXPECT_EQ(compare(3).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(progress.size(), 3u);
  EXPECT_EQ(VerifyFiles(*storage_), absl::OkStatus());
}

// If this fails, files of a release without checksums of whole files are not checked.
TEST_F(RocksdbVerifyTest, FilesWithoutChecksumsAreCheckedByReading) {
  {
    rocksdb::Options options;  // keeps no checksums of files
    options.enable_blob_files = true;
    options.min_blob_size = base::kBlobBytesMin;
    options.enable_blob_garbage_collection = true;
    options.blob_garbage_collection_age_cutoff = 1;
    storage_.reset();
    const auto database = OpenBareDatabase(data_dir_ + "/rocksdb", options);
    ASSERT_NE(database, nullptr);
    rocksdb::CompactRangeOptions everything;
    everything.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    ASSERT_TRUE(database->CompactRange(everything, nullptr, nullptr).ok());
  }
  Open();
  EXPECT_EQ(VerifyFiles(*storage_), absl::OkStatus());
  storage_.reset();
  ASSERT_GE(FlipBytes(".blob"), 1);
  Open();
  EXPECT_EQ(VerifyFiles(*storage_).code(), absl::StatusCode::kDataLoss);
}

// If this fails, a missing file is noticed only when a replica asks for it.
TEST_F(RocksdbVerifyTest, AMissingBlobFileIsFound) {
  for (const auto& entry : std::filesystem::directory_iterator(data_dir_ + "/rocksdb")) {
    if (entry.path().extension() == ".blob") std::filesystem::remove(entry.path());
  }
  EXPECT_FALSE(VerifyFiles(*storage_).ok());
  EXPECT_THAT(
      Verify(*storage_, kClient).problems,
      Contains(AllOf(HasSubstr("the segment of " + Named(2)), HasSubstr("cannot be read"))));
}

// If this fails, the time of listing clients grows with their history.
TEST_F(RocksdbVerifyTest, ListingClientsDoesNotReadTheirVersions) {
  Uuid parent = ids_.back();
  for (int i = 0; i < 500; ++i) {
    parent = MustAppend(*storage_, kClient, parent, "small").version_id;
  }
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  EXPECT_EQ(ListAll(*storage_).size(), 2u);
  EXPECT_LT(rocksdb::get_perf_context()->internal_key_skipped_count, 50u);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

// If this fails, an operator plans with wrong figures, or sees none of a disk that fills.
TEST_F(RocksdbVerifyTest, StatsDescribeFilesAndDisk) {
  const auto stats = storage_->administration().ReadStats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->clients, 2u);
  EXPECT_GT(stats->bytes_on_disk, 390'000u);
  EXPECT_GT(stats->disk_bytes_total, stats->disk_bytes_free);
  EXPECT_GT(stats->disk_bytes_free, 0u);
  std::vector<std::string> names;
  std::map<std::string, double> values;
  for (const auto& [name, value] : stats->backend) {
    names.push_back(name);
    values[name] = value;
    EXPECT_GE(value, 0);
  }
  EXPECT_GT(values["rocksdb_blob_file_bytes"], 390'000);
  EXPECT_GT(values["rocksdb_memtable_bytes"], 0);
  EXPECT_GE(values["rocksdb_level0_files"], 1);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "a name comes twice";
  for (const char* const name :
       {"rocksdb_memtable_bytes", "rocksdb_block_cache_bytes", "rocksdb_pending_compaction_bytes",
        "rocksdb_compactions_running", "rocksdb_flushes_running", "rocksdb_level0_files",
        "rocksdb_blob_file_bytes", "rocksdb_background_errors", "rocksdb_writes_stopped",
        "rocksdb_head_cache_bytes"}) {
    EXPECT_THAT(names, Contains(name));
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
