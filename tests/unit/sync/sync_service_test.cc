// The four transactions of the protocol, over storage in memory and over a scripted one.
#include "sync/sync_service.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_storage.h"
#include "tests/unit/sync/manual_clock.h"
#include "tests/unit/sync/scripted_storage.h"

namespace tcsync::sync {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");
const Uuid kNil;

// Over storage in memory, whose callbacks run at once.
class SyncServiceTest : public testing::Test {
 protected:
  explicit SyncServiceTest(const SyncPolicy& policy = {}) : service_(storage_, clock_, policy) {}

  AddVersionResult AddVersion(const Uuid& parent, std::string segment = "segment",
                              const Uuid& client_id = kClient) {
    std::optional<AddVersionResult> result;
    service_.AddVersion(client_id, parent, std::move(segment), {},
                        [&result](absl::StatusOr<AddVersionResult> answer) {
                          ASSERT_TRUE(answer.ok()) << answer.status();
                          ASSERT_FALSE(result.has_value()) << "answered twice";
                          result = *std::move(answer);
                        });
    EXPECT_TRUE(result.has_value()) << "not answered";
    return result.value_or(NoSuchClient{});
  }

  // Adds a version that must be accepted.
  VersionAdded Added(const Uuid& parent, std::string segment = "segment",
                     const Uuid& client_id = kClient) {
    const AddVersionResult result = AddVersion(parent, std::move(segment), client_id);
    EXPECT_TRUE(std::holds_alternative<VersionAdded>(result));
    const auto* added = std::get_if<VersionAdded>(&result);
    return added != nullptr ? *added : VersionAdded();
  }

  GetChildVersionResult GetChildVersion(const Uuid& parent, const Uuid& client_id = kClient) {
    std::optional<GetChildVersionResult> result;
    service_.GetChildVersion(client_id, parent,
                             [&result](absl::StatusOr<GetChildVersionResult> answer) {
                               ASSERT_TRUE(answer.ok()) << answer.status();
                               ASSERT_FALSE(result.has_value()) << "answered twice";
                               result = *std::move(answer);
                             });
    EXPECT_TRUE(result.has_value()) << "not answered";
    return result.value_or(NoSuchClient{});
  }

  StoreSnapshotOutcome AddSnapshot(const Uuid& version_id, std::string bytes = "snapshot",
                                   const Uuid& client_id = kClient) {
    std::optional<StoreSnapshotOutcome> outcome;
    service_.AddSnapshot(client_id, version_id, std::move(bytes),
                         [&outcome](absl::StatusOr<StoreSnapshotOutcome> answer) {
                           ASSERT_TRUE(answer.ok()) << answer.status();
                           outcome = *answer;
                         });
    EXPECT_TRUE(outcome.has_value()) << "not answered";
    return outcome.value_or(StoreSnapshotOutcome::kNoSuchClient);
  }

  ManualClock clock_;
  memory_storage::MemoryStorage storage_;
  SyncService service_;
};

// If this fails, a computer does not get another one's versions.
TEST_F(SyncServiceTest, VersionsAreReturnedInOrder) {
  const Uuid first = Added(kNil, "one").version_id;
  const Uuid second = Added(first, "two").version_id;
  const GetChildVersionResult child = GetChildVersion(kNil);
  ASSERT_TRUE(std::holds_alternative<Version>(child));
  EXPECT_EQ(std::get<Version>(child).version_id, first);
  EXPECT_EQ(std::get<Version>(child).parent_version_id, kNil);
  EXPECT_EQ(std::get<Version>(child).segment, "one");
  EXPECT_EQ(std::get<Version>(GetChildVersion(first)).version_id, second);
  EXPECT_TRUE(std::holds_alternative<UpToDate>(GetChildVersion(second)));
}

// If this fails, a late replica overwrites others' versions, or does not learn where to continue.
TEST_F(SyncServiceTest, AConflictNamesTheLatestVersion) {
  const Uuid first = Added(kNil).version_id;
  const Uuid second = Added(first).version_id;
  for (const Uuid& parent : {kNil, first, Uuid::Random()}) {
    const AddVersionResult result = AddVersion(parent);
    ASSERT_TRUE(std::holds_alternative<Conflict>(result));
    EXPECT_EQ(std::get<Conflict>(result).latest_version_id, second);
  }
}

// If this fails, a diverged replica gets the answer that it is up to date, and stays apart for
// ever; or one that is up to date counts as diverged.
TEST_F(SyncServiceTest, GoneAndUpToDateAreDistinguished) {
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChildVersion(Uuid::Random())));
  const Uuid first = Added(kNil).version_id;
  EXPECT_TRUE(std::holds_alternative<UpToDate>(GetChildVersion(first)));
  const GetChildVersionResult unknown = GetChildVersion(Uuid::Random());
  ASSERT_TRUE(std::holds_alternative<Gone>(unknown));
  EXPECT_EQ(std::get<Gone>(unknown).latest_version_id, first);
}

