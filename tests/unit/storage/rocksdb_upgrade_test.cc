// Data directories that releases with older storage formats wrote. If these fail, an update of the
// server loses history, or counts wrong from then on.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/slice_transform.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/bare_database.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

// Writes records of format 1, byte for byte.
class Format1Writer {
 public:
  explicit Format1Writer(rocksdb::DB& database) : database_(database) {}

  void Client(const Uuid& client_id, const std::optional<Snapshot>& snapshot, uint64_t number) {
    std::string value = Number(1'600'000'000);
    value.push_back(snapshot ? 1 : 0);
    if (snapshot) {
      value += Bytes(snapshot->version_id) + Number(number) + Number(1'600'000'001);
      Put(Bytes(client_id) + "\x40", snapshot->bytes);
    }
    Put(Bytes(client_id) + "\x10", value);
  }

  void Version(const Uuid& client_id, uint64_t number, const tcsync::Version& version) {
    const bool is_inline = version.segment.size() < 16 * 1024;
    std::string trailer =
        Bytes(version.version_id) + Bytes(version.parent_version_id) + Number(1'600'000'002);
    trailer.push_back(is_inline ? 1 : 0);
    const std::string end = Number(number);
    Put(Bytes(client_id) + "\x20" + end, is_inline ? version.segment + trailer : trailer);
    if (!is_inline) Put(Bytes(client_id) + "\x21" + end, version.segment);
    if (base::NumberHint(version.parent_version_id) + 1 != number) {
      Put(Bytes(client_id) + "\x30" + Bytes(version.parent_version_id), end);
    }
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(database_.Put(rocksdb::WriteOptions(), key, value).ok());
  }

 private:
  static std::string Bytes(const Uuid& uuid) { return {uuid.AsStringView().data(), Uuid::kBytes}; }
  static std::string Number(uint64_t number) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(number >> shift));
    return bytes;
  }

  rocksdb::DB& database_;
};

struct OldClient {
  Uuid client_id;
  Uuid first_parent;
  std::vector<Version> chain;
  std::optional<Snapshot> snapshot;  // of the third version
};

class RocksdbUpgradeTest : public testing::Test {
 protected:
  RocksdbUpgradeTest() : data_dir_(directory_.path() + "/data") {
    std::filesystem::create_directory(data_dir_);
    WriteFormat(1);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(16));
    const auto database = OpenBareDatabase(data_dir_ + "/rocksdb", options);
    Format1Writer writer(*database);
    writer.Put("opened", "");
    // Among them the first and the last possible client ID.
    for (const Uuid& client_id : {kNil, Uuid::Random(), Uuid::Random(), Uuid::Random(),
                                  *Uuid::Parse("ffffffff-ffff-ffff-ffff-ffffffffffff")}) {
      OldClient client{client_id, clients_.size() % 2 == 0 ? kNil : Uuid::Random(), {}, {}};
      Uuid parent = client.first_parent;
      for (const size_t size : {10, 20'000, 30, 40'000, 50}) {
        const uint64_t number = client.chain.size() + 1;
        client.chain.push_back({base::RandomUuidWithNumber(number), parent, Noise(size)});
        parent = client.chain.back().version_id;
        writer.Version(client_id, number, client.chain.back());
      }
      if (clients_.size() % 2 == 0) {
        client.snapshot = Snapshot{client.chain[2].version_id, Noise(300)};
      }
      writer.Client(client_id, client.snapshot, 3);
      clients_.push_back(client);
    }
  }

