// A data directory that an earlier release wrote (tests/testdata/storage-format-2). If these fail,
// an update of the server loses history, or counts wrong from then on.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::HasSubstr;

const Uuid kWithSnapshot = *Uuid::Parse("11111111-1111-4111-8111-111111111111");
const Uuid kBanned = *Uuid::Parse("33333333-3333-4333-8333-333333333333");
constexpr uint64_t kSnapshotNumber = 3;

// The bytes that were stored as a version's segment, or with number 0 as the snapshot.
std::string BytesAt(const Uuid& client_id, uint64_t number, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>((client_id.AsStringView()[0] + number + i) % 251));
  }
  return bytes;
}

class RocksdbUpgradeTest : public testing::Test {
 protected:
  RocksdbUpgradeTest() : data_dir_(directory_.path() + "/data") {
    const std::string testdata = TCSYNC_TESTDATA_DIR "/storage-format-2";
    CopyDirectory(testdata + "/data", data_dir_);
    std::ifstream lines(testdata + "/chains.txt");
    std::string client_id;
    std::string version_id;
    std::string parent_version_id;
    uint64_t number = 0;
    size_t bytes = 0;
    while (lines >> client_id >> number >> version_id >> parent_version_id >> bytes) {
      const Uuid client = *Uuid::Parse(client_id);
      chains_[client].push_back({*Uuid::Parse(version_id), *Uuid::Parse(parent_version_id),
                                 BytesAt(client, number, bytes)});
    }
    EXPECT_EQ(chains_.size(), 3u);
  }

  absl::Status TryOpen() {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = data_dir_}, base::Logger());
    if (storage.ok()) storage_ = *std::move(storage);
    return storage.status();
  }
  void Open() { ASSERT_EQ(TryOpen(), absl::OkStatus()); }

  std::string ReadFormat() const { return BytesOf(data_dir_ + "/FORMAT"); }
  void WriteFormat(int version) {
    SetBytesOf(data_dir_ + "/FORMAT", absl::StrCat(FormatLine(version), "\n"));
  }

  StorageStats Stats() {
    const auto stats = storage_->administration().ReadStats();
    EXPECT_TRUE(stats.ok()) << stats.status();
    return stats.value_or(StorageStats());
  }

  // The live bytes as their definition has them.
  uint64_t LiveBytes() const {
    uint64_t bytes = 0;
    for (const auto& [client_id, chain] : chains_) {
      const ClientSummary summary = Find(*storage_, client_id);
      bytes += summary.history_bytes + summary.snapshot_bytes +
               chain.size() * base::kVersionRecordBytes + base::kClientRecordBytes;
    }
    return bytes;
  }

  const TemporaryDirectory directory_;
  const std::string data_dir_;
  std::map<Uuid, std::vector<Version>> chains_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(RocksdbUpgradeTest, OldHistoriesCanBeReadAndContinued) {
  for (int round = 0; round < 2; ++round) {
    Open();
    EXPECT_EQ(ReadFormat(), "tcsync storage format 4\n");
    EXPECT_TRUE(std::filesystem::exists(data_dir_ + "/DATABASE"));
    EXPECT_EQ(VerifyFiles(*storage_), absl::OkStatus());
    for (auto& [client_id, expected] : chains_) {
      SCOPED_TRACE(client_id.ToString());
      EXPECT_THAT(Verify(*storage_, client_id).problems, testing::IsEmpty());
      const std::vector<Version> chain =
          ReadChain(*storage_, client_id, expected.front().parent_version_id);
      ASSERT_EQ(VersionIdsOf(chain), VersionIdsOf(expected));
      uint64_t history_bytes = 0;
      for (size_t i = 0; i < chain.size(); ++i) {
        EXPECT_TRUE(chain[i].segment == expected[i].segment) << "version " << i + 1;
        history_bytes += chain[i].segment.size();
      }
      EXPECT_EQ(Find(*storage_, client_id).history_bytes, history_bytes);
      const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, client_id);
      ASSERT_EQ(snapshot.has_value(), client_id == kWithSnapshot);
      const Appended appended =
          MustAppend(*storage_, client_id, expected.back().version_id, Noise(100));
      EXPECT_EQ(base::NumberHint(appended.version_id), expected.size() + 1);
      if (snapshot) {
        EXPECT_EQ(snapshot->version_id, expected[kSnapshotNumber - 1].version_id);
        EXPECT_TRUE(snapshot->bytes == BytesAt(client_id, 0, 300));
        EXPECT_EQ(appended.snapshot->versions_since, expected.size() + 1 - kSnapshotNumber);
      }
      expected.push_back({appended.version_id, expected.back().version_id, Noise(100)});
    }
    const AccessRecords access = Access(*storage_);
    ASSERT_EQ(access.bans.size(), 1u);
    EXPECT_EQ(access.bans[0].client_id, kBanned);
    EXPECT_EQ(access.bans[0].reason, "spam");
    ASSERT_EQ(access.invites.size(), 1u);
    EXPECT_EQ(access.invites[0].label, "tea");
    EXPECT_EQ(access.invites[0].uses_max, 3u);
  }
}