// If this fails, a chain from another server, whose first parent is not nil, answers "up to date"
// to a new replica, which then never gets the tasks.
TEST_F(SyncServiceTest, TheNilParentIsGoneWhenTheChainBeganElsewhere) {
  const Uuid foreign = Uuid::Random();
  const Uuid first = Added(foreign).version_id;
  EXPECT_TRUE(std::holds_alternative<Gone>(GetChildVersion(kNil)));
  EXPECT_EQ(std::get<Version>(GetChildVersion(foreign)).version_id, first);
}

// If this fails, a snapshot is not kept, or an unwanted one fails a client's sync.
TEST_F(SyncServiceTest, SnapshotsOfTheLatestFiveVersionsAreKept) {
  std::vector<Uuid> versions = {kNil};
  for (int i = 0; i < 8; ++i) versions.push_back(Added(versions.back()).version_id);
  EXPECT_EQ(AddSnapshot(versions[3]), StoreSnapshotOutcome::kNotWanted);  // the sixth from the end
  EXPECT_EQ(AddSnapshot(versions[4], "four"), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(AddSnapshot(versions[8], "eight"), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(AddSnapshot(versions[7]), StoreSnapshotOutcome::kNotWanted);  // older than the present
  EXPECT_EQ(AddSnapshot(kNil), StoreSnapshotOutcome::kNotWanted);
  EXPECT_EQ(AddSnapshot(Uuid::Random()), StoreSnapshotOutcome::kNotWanted);
  EXPECT_EQ(AddSnapshot(versions[8], "", kOtherClient), StoreSnapshotOutcome::kNoSuchClient);
  std::optional<Snapshot> snapshot;
  service_.GetSnapshot(kClient, [&snapshot](absl::StatusOr<std::optional<Snapshot>> answer) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    snapshot = *std::move(answer);
  });
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->version_id, versions[8]);
  EXPECT_EQ(snapshot->bytes, "eight");
}

// If this fails, clients are asked for snapshots at the wrong time.
TEST_F(SyncServiceTest, UrgencyDependsOnTheClock) {
  const VersionAdded first = Added(kNil);
  EXPECT_EQ(first.urgency, SnapshotUrgency::kHigh);
  ASSERT_EQ(AddSnapshot(first.version_id), StoreSnapshotOutcome::kStored);
  const VersionAdded second = Added(first.version_id);
  EXPECT_EQ(second.urgency, SnapshotUrgency::kNone);
  clock_.Advance(absl::Hours(24 * 14));
  const VersionAdded third = Added(second.version_id);
  EXPECT_EQ(third.urgency, SnapshotUrgency::kLow);
  clock_.Advance(absl::Hours(24 * 7));
  const VersionAdded fourth = Added(third.version_id);
  EXPECT_EQ(fourth.urgency, SnapshotUrgency::kHigh);
  ASSERT_EQ(AddSnapshot(fourth.version_id), StoreSnapshotOutcome::kStored);
  EXPECT_EQ(Added(fourth.version_id).urgency, SnapshotUrgency::kNone);
}

class ThreeVersionsTest : public SyncServiceTest {
 protected:
  ThreeVersionsTest() : SyncServiceTest({.snapshots = {.versions = 3, .days = 14}}) {}
};

// If this fails, the new version itself is not counted, or counted twice.
TEST_F(ThreeVersionsTest, UrgencyCountsTheNewVersion) {
  Uuid latest = Added(kNil).version_id;
  ASSERT_EQ(AddSnapshot(latest), StoreSnapshotOutcome::kStored);
  for (const SnapshotUrgency expected :
       {SnapshotUrgency::kNone, SnapshotUrgency::kNone, SnapshotUrgency::kLow,
        SnapshotUrgency::kLow, SnapshotUrgency::kHigh}) {
    const VersionAdded added = Added(latest);
    EXPECT_EQ(added.urgency, expected);
    latest = added.version_id;
  }
}

class ScriptedServiceTest : public testing::Test {
 protected:
  ScriptedStorage storage_;
  ManualClock clock_;
  SyncService service_{storage_, clock_, SyncPolicy()};
};

