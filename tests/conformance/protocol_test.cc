// The protocol's rows for versions, over real sockets and against each storage backend: the
// behaviour that a replica relies on at every sync. docs/protocol.md is the source of every
// expectation.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "backend_test.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "tcsync/uuid.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

class ProtocolTest : public BackendTest {};

INSTANTIATE_TEST_SUITE_P(Backends, ProtocolTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

// If this fails, no replica can upload: it takes the new version's ID from this header, and only
// from the dashed form.
TEST_P(ProtocolTest, AddVersionGivesTheNewVersionsId) {
  Replica replica(server());
  const HttpResponse response = replica.AddVersion(kNil);
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_EQ(response.HeaderCount("X-Version-Id"), 1) << response;
  const std::string version = response.Header("X-Version-Id");
  const std::optional<Uuid> parsed = Uuid::Parse(version);
  ASSERT_TRUE(parsed.has_value()) << response;
  EXPECT_EQ(parsed->ToString(), version) << "not in lower case";
  EXPECT_FALSE(parsed->IsNil());
  EXPECT_EQ(response.body, "");
  EXPECT_FALSE(response.Has("X-Parent-Version-Id")) << response;
}

// If this fails, replicas cannot download: the client refuses a segment without these headers.
TEST_P(ProtocolTest, GetChildVersionGivesTheSegmentAndIds) {
  Replica replica(server());
  const std::string first = replica.Append(kNil, "one");
  const std::string second = replica.Append(first, "two");

  const HttpResponse one = replica.GetChildVersion(kNil);
  EXPECT_EQ(one.status, 200) << one;
  EXPECT_EQ(one.body, "one");
  EXPECT_EQ(one.Header("Content-Type"), kSegmentType) << one;
  EXPECT_EQ(one.HeaderCount("X-Version-Id"), 1) << one;
  EXPECT_EQ(one.Header("X-Version-Id"), first) << one;
  EXPECT_EQ(one.HeaderCount("X-Parent-Version-Id"), 1) << one;
  EXPECT_EQ(one.Header("X-Parent-Version-Id"), kNil) << one;

  const HttpResponse two = replica.GetChildVersion(first);
  EXPECT_EQ(two.status, 200) << two;
  EXPECT_EQ(two.body, "two");
  EXPECT_EQ(two.Header("X-Version-Id"), second) << two;
  EXPECT_EQ(two.Header("X-Parent-Version-Id"), first) << two;
}

// If this fails, a replica that is up to date never finishes its sync, or fails it.
TEST_P(ProtocolTest, ChildOfTheLatestVersionIsNotFound) {
  Replica replica(server());
  const std::vector<std::string> versions = replica.AppendChain(kNil, 3);
  EXPECT_EQ(replica.GetChildVersion(versions.back()).status, 404);
}

// If this fails, the very first sync of a new user fails: it asks before it has ever uploaded.
TEST_P(ProtocolTest, ChildForAnUnknownClientIsNotFound) {
  Replica replica(server());
  EXPECT_EQ(replica.GetChildVersion(kNil).status, 404);
  EXPECT_EQ(replica.GetChildVersion(RandomId()).status, 404);
  // The request does not create the client.
  EXPECT_EQ(replica.AddSnapshot(RandomId()).status, 404);
}

// If this fails, a replica whose base the server has never seen, or has removed, believes that it
// is up to date, and silently loses the others' changes.
TEST_P(ProtocolTest, ChildOfAnUnknownVersionIsGone) {
  Replica replica(server());
  const std::string first_parent = RandomId();
  const std::vector<std::string> versions = replica.AppendChain(first_parent, 3);
  EXPECT_EQ(replica.GetChildVersion(RandomId()).status, 410);
  EXPECT_EQ(replica.GetChildVersion(kNil).status, 410) << "the chain does not begin at nil";
  EXPECT_EQ(replica.GetChildVersion(first_parent).status, 200);
  // A version ID that differs in one digit from a real one.
  std::string similar = versions[1];
  similar.back() = similar.back() == '0' ? '1' : '0';
  EXPECT_EQ(replica.GetChildVersion(similar).status, 410);
}

// If this fails, a replica that has lost a race cannot tell that it should pull again.
TEST_P(ProtocolTest, AnyParentButTheLatestIsAConflict) {
  Replica replica(server());
  const std::vector<std::string> versions = replica.AppendChain(kNil, 3);
  const std::string parents[] = {kNil, versions[0], versions[1], RandomId()};
  for (const std::string& parent : parents) {
    const HttpResponse response = replica.AddVersion(parent, "too late");
    EXPECT_EQ(response.status, 409) << response;
    EXPECT_EQ(response.HeaderCount("X-Parent-Version-Id"), 1) << response;
    EXPECT_EQ(response.Header("X-Parent-Version-Id"), versions.back()) << response;
    EXPECT_FALSE(response.Has("X-Version-Id")) << response;
    EXPECT_FALSE(response.Has("X-Snapshot-Request")) << response;
    EXPECT_EQ(response.body, "");
  }
  EXPECT_EQ(replica.Pull(kNil), versions) << "a refused version has left something behind";
}

// If this fails, a user who moves here from another server cannot bring the history along.
TEST_P(ProtocolTest, AClientWithoutVersionsAcceptsAnyParent) {
  Replica replica(server());
  const std::string parent = RandomId();
  const std::vector<std::string> versions = replica.AppendChain(parent, 3);
  EXPECT_EQ(replica.Pull(parent), versions);
  // Only the first parent was free.
  EXPECT_EQ(replica.AddVersion(RandomId()).status, 409);
  EXPECT_EQ(replica.AddVersion(parent).status, 409);
}

// If this fails, two uploads have the same name, and one of them is lost.
TEST_P(ProtocolTest, VersionIdsAreAllDifferent) {
  std::set<std::string> seen;
  for (int client = 0; client < 3; ++client) {
    Replica replica(server());
    for (const std::string& version : replica.AppendChain(kNil, 20)) {
      EXPECT_TRUE(seen.insert(version).second) << version;
    }
  }
}

// If this fails, a fresh computer does not get the whole history, in order.
TEST_P(ProtocolTest, AFreshReplicaPullsTheWholeChain) {
  Replica first(server());
  const std::vector<std::string> versions = first.AppendChain(kNil, 60);
  Replica second(server(), first.client_id());
  EXPECT_EQ(second.Pull(kNil), versions);
  EXPECT_EQ(second.Pull(versions[40]).size(), 19u);
}

// If this fails, IDs are compared as text somewhere, and a client that writes them in upper case
// (RFC 9562 allows it) is a stranger to its own data.
TEST_P(ProtocolTest, UpperCaseIdsAreEqualToLowerCaseOnes) {
  Replica lower(server(), "0123abcd-89ab-4def-8123-456789abcdef");
  const std::string parent = "fedcba98-7654-4321-8fed-cba987654321";
  const std::vector<std::string> versions = lower.AppendChain(parent, 2);
  Replica upper(server(), absl::AsciiStrToUpper(lower.client_id()));
  const HttpResponse child = upper.GetChildVersion(absl::AsciiStrToUpper(parent));
  EXPECT_EQ(child.status, 200) << child;
  EXPECT_EQ(child.Header("X-Version-Id"), versions[0]) << child;
  EXPECT_EQ(child.Header("X-Parent-Version-Id"), parent) << child;
  EXPECT_EQ(upper.AddVersion(absl::AsciiStrToUpper(versions[1])).status, 200);
}

// If this fails, one user sees, changes or blocks another's history.
TEST_P(ProtocolTest, AClientDoesNotSeeAnotherClientsHistory) {
  Replica alice(server());
  Replica bob(server());
  // The same parent for both, and not nil: a chain that was copied for two users.
  const std::string parent = RandomId();
  const std::vector<std::string> alices = alice.AppendChain(parent, 3);

  EXPECT_EQ(bob.GetChildVersion(parent).status, 404) << "Bob has no versions yet";
  EXPECT_EQ(bob.GetSnapshot().status, 404);
  EXPECT_EQ(bob.AddSnapshot(alices.back()).status, 404) << "Bob is not known yet";

  const std::string bobs = bob.Append(parent, "Bob's");
  EXPECT_EQ(bob.GetChildVersion(parent).body, "Bob's");
  EXPECT_EQ(alice.GetChildVersion(parent).body, "segment 0");
  EXPECT_EQ(bob.GetChildVersion(alices[0]).status, 410) << "a version of Alice's";
  EXPECT_EQ(bob.GetChildVersion(alices[2]).status, 410) << "Alice's latest";
  EXPECT_EQ(bob.AddVersion(alices[2]).status, 409) << "Alice's latest";
  EXPECT_EQ(bob.AddVersion(alices[2]).Header("X-Parent-Version-Id"), bobs);

  EXPECT_EQ(bob.AddSnapshot(alices[2], "stray").status, 200) << "dropped, but acknowledged";
  EXPECT_EQ(bob.GetSnapshot().status, 404);
  EXPECT_EQ(alice.GetSnapshot().status, 404);
  EXPECT_EQ(alice.AddSnapshot(alices[2], "Alice's").status, 200);
  EXPECT_EQ(alice.GetSnapshot().body, "Alice's");
  EXPECT_EQ(bob.GetSnapshot().status, 404);

  EXPECT_EQ(alice.Pull(parent), alices);
  EXPECT_EQ(bob.Pull(parent), std::vector<std::string>{bobs});
}

// If this fails, some byte or some size is changed on its way, and the replicas cannot decrypt the
// result.
TEST_P(ProtocolTest, SegmentsAreReturnedByteForByte) {
  Replica replica(server());
  std::string parent = kNil;
  uint32_t seed = 0;
  const auto round_trip = [&](const std::string& segment) {
    const std::string version = replica.Append(parent, segment);
    const HttpResponse response = replica.GetChildVersion(parent);
    EXPECT_EQ(response.Header("X-Version-Id"), version);
    EXPECT_EQ(response.body.size(), segment.size());
    EXPECT_TRUE(response.body == segment) << segment.size() << " bytes";
    parent = version;
  };
  for (const size_t size :
       {1, 2, 255, 256, 1024, 4095, 4096, 16 * 1024, 65'535, 65'537, 1 << 20, 20 << 20}) {
    round_trip(BinaryBytes(size, ++seed));
  }
  // Single bytes, and bytes with a meaning for a careless reader.
  for (const std::string& segment :
       {std::string(1, '\0'), std::string(1, '\n'), std::string(1, '\xff'), std::string(100, '\0'),
        std::string("\r\n\r\n"), std::string("0\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\n\r\n"),
        std::string("\x1f\x8b\x08\0", 4)}) {
    round_trip(segment);
  }
}

// If this fails, the default memory budget refuses, or runs out of memory for, the promised bodies
// of 100 MiB, one after the other.
TEST_P(ProtocolTest, TheDefaultBudgetAcceptsExactly100Mebibytes) {
  constexpr size_t kLargestBytes = size_t{100} << 20;
  Replica replica(server());
  const std::string segment = BinaryBytes(kLargestBytes);
  const std::string version = replica.Append(kNil, segment);
  const HttpResponse response = replica.GetChildVersion(kNil);
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_TRUE(response.body == segment);
  EXPECT_EQ(replica.AddVersion(version, segment + "x").status, 413);
}

// If this fails, --no-create-clients does not keep strangers out, or keeps known users out.
TEST(ProtocolCreationTest, WithoutCreationOnlyKnownClientsAreServed) {
  Options options = OptionsFor("rocksdb");
  TestServer server(options);
  Replica known(server);
  const std::string first = known.Append(kNil);

  options.create_clients = false;
  server.Reopen(options);
  known.Reconnect(server);
  const std::string second = known.Append(first);
  Replica stranger(server);
  const HttpResponse refused = stranger.AddVersion(kNil);
  EXPECT_EQ(refused.status, 404) << refused;
  EXPECT_FALSE(refused.Has("X-Version-Id")) << refused;
  EXPECT_EQ(stranger.GetChildVersion(kNil).status, 404);
  EXPECT_EQ(stranger.AddSnapshot(second).status, 404);
  EXPECT_EQ(stranger.GetSnapshot().status, 404);

  // It was not created all the same.
  options.create_clients = true;
  server.Reopen(options);
  stranger.Reconnect(server);
  EXPECT_EQ(stranger.AddSnapshot(second).status, 404);
  stranger.Append(RandomId());
}

// If this fails, a restart of the server loses or confuses acknowledged data.
TEST(ProtocolPersistenceTest, HistoryAndSnapshotSurviveReopening) {
  Options options = OptionsFor("rocksdb");
  options.snapshot_versions = 4;
  TestServer server(options);
  Replica alice(server);
  Replica bob(server);
  const std::string parent = RandomId();
  std::vector<std::string> alices = alice.AppendChain(parent, 10);
  const std::string large = BinaryBytes(size_t{1} << 20);
  alices.push_back(alice.Append(alices.back(), large));
  const std::string snapshot = BinaryBytes(size_t{1} << 20, 2);
  EXPECT_EQ(alice.AddSnapshot(alices.back(), snapshot).status, 200);
  const std::vector<std::string> bobs = bob.AppendChain(parent, 2);

  for (int reopened = 1; reopened <= 3; ++reopened) {
    server.Reopen();
    alice.Reconnect(server);
    bob.Reconnect(server);
    EXPECT_EQ(alice.Pull(parent), alices);
    EXPECT_EQ(bob.Pull(parent), bobs);
    EXPECT_TRUE(alice.GetChildVersion(alices[9]).body == large);
    const HttpResponse kept = alice.GetSnapshot();
    EXPECT_EQ(kept.Header("X-Version-Id"), alices[10]) << kept;
    EXPECT_TRUE(kept.body == snapshot);
    EXPECT_EQ(bob.GetSnapshot().status, 404);
    // The head of the chain and the count since the snapshot have survived, too.
    EXPECT_EQ(alice.AddVersion(alices[3]).Header("X-Parent-Version-Id"), alices.back());
    const HttpResponse added = alice.AddVersion(alices.back());
    EXPECT_EQ(added.status, 200) << added;
    EXPECT_FALSE(added.Has("X-Snapshot-Request")) << reopened << " versions since" << added;
    alices.push_back(added.Header("X-Version-Id"));
  }
  server.Reopen();
  alice.Reconnect(server);
  const HttpResponse fourth = alice.AddVersion(alices.back());
  EXPECT_EQ(fourth.Header("X-Snapshot-Request"), "urgency=low") << fourth;
}

}  // namespace
}  // namespace tcsync::conformance
