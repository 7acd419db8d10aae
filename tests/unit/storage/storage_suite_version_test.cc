// The storage suite, versions: appending them and finding them again.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

// If this fails, new users, or users who come from another server, cannot begin.
TEST_P(StorageSuite, TheFirstVersionMayHaveAnyParent) {
  for (const Uuid& parent :
       {kNil, Uuid::Random(), base::RandomUuidWithNumber(0), base::RandomUuidWithNumber(1),
        base::RandomUuidWithNumber(57), base::RandomUuidWithNumber(base::kVersionNumberMax)}) {
    const Uuid client = Uuid::Random();
    const Appended first = MustAppend(storage(), client, parent, "first");
    EXPECT_FALSE(first.version_id.IsNil());
    EXPECT_NE(first.version_id, parent);
    EXPECT_FALSE(first.snapshot.has_value());
    const std::optional<Version> child = ChildOf(storage(), client, parent);
    ASSERT_TRUE(child.has_value()) << parent.ToString();
    EXPECT_EQ(child->version_id, first.version_id);
    EXPECT_EQ(child->parent_version_id, parent);
    EXPECT_EQ(child->segment, "first");
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, first.version_id)), first.version_id);
  }
}

// If this fails, versions are lost or found in the wrong place in a long history.
TEST_P(StorageSuite, ChildrenAreFoundFromEveryPositionOfALongChain) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 300);
  Uuid parent = kNil;
  for (const Uuid& version_id : version_ids) {
    const std::optional<Version> child = ChildOf(storage(), client, parent);
    ASSERT_TRUE(child.has_value()) << parent.ToString();
    EXPECT_EQ(child->version_id, version_id);
    EXPECT_EQ(child->segment, "segment after " + parent.ToString());
    parent = version_id;
  }
  EXPECT_EQ(NoChildOf(GetChild(storage(), client, parent)), parent);
}

// If this fails, a replica from another server cannot continue, or gets another child. Parents made
// by another tcsync carry a number, which here leads nowhere or astray.
TEST_P(StorageSuite, AForeignFirstParentIsFoundDespiteAMisleadingNumber) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{29}, uint64_t{30},
                                uint64_t{31}, uint64_t{57}, base::kVersionNumberMax}) {
    const Uuid client = Uuid::Random();
    const Uuid foreign = base::RandomUuidWithNumber(number);
    const std::vector<Uuid> version_ids = AppendChain(storage(), client, foreign, 30);
    EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, foreign)), version_ids) << number;
    // Another ID with the same number, or with one of the chain's numbers, has no child here.
    for (const uint64_t other : {number, uint64_t{0}, uint64_t{1}, uint64_t{15}, uint64_t{30}}) {
      EXPECT_EQ(NoChildOf(GetChild(storage(), client, base::RandomUuidWithNumber(other))),
                version_ids.back())
          << other;
    }
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, kNil)), version_ids.back());
  }
}

// If this fails, two replicas that synced at the same time overwrite each other.
TEST_P(StorageSuite, AnyParentButTheLatestIsAConflict) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 3);
  for (const Uuid& parent : {kNil, version_ids[0], version_ids[1], Uuid::Random(),
                             base::RandomUuidWithNumber(3), base::RandomUuidWithNumber(4)}) {
    EXPECT_EQ(ConflictOf(Append(storage(), client, parent)), version_ids[2]) << parent.ToString();
  }
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), version_ids);
  MustAppend(storage(), client, version_ids[2]);
}

// If this fails, a server that creates no clients creates them, or a read creates one.
TEST_P(StorageSuite, UnknownClientsAreCreatedOnlyByAppendingAndOnlyWhenAllowed) {
  const Uuid client = Uuid::Random();
  AppendRequest request = AppendRequestFor(client, kNil);
  request.create_client = false;
  absl::StatusOr<AppendOutcome> outcome = TryAppend(storage(), request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*outcome));
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  EXPECT_EQ(StoreSnapshot(storage(), client, kNil), StoreSnapshotOutcome::kNoSuchClient);
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));

  const Uuid first = MustAppend(storage(), client, kNil).version_id;
  request.expected_parent = first;
  outcome = TryAppend(storage(), request);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(std::holds_alternative<Appended>(*outcome)) << "the client exists now";
}