// If this fails, storage gets another request than the client's.
TEST_F(ScriptedServiceTest, StorageGetsTheWholeRequest) {
  clock_.SetUnixSeconds(1'234'567'890);
  const Uuid version_id = Uuid::Random();
  service_.AddVersion(kClient, version_id, "segment", {}, [](auto) {});
  service_.AddSnapshot(kClient, version_id, "snapshot", [](auto) {});
  service_.GetChildVersion(kClient, version_id, [](auto) {});
  service_.GetSnapshot(kClient, [](auto) {});

  ASSERT_EQ(storage_.append_requests.size(), 1u);
  const AppendRequest& append = storage_.append_requests[0];
  EXPECT_EQ(append.client_id, kClient);
  EXPECT_EQ(append.expected_parent, version_id);
  EXPECT_EQ(append.segment, "segment");
  EXPECT_TRUE(append.create_client);
  EXPECT_EQ(append.now_unix_seconds, 1'234'567'890);

  ASSERT_EQ(storage_.store_snapshot_requests.size(), 1u);
  const StoreSnapshotRequest& store = storage_.store_snapshot_requests[0];
  EXPECT_EQ(store.client_id, kClient);
  EXPECT_EQ(store.version_id, version_id);
  EXPECT_EQ(store.bytes, "snapshot");
  EXPECT_EQ(store.recent_versions_max, 5u);
  EXPECT_EQ(store.now_unix_seconds, 1'234'567'890);

  ASSERT_EQ(storage_.child_requests.size(), 1u);
  EXPECT_EQ(storage_.child_requests[0].client_id, kClient);
  EXPECT_EQ(storage_.child_requests[0].parent_version_id, version_id);
  EXPECT_EQ(storage_.snapshot_requests, std::vector<Uuid>{kClient});
}

// If this fails, an invite is not counted, or a forbidden creation is.
TEST_F(ScriptedServiceTest, StorageIsToldWhetherTheClientMayBeCreated) {
  const TokenDigest invite = {1, 2, 3};
  storage_.append = Appended{.version_id = Uuid::Random(), .snapshot = {}, .created_client = true};
  bool created = false;
  service_.AddVersion(kClient, kNil, "segment", {.create_client = true, .invite = invite},
                      [&created](absl::StatusOr<AddVersionResult> result) {
                        created = std::get<VersionAdded>(*result).created_client;
                      });
  EXPECT_TRUE(created);
  service_.AddVersion(kClient, kNil, "segment", {.create_client = false}, [](auto) {});
  ASSERT_EQ(storage_.append_requests.size(), 2u);
  EXPECT_TRUE(storage_.append_requests[0].create_client);
  EXPECT_EQ(storage_.append_requests[0].invite, invite);
  EXPECT_FALSE(storage_.append_requests[1].create_client);
  EXPECT_EQ(storage_.append_requests[1].invite, std::nullopt);
}

// If this fails, an existing client is taken for a stranger, or vice versa.
TEST_F(ScriptedServiceTest, ReportsWhetherAClientExists) {
  const auto knows = [this] {
    absl::StatusOr<bool> answer = absl::UnknownError("not answered");
    service_.ClientExists(kClient, [&answer](absl::StatusOr<bool> known) { answer = known; });
    return answer;
  };
  storage_.child = NoSuchClient{};
  EXPECT_EQ(*knows(), false);
  storage_.child = NoChild{Uuid::Random()};
  EXPECT_EQ(*knows(), true);
  storage_.child = Version{Uuid::Random(), kNil, "segment"};
  EXPECT_EQ(*knows(), true);
  storage_.child = absl::UnavailableError("busy");
  EXPECT_EQ(knows().status(), absl::UnavailableError("busy"));
}

// If this fails, storage's failure looks like a success, or its reason is lost.
TEST_F(ScriptedServiceTest, ErrorsPassUnchanged) {
  for (const absl::Status& status :
       {absl::ResourceExhaustedError("full"), absl::UnavailableError("busy"),
        absl::DataLossError("damaged"), absl::InternalError("odd")}) {
    storage_.FailAll(status);
    std::vector<absl::Status> statuses;
    service_.AddVersion(kClient, kNil, "segment", {},
                        [&](const auto& result) { statuses.push_back(result.status()); });
    service_.AddSnapshot(kClient, kNil, "snapshot",
                         [&](const auto& result) { statuses.push_back(result.status()); });
    service_.GetChildVersion(kClient, kNil,
                             [&](const auto& result) { statuses.push_back(result.status()); });
    service_.GetSnapshot(kClient, [&](const auto& result) { statuses.push_back(result.status()); });
    EXPECT_EQ(statuses, std::vector<absl::Status>(4, status));
  }
}

// If this fails, a new user's first sync fails, because the replica counts as lost.
TEST_F(ScriptedServiceTest, AClientWithoutVersionsIsUpToDate) {
  storage_.child = NoChild{kNil};
  bool is_up_to_date = false;
  service_.GetChildVersion(kClient, Uuid::Random(), [&](const auto& result) {
    is_up_to_date = result.ok() && std::holds_alternative<UpToDate>(*result);
  });
  EXPECT_TRUE(is_up_to_date);
}

// If this fails, an add-version that waits for the disk at midnight is dated by its end.
TEST_F(ScriptedServiceTest, UrgencyIsByTheTimeOfTheRequest) {
  clock_.SetUnixSeconds(14 * 86'400 - 1);
  storage_.append = Appended{Uuid::Random(), SnapshotSummary{}};
  service_.AddVersion(kClient, kNil, "segment", {}, [](absl::StatusOr<AddVersionResult> result) {
    EXPECT_EQ(std::get<VersionAdded>(*result).urgency, SnapshotUrgency::kNone);
  });
  clock_.Advance(absl::Seconds(1));
  service_.AddVersion(kClient, kNil, "segment", {}, [](absl::StatusOr<AddVersionResult> result) {
    EXPECT_EQ(std::get<VersionAdded>(*result).urgency, SnapshotUrgency::kLow);
  });
}

}  // namespace
}  // namespace tcsync::sync
