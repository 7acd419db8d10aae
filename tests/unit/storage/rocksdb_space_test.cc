// The space of replaced data is freed.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/raw_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr size_t kSnapshotBytes = 100'000;
constexpr int kClients = 50;
constexpr uint64_t kLiveBytes = kClients * kSnapshotBytes;

// Half of the clients store one snapshot, each at another time, and keep it; the others replace
// theirs in every round. So every blob file has live values among much garbage. If this fails, the
// disk fills up with replaced snapshots.
TEST(RocksdbSpaceTest, ReplacedSnapshotsReleaseTheirSpace) {
  constexpr int kRoundsMin = 60;
  constexpr int kRoundsMax = 300;  // by then 750 MB were written
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  const auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
  ASSERT_TRUE(storage.ok()) << storage.status();
  std::vector<Uuid> clients(kClients);
  std::vector<Uuid> latest(kClients);
  for (Uuid& client_id : clients) client_id = Uuid::Random();
  uint64_t bytes = 0;
  for (int round = 0; round < kRoundsMin || (bytes > 6 * kLiveBytes && round < kRoundsMax);
       ++round) {
    for (int client = 0; client < kClients; ++client) {
      const bool keeps_its_first = client < kClients / 2;
      if (keeps_its_first && client != round) continue;
      latest[client] = MustAppend(**storage, clients[client], latest[client]).version_id;
      ASSERT_EQ(StoreSnapshot(**storage, clients[client], latest[client],
                              Noise(kSnapshotBytes, round * kClients + client)),
                StoreSnapshotOutcome::kStored);
    }
    bytes = BytesIn(data_dir + "/rocksdb");
  }
  EXPECT_LE(bytes, 6 * kLiveBytes) << kLiveBytes << " bytes can still be got";
  for (int client = 0; client < kClients; ++client) {
    const std::optional<Snapshot> snapshot = SnapshotOf(**storage, clients[client]);
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->version_id, latest[client]);
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