// If this fails, two users whose chains begin at the same version see each other's tasks.
TEST_P(StorageSuite, ClientsWithTheSameFirstParentHaveSeparateChains) {
  const Uuid foreign = Uuid::Random();
  for (const Uuid& parent : {kNil, foreign}) {
    // Neighbours in the order of keys, and both ends of it.
    const char digit = parent.IsNil() ? '4' : '5';
    const auto neighbour = [digit](absl::string_view end) {
      return *Uuid::Parse(
          absl::StrCat("11111111-1111-4111-8111-1111111", std::string(3, digit), end));
    };
    const std::vector<Uuid> clients = {
        neighbour("10"), neighbour("11"), neighbour("12"),
        parent.IsNil() ? Uuid() : *Uuid::Parse("00000000-0000-0000-0000-000000000001"),
        *Uuid::Parse(parent.IsNil() ? "ffffffff-ffff-ffff-ffff-ffffffffffff"
                                    : "ffffffff-ffff-ffff-ffff-fffffffffffe")};
    std::vector<Uuid> firsts;
    for (const Uuid& client : clients) {
      firsts.push_back(MustAppend(storage(), client, parent, "of " + client.ToString()).version_id);
    }
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::optional<Version> child = ChildOf(storage(), clients[i], parent);
      ASSERT_TRUE(child.has_value());
      EXPECT_EQ(child->version_id, firsts[i]);
      EXPECT_EQ(child->segment, "of " + clients[i].ToString());
      for (size_t j = 0; j < clients.size(); ++j) {
        if (i == j) continue;
        EXPECT_EQ(NoChildOf(GetChild(storage(), clients[i], firsts[j])), firsts[i]);
        EXPECT_EQ(ConflictOf(Append(storage(), clients[i], firsts[j])), firsts[i]);
      }
    }
  }
}

// If this fails, a segment of some size is returned changed, or not at all: sizes around every
// threshold of the forms of storage.
TEST_P(StorageSuite, SegmentsOfEverySizeAreReturned) {
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  std::vector<std::string> segments;
  for (const size_t size :
       {size_t{1}, size_t{2}, size_t{1000}, base::kInlineBytesMax - 41, base::kInlineBytesMax - 1,
        base::kInlineBytesMax, base::kInlineBytesMax + 1, size_t{base::kBlobBytesMin - 42},
        size_t{base::kBlobBytesMin - 1}, size_t{base::kBlobBytesMin},
        size_t{base::kBlobBytesMin + 1}, size_t{1} << 20}) {
    segments.push_back(Noise(size, static_cast<uint32_t>(size)));
    latest = MustAppend(storage(), client, latest, segments.back()).version_id;
  }
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  segments.push_back(every_byte);
  latest = MustAppend(storage(), client, latest, every_byte).version_id;

  const std::vector<Version> chain = ReadChain(storage(), client, kNil);
  ASSERT_EQ(chain.size(), segments.size());
  for (size_t i = 0; i < chain.size(); ++i) {
    // Not EXPECT_EQ, which would print them.
    EXPECT_TRUE(chain[i].segment == segments[i]) << "of " << segments[i].size() << " bytes";
  }
}

// If this fails, the largest body that the default budget takes cannot be stored.
TEST_P(StorageSuite, ASegmentOf33MiBIsReturned) {
  const Uuid client = Uuid::Random();
  const std::string large = Noise(size_t{33} << 20);
  const Uuid first = MustAppend(storage(), client, kNil, large).version_id;
  const Uuid second = MustAppend(storage(), client, first, "small").version_id;
  const std::optional<Version> child = ChildOf(storage(), client, kNil);
  ASSERT_TRUE(child.has_value());
  EXPECT_TRUE(child->segment == large);
  EXPECT_EQ(ChildOf(storage(), client, first)->version_id, second);
}

// If this fails, versions of two clients, or two of one, have the same ID.
TEST_P(StorageSuite, VersionIdsAreNeverRepeated) {
  std::set<Uuid> seen;
  for (int i = 0; i < 10; ++i) {
    for (const Uuid& id : AppendChain(storage(), Uuid::Random(), kNil, 10)) {
      EXPECT_TRUE(seen.insert(id).second) << id.ToString();
    }
  }
}

}  // namespace
}  // namespace tcsync
