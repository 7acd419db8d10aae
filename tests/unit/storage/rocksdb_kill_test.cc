// A server that is killed in the middle of its work. If this fails, users lose acknowledged data.
// (A kill is not a loss of power; rocksdb_fault_test.cc tests that a sync precedes each answer.)
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/child_process.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

// The acknowledged versions of each client, in order.
using Chains = std::map<int, std::vector<Version>>;

// Takes one line of the child's. False when it is malformed.
bool TakeAcknowledgement(const std::string& line, Chains& chains) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  int number = 0;
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &number)) return false;
  const std::optional<Uuid> parent = Uuid::Parse(words[1]);
  const std::optional<Uuid> version_id = Uuid::Parse(words[2]);
  if (!parent || !version_id) return false;
  chains[number].push_back({*version_id, *parent, SegmentOfKilled(*parent)});
  return true;
}

// If this fails, a crash or an update of the server loses history.
TEST(RocksdbKillTest, EveryAcknowledgedVersionSurvives) {
  constexpr int kKills = 3;
  constexpr int kAcknowledgedAtLeast = 200;  // before each kill
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  Chains acknowledged;
  for (int kills = 1; kills <= kKills; ++kills) {
    {
      ChildProcess child(kAppendUntilKilled, data_dir);
      int count = 0;
      while (const std::optional<std::string> line = child.ReadLine()) {
        ASSERT_TRUE(TakeAcknowledgement(*line, acknowledged)) << *line;
        if (++count == kAcknowledgedAtLeast) child.Kill();
      }
      ASSERT_GE(count, kAcknowledgedAtLeast) << "the child ended by itself";
    }
    const auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
    ASSERT_TRUE(storage.ok()) << storage.status();
    for (int number = 0; number < kKilledClients; ++number) {
      std::vector<Version>& expected = acknowledged[number];
      const std::vector<Version> chain = ReadChain(**storage, KilledClient(number), kNil);
      ASSERT_GE(chain.size(), expected.size()) << "an acknowledged version is lost";
      // At most the one that was being written when the child was killed.
      ASSERT_LE(chain.size(), expected.size() + 1) << "versions out of nothing";
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(chain[i].version_id, expected[i].version_id);
        ASSERT_EQ(chain[i].parent_version_id, expected[i].parent_version_id);
        ASSERT_TRUE(chain[i].segment == expected[i].segment) << "version " << i + 1;
      }
      expected = chain;
    }
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
