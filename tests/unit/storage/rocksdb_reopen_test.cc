// A data directory that is closed and opened again. If these fail, a restart loses history.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

// A client whose chain has segments of every kind, and a snapshot.
struct ExpectedClient {
  Uuid client_id;
  Uuid first_parent;
  std::vector<Version> chain;
  Snapshot snapshot;
};

class RocksdbReopenTest : public testing::Test {
 protected:
  RocksdbReopenTest() { options_.data_dir = directory_.path() + "/data"; }

  void Open() {
    storage_.reset();
    auto storage = OpenRocksdbStorage(options_, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
  }

  // Appends one version of `size` bytes.
  void Extend(ExpectedClient& client, size_t size) {
    const Uuid parent = client.chain.empty() ? client.first_parent : client.chain.back().version_id;
    const std::string segment = Noise(size, static_cast<uint32_t>(client.chain.size() + 1));
    const Appended appended = MustAppend(*storage_, client.client_id, parent, segment);
    client.chain.push_back({appended.version_id, parent, segment});
    if (client.snapshot.bytes.empty()) return;
    ASSERT_TRUE(appended.snapshot.has_value());
    EXPECT_EQ(appended.snapshot->version_id, client.snapshot.version_id);
  }

  void StoreSnapshotOfLatest(ExpectedClient& client, size_t size) {
    client.snapshot = {client.chain.back().version_id, Noise(size)};
    EXPECT_EQ(StoreSnapshot(*storage_, client.client_id, client.snapshot.version_id,
                            client.snapshot.bytes),
              StoreSnapshotOutcome::kStored);
  }

  std::vector<ExpectedClient> MakeClients() {
    std::vector<ExpectedClient> clients;
    for (int i = 0; i < 12; ++i) {
      ExpectedClient client{
          Uuid::Random(), i % 3 == 0 ? kNil : base::RandomUuidWithNumber(2), {}, {}};
      for (const size_t size :
           {size_t{10}, base::kInlineBytesMax, size_t{100}, size_t{100'000}, size_t{1}}) {
        Extend(client, size);
      }
      if (i % 2 == 0) StoreSnapshotOfLatest(client, i % 4 == 0 ? 100 : 100'000);
      Extend(client, 10);
      clients.push_back(client);
    }
    return clients;
  }

  void Expect(const std::vector<ExpectedClient>& clients) {
    for (const ExpectedClient& client : clients) {
      const std::vector<Version> chain =
          ReadChain(*storage_, client.client_id, client.first_parent);
      ASSERT_EQ(VersionIdsOf(chain), VersionIdsOf(client.chain));
      for (size_t i = 0; i < chain.size(); ++i) {
        EXPECT_TRUE(chain[i].segment == client.chain[i].segment) << "version " << i + 1;
      }
      EXPECT_EQ(ConflictOf(Append(*storage_, client.client_id, client.chain[0].version_id)),
                chain.back().version_id);
      const std::optional<Snapshot> snapshot = SnapshotOf(*storage_, client.client_id);
      ASSERT_EQ(snapshot.has_value(), !client.snapshot.bytes.empty());
      if (!snapshot) continue;
      EXPECT_EQ(snapshot->version_id, client.snapshot.version_id);
      EXPECT_TRUE(snapshot->bytes == client.snapshot.bytes);
    }
  }

  const TemporaryDirectory directory_;
  RocksdbStorageOptions options_;
  std::unique_ptr<Storage> storage_;
};

// If this fails, segments, snapshots or the order of versions change over a restart.
TEST_F(RocksdbReopenTest, EverythingIsKept) {
  Open();
  std::vector<ExpectedClient> clients = MakeClients();
  for (int times = 0; times < 3; ++times) {
    Open();
    Expect(clients);
    // Then it continues.
    for (ExpectedClient& client : clients) Extend(client, 10);
    StoreSnapshotOfLatest(clients[0], 1000);
    Expect(clients);
  }
}

// If this fails, a client that was away is taken for a new one, or its chain is written over: every
// head is read from the database, from memtables, files and blob files.
TEST_F(RocksdbReopenTest, HeadsAreReadFromTheDatabaseWithoutACache) {
  options_.head_cache_bytes = 1;
  options_.memtable_bytes = 64 * 1024;
  options_.block_cache_bytes = 64 * 1024;
  Open();
  std::vector<ExpectedClient> clients = MakeClients();
  Expect(clients);
  for (int times = 0; times < 2; ++times) {
    Open();
    for (ExpectedClient& client : clients) Extend(client, 10);
    Expect(clients);
  }
}

// If this fails, a chain ends at a multiple of ten, or its latest version is lost among the keys of
// its neighbours.
TEST_F(RocksdbReopenTest, TheLatestVersionOfALongChainIsFoundAgain) {
  options_.head_cache_bytes = 1;
  Open();
  const Uuid client = *Uuid::Parse("11111111-1111-4111-8111-111111111111");
  for (const char* neighbour :
       {"11111111-1111-4111-8111-111111111110", "11111111-1111-4111-8111-111111111112"}) {
    AppendChain(*storage_, *Uuid::Parse(neighbour), kNil, 3);
  }
  Uuid latest = kNil;
  for (int i = 0; i < 3; ++i) {
    latest = AppendChain(*storage_, client, latest, 100).back();
    Open();
    EXPECT_EQ(NoChildOf(GetChild(*storage_, client, latest)), latest);
    EXPECT_EQ(ReadChain(*storage_, client, kNil).size(), static_cast<size_t>(100 * (i + 1)));
  }
}

// If this fails, compaction rewrites large sealed values again and again, or all small ones get
// files of their own.
TEST_F(RocksdbReopenTest, OnlyLargeValuesAreStoredInBlobFiles) {
  const auto blob_files = [this] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options_.data_dir + "/rocksdb")) {
      if (absl::EndsWith(entry.path().string(), ".blob")) ++count;
    }
    return count;
  };
  Open();
  ExpectedClient client{Uuid::Random(), kNil, {}, {}};
  for (int i = 0; i < 20; ++i) Extend(client, base::kInlineBytesMax - 1);
  Open();  // the content of the log is in files now
  EXPECT_EQ(blob_files(), 0);
  Extend(client, base::kBlobBytesMin);
  Open();
  EXPECT_GE(blob_files(), 1);
  Expect({client});
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