  void WriteFormat(int version) {
    std::ofstream(data_dir_ + "/FORMAT") << "tcsync storage format " << version << "\n";
  }
  std::string ReadFormat() const {
    std::ifstream file(data_dir_ + "/FORMAT");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage({.data_dir = data_dir_}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  uint64_t CountedClients() {
    const auto stats = storage_->administration().ReadStats();
    EXPECT_TRUE(stats.ok()) << stats.status();
    return stats.ok() ? stats->clients : 0;
  }

  const TemporaryDirectory directory_;
  const std::string data_dir_;
  std::vector<OldClient> clients_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(RocksdbUpgradeTest, EverythingIsReadAndGoesOn) {
  for (int round = 0; round < 2; ++round) {
    Open();
    EXPECT_EQ(ReadFormat(), "tcsync storage format 4\n");
    for (OldClient& client : clients_) {
      const std::vector<Version> chain =
          ReadChain(*storage_, client.client_id, client.first_parent);
      ASSERT_EQ(VersionIdsOf(chain), VersionIdsOf(client.chain));
      for (size_t i = 0; i < chain.size(); ++i) {
        EXPECT_TRUE(chain[i].segment == client.chain[i].segment) << "version " << i + 1;
      }
      const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, client.client_id);
      ASSERT_EQ(snapshot.has_value(), client.snapshot.has_value());
      EXPECT_TRUE(!snapshot || snapshot->bytes == client.snapshot->bytes);
      const Appended appended =
          MustAppend(*storage_, client.client_id, client.chain.back().version_id, Noise(100));
      EXPECT_EQ(base::NumberHint(appended.version_id), client.chain.size() + 1);
      if (snapshot) {
        EXPECT_EQ(appended.snapshot->stored_unix_seconds, 1'600'000'001);
        EXPECT_EQ(appended.snapshot->versions_since, client.chain.size() + 1 - 3);
      }
      client.chain.push_back({appended.version_id, client.chain.back().version_id, Noise(100)});
    }
  }
}

TEST_F(RocksdbUpgradeTest, ClientsAreCounted) {
  Open();
  EXPECT_EQ(CountedClients(), clients_.size());
  const Uuid added = Uuid::Random();
  MustAppend(*storage_, added, kNil);
  EXPECT_EQ(CountedClients(), clients_.size() + 1);
  MustImport(*storage_, Uuid::Random(), ForeignChain(kNil, 2));
  EXPECT_EQ(CountedClients(), clients_.size() + 2);
  ASSERT_TRUE(Delete(*storage_, clients_[0].client_id));
  ASSERT_TRUE(Delete(*storage_, added));
  EXPECT_EQ(CountedClients(), clients_.size());
  Open();
  EXPECT_EQ(CountedClients(), clients_.size());
  MustAppend(*storage_, added, kNil);
  Open();
  EXPECT_EQ(CountedClients(), clients_.size() + 1);
}

// An interrupted upgrade, between its two steps, after which the earlier release was started once
// more and created a client.
TEST_F(RocksdbUpgradeTest, AnUpgradeThatWasCutShortIsRepeated) {
  Open();
  storage_.reset();
  WriteFormat(1);
  {
    const auto database = OpenBareDatabase(data_dir_ + "/rocksdb");
    ASSERT_NE(database, nullptr);
    Format1Writer writer(*database);
    const Uuid client_id = Uuid::Random();
    writer.Version(client_id, 1, {base::RandomUuidWithNumber(1), kNil, "segment"});
    writer.Client(client_id, std::nullopt, 0);
  }
  Open();
  EXPECT_EQ(CountedClients(), clients_.size() + 1);
  EXPECT_EQ(ReadFormat(), "tcsync storage format 4\n");
}

// If this fails, a server whose last release kept no total of live bytes refuses writes, or none.
TEST(RocksdbUpgradeOfFormat3Test, LiveBytesAreCountedAndKept) {
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  const Uuid client_id = Uuid::Random();
  uint64_t live_bytes = 0;
  const auto read_live_bytes = [](Storage& storage) {
    const auto stats = storage.administration().ReadStats();
    EXPECT_TRUE(stats.ok()) << stats.status();
    return stats.ok() ? stats->live_bytes : 0;
  };
  {
    auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    MustAppend(**storage, client_id, kNil, std::string(100'000, 'x'));
    live_bytes = read_live_bytes(**storage);
    EXPECT_GT(live_bytes, 100'000u);
  }
  {
    const auto database = OpenBareDatabase(data_dir + "/rocksdb");
    ASSERT_NE(database, nullptr);
    ASSERT_TRUE(database->Delete(rocksdb::WriteOptions(), LiveBytesKey()).ok());
  }
  std::ofstream(data_dir + "/FORMAT") << "tcsync storage format 3\n";
  for (int round = 0; round < 2; ++round) {
    auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    EXPECT_EQ(read_live_bytes(**storage), live_bytes);
    std::string format;
    std::getline(std::ifstream(data_dir + "/FORMAT"), format);
    EXPECT_EQ(format, FormatLine(kStorageFormatVersion));
  }
}

// Earlier data counts as nothing, and nothing falls below zero when it is removed.
TEST_F(RocksdbUpgradeTest, OldBytesCountAsNothing) {
  Open();
  const OldClient& client = clients_[0];  // with a snapshot
  const Uuid latest = client.chain.back().version_id;
  AppendRequest request = AppendRequestFor(client.client_id, latest, Noise(1'000));
  request.limits.bytes_max = 1'000;
  const absl::StatusOr<AppendOutcome> outcome = TryAppend(*storage_, request);
  ASSERT_TRUE(outcome.ok() && std::holds_alternative<Appended>(*outcome));
  EXPECT_EQ(Find(*storage_, client.client_id).history_bytes, 1'000u);
  // Removed bytes are reported in full.
  EXPECT_EQ(RemoveBelow(*storage_, client.client_id, 3), 20'010u);
  EXPECT_EQ(Find(*storage_, client.client_id).history_bytes, 1'000u);
  const Uuid sixth = std::get<Appended>(*outcome).version_id;
  const Uuid seventh = MustAppend(*storage_, client.client_id, sixth, Noise(500)).version_id;
  ASSERT_EQ(StoreSnapshot(*storage_, client.client_id, seventh, Noise(10)),
            StoreSnapshotOutcome::kStored);
  EXPECT_EQ(RemoveBelow(*storage_, client.client_id, 7), 30u + 40'000u + 50u + 1'000u);
  const ClientSummary summary = Find(*storage_, client.client_id);
  EXPECT_EQ(summary.history_bytes, 500u);
  EXPECT_EQ(summary.snapshot_bytes, 10u);
  EXPECT_EQ(summary.first_number, 7u);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
