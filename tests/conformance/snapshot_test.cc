// The protocol's rows for snapshots, over real sockets and against each storage backend: which ones
// are kept, their bytes, and the server's requests for one.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backend_test.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "tcsync/uuid.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

class SnapshotTest : public BackendTest {
 protected:
  // Expects that the client's snapshot is `snapshot` at `version`.
  static void ExpectSnapshot(Replica& replica, const std::string& version,
                             const std::string& snapshot) {
    const HttpResponse response = replica.GetSnapshot();
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_EQ(response.Header("X-Version-Id"), version) << response;
    EXPECT_TRUE(response.body == snapshot) << response;
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, SnapshotTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

// If this fails, an empty replica does not start: it asks for the snapshot first, and takes a 404
// as "begin at the first version".
TEST_P(SnapshotTest, AClientWithoutASnapshotGets404) {
  Replica replica(server());
  EXPECT_EQ(replica.GetSnapshot().status, 404);
  replica.AppendChain(kNil, 3);
  EXPECT_EQ(replica.GetSnapshot().status, 404);
}

// If this fails, a fresh computer cannot start from a snapshot.
TEST_P(SnapshotTest, ASnapshotIsReturnedWithItsVersion) {
  Replica replica(server());
  const std::vector<std::string> versions = replica.AppendChain(kNil, 3);
  const HttpResponse stored = replica.AddSnapshot(versions.back(), "state");
  EXPECT_EQ(stored.status, 200) << stored;
  const HttpResponse response = replica.GetSnapshot();
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_EQ(response.Header("Content-Type"), kSnapshotType) << response;
  EXPECT_EQ(response.HeaderCount("X-Version-Id"), 1) << response;
  EXPECT_EQ(response.Header("X-Version-Id"), versions.back()) << response;
  EXPECT_EQ(response.body, "state");
  EXPECT_EQ(replica.Pull(kNil), versions) << "a snapshot must not change the chain";
}

// If this fails, snapshots are changed on their way through; they can be many megabytes.
TEST_P(SnapshotTest, SnapshotsAreReturnedByteForByte) {
  Replica replica(server());
  std::string parent = kNil;
  uint32_t seed = 100;
  for (const size_t size : {1, 256, 1024, 16 * 1024, 1 << 20, 20 << 20}) {
    parent = replica.Append(parent);
    const std::string snapshot = BinaryBytes(size, ++seed);
    EXPECT_EQ(replica.AddSnapshot(parent, snapshot).status, 200) << size;
    ExpectSnapshot(replica, parent, snapshot);
  }
}

// If this fails, old snapshots replace useful ones, or useful ones are refused: a replica uploads
// while others keep adding versions.
TEST_P(SnapshotTest, OnlyTheLastFiveVersionsMayHaveASnapshot) {
  Replica replica(server());
  const std::vector<std::string> versions = replica.AppendChain(kNil, 7);
  for (const int old : {0, 1}) {
    EXPECT_EQ(replica.AddSnapshot(versions[old], "old").status, 200);
    EXPECT_EQ(replica.GetSnapshot().status, 404) << "version " << old << " of 0 to 6";
  }
  for (const int recent : {2, 3, 4, 5, 6}) {
    const std::string snapshot = absl::StrCat("at ", recent);
    EXPECT_EQ(replica.AddSnapshot(versions[recent], snapshot).status, 200);
    ExpectSnapshot(replica, versions[recent], snapshot);
  }
}

// If this fails, a slow upload of an old snapshot overwrites a newer one.
TEST_P(SnapshotTest, OnlyANewerSnapshotReplacesTheStoredOne) {
  Replica replica(server());
  std::vector<std::string> versions = replica.AppendChain(kNil, 5);
  EXPECT_EQ(replica.AddSnapshot(versions[3], "fourth").status, 200);
  for (const int not_newer : {0, 1, 2, 3}) {
    EXPECT_EQ(replica.AddSnapshot(versions[not_newer], "again").status, 200);
    ExpectSnapshot(replica, versions[3], "fourth");
  }
  EXPECT_EQ(replica.AddSnapshot(versions[4], "fifth").status, 200);
  ExpectSnapshot(replica, versions[4], "fifth");
  versions.push_back(replica.Append(versions.back()));
  ExpectSnapshot(replica, versions[4], "fifth");
}

// If this fails, a snapshot that leads nowhere is kept; or a merely unwanted one fails, and the
// client reports its whole sync as failed.
TEST_P(SnapshotTest, SnapshotsOfOtherVersionsAreAcknowledgedAndDropped) {
  Replica replica(server());
  const std::string first_parent = RandomId();
  const std::vector<std::string> versions = replica.AppendChain(first_parent, 2);
  const std::string others[] = {kNil, first_parent, RandomId()};
  for (const std::string& other : others) {
    EXPECT_EQ(replica.AddSnapshot(other, "stray").status, 200) << other;
    EXPECT_EQ(replica.GetSnapshot().status, 404) << other;
  }
  // The same when there is a replaceable one.
  EXPECT_EQ(replica.AddSnapshot(versions[1], "good").status, 200);
  for (const std::string& other : others) {
    EXPECT_EQ(replica.AddSnapshot(other, "stray").status, 200) << other;
    ExpectSnapshot(replica, versions[1], "good");
  }
}

// If this fails, the nil version, from which a chain begins, is taken for a version with a state.
TEST_P(SnapshotTest, ASnapshotOfTheNilVersionIsDropped) {
  Replica replica(server());
  replica.AppendChain(kNil, 1);
  EXPECT_EQ(replica.AddSnapshot(kNil, "nothing").status, 200);
  EXPECT_EQ(replica.GetSnapshot().status, 404);
}

// If this fails, a snapshot creates a client without a chain, or a stranger can store megabytes.
TEST_P(SnapshotTest, AnUnknownClientCannotAddASnapshot) {
  Replica replica(server());
  EXPECT_EQ(replica.AddSnapshot(kNil).status, 404);
  EXPECT_EQ(replica.AddSnapshot(RandomId()).status, 404);
  EXPECT_EQ(replica.GetSnapshot().status, 404);
  // Still any parent: it was not created.
  replica.Append(RandomId());
}

// If this fails, the server requests snapshots at the wrong time: too early costs every user
// megabytes at each sync, too late makes a fresh computer replay the whole history.
TEST_P(SnapshotTest, UrgencyGrowsWithTheVersionsSinceTheSnapshot) {
  for (const int low : {1, 2, 3, 4, 10}) {
    Options options = OptionsFor(GetParam());
    options.snapshot_versions = low;
    TestServer server(options);
    Replica replica(server);
    std::string latest = kNil;
    // None yet: high, from the first version on.
    for (int i = 0; i < 2 * low + 2; ++i) {
      const HttpResponse response = replica.AddVersion(latest);
      EXPECT_EQ(response.Header("X-Snapshot-Request"), "urgency=high") << response;
      latest = response.Header("X-Version-Id");
    }
    // Twice: a new snapshot starts the count again.
    for (int snapshots = 0; snapshots < 2; ++snapshots) {
      EXPECT_EQ(replica.AddSnapshot(latest).status, 200);
      for (int since = 1; since <= 2 * low + 1; ++since) {
        const HttpResponse response = replica.AddVersion(latest);
        ASSERT_EQ(response.status, 200) << response;
        const std::string expected = 2 * since >= 3 * low ? "urgency=high"
                                     : since >= low       ? "urgency=low"
                                                          : "";
        EXPECT_EQ(response.Header("X-Snapshot-Request"), expected)
            << since << " versions since the snapshot, asked for at " << low;
        EXPECT_EQ(response.HeaderCount("X-Snapshot-Request"), expected.empty() ? 0 : 1);
        latest = response.Header("X-Version-Id");
      }
    }
  }
}

// If this fails, the count starts at the upload instead of at the snapshot's version, or a dropped
// snapshot counts.
TEST_P(SnapshotTest, UrgencyCountsFromTheSnapshotsVersion) {
  Options options = OptionsFor(GetParam());
  options.snapshot_versions = 4;
  TestServer server(options);
  Replica replica(server);
  std::vector<std::string> versions = replica.AppendChain(kNil, 8);
  EXPECT_EQ(replica.AddSnapshot(versions[5]).status, 200);  // two versions since
  EXPECT_EQ(replica.AddSnapshot(versions[2]).status, 200);  // dropped
  EXPECT_EQ(replica.AddSnapshot(kNil).status, 200);         // dropped
  const char* const expected[] = {"", "urgency=low", "urgency=low", "urgency=high"};  // 3, 4, 5, 6
  for (const char* const urgency : expected) {
    const HttpResponse response = replica.AddVersion(versions.back());
    EXPECT_EQ(response.Header("X-Snapshot-Request"), urgency) << response;
    versions.push_back(response.Header("X-Version-Id"));
  }
}

// If this fails, a user who rarely syncs is never asked for a snapshot, or always. The storage is a
// scripted one, which sets the snapshot's age.
TEST(SnapshotAgeTest, UrgencyGrowsWithTheSnapshotsAge) {
  Options options = OptionsFor("memory");
  options.snapshot_days = 14;
  options.snapshot_versions = 100;
  auto script = std::make_shared<Script>();
  TestServer server(options, std::make_unique<ScriptedStorage>(script));
  Replica replica(server);
  std::string latest = replica.Append(kNil);
  // A minute is more than this test takes.
  const absl::Duration minute = absl::Minutes(1);
  const absl::Duration day = absl::Hours(24);
  const struct {
    absl::Duration age;
    uint64_t versions_since;
    const char* expected;
  } cases[] = {
      {absl::ZeroDuration(), 1, ""},
      {14 * day - minute, 1, ""},
      {14 * day, 1, "urgency=low"},
      {21 * day - minute, 1, "urgency=low"},
      {21 * day, 1, "urgency=high"},
      {365 * day, 1, "urgency=high"},
      // The larger of the two, in either order.
      {14 * day, 150, "urgency=high"},
      {21 * day, 100, "urgency=high"},
      {absl::ZeroDuration(), 100, "urgency=low"},
      {14 * day, 99, "urgency=low"},
      // The clock was set back since: no reason for a request.
      {-7 * day, 1, ""},
  };
  for (const auto& each : cases) {
    script->ReportSnapshot(SnapshotSummary{
        Uuid::Random(), absl::ToUnixSeconds(absl::Now() - each.age), each.versions_since});
    const HttpResponse response = replica.AddVersion(latest);
    ASSERT_EQ(response.status, 200) << response;
    EXPECT_EQ(response.Header("X-Snapshot-Request"), each.expected)
        << absl::FormatDuration(each.age) << " old, " << each.versions_since << " versions since";
    latest = response.Header("X-Version-Id");
  }
}

}  // namespace
}  // namespace tcsync::conformance