// If this fails, the bound on all clients' bytes, or their number, is wrong after an update.
TEST_F(RocksdbUpgradeTest, ClientsAndTheirBytesAreCounted) {
  Open();
  EXPECT_EQ(Stats().clients, 3u);
  EXPECT_EQ(Stats().live_bytes, LiveBytes());
  const Uuid added = Uuid::Random();
  MustAppend(*storage_, added, kNil);
  MustImport(*storage_, Uuid::Random(), ForeignChain(kNil, 2));
  EXPECT_EQ(Stats().clients, 5u);
  ASSERT_TRUE(Delete(*storage_, kWithSnapshot));
  ASSERT_TRUE(Delete(*storage_, added));
  EXPECT_EQ(Stats().clients, 3u);
  const uint64_t live_bytes = Stats().live_bytes;
  Open();
  EXPECT_EQ(Stats().clients, 3u);
  EXPECT_EQ(Stats().live_bytes, live_bytes);
}

// An interrupted upgrade, between its two steps, after which the earlier release was started once
// more and created a client.
TEST_F(RocksdbUpgradeTest, AnInterruptedUpgradeIsRepeated) {
  Open();
  storage_.reset();
  WriteFormat(2);
  {
    const auto database = OpenBareDatabase(data_dir_ + "/rocksdb");
    ASSERT_NE(database, nullptr);
    const Uuid client_id = Uuid::Random();
    const std::string segment = "segment";
    const VersionTrailer trailer = {.version_id = base::RandomUuidWithNumber(1),
                                    .parent_version_id = kNil,
                                    .appended_unix_seconds = 1'700'000'000,
                                    .history_bytes = segment.size()};
    chains_[client_id] = {{trailer.version_id, kNil, segment}};
    const rocksdb::WriteOptions options;
    ASSERT_TRUE(database->Put(options, ClientKey(client_id), EncodeClientRecord({})).ok());
    ASSERT_TRUE(
        database->Put(options, VersionKey(client_id, 1), segment + EncodeVersionTrailer(trailer))
            .ok());
  }
  Open();
  EXPECT_EQ(Stats().clients, 4u);
  EXPECT_EQ(Stats().live_bytes, LiveBytes());
  EXPECT_EQ(ReadFormat(), "tcsync storage format 4\n");
}

// If this fails, records that no release ever wrote are taken for this format's.
TEST_F(RocksdbUpgradeTest, AnUnreleasedFormatIsRefusedUnchanged) {
  WriteFormat(1);
  const auto before = EverythingIn(data_dir_);
  const absl::Status refusal = TryOpen();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refusal.message(), HasSubstr("has storage format 1, and this release knows 2 to 4: "
                                           "use the earlier state of tcsync that wrote it"));
  EXPECT_EQ(EverythingIn(data_dir_), before);
  WriteFormat(2);
  EXPECT_EQ(TryOpen(), absl::OkStatus());
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
