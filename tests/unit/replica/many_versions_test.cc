// A long history with few requests. If these fail, a sync over a slow link takes minutes instead of
// seconds, or its tasks depend on the way in which the versions came.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "replica/operation_json.h"
#include "replica/snapshot.h"
#include "tcsync/replica.h"
#include "tests/unit/remote/remote_calls.h"
#include "tests/unit/replica/gateway.h"
#include "tests/unit/replica/replica_calls.h"
#include "tests/unit/replica/sync_server.h"

namespace tcsync {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);

class ManyVersionsTest : public testing::Test {
 protected:
  static constexpr int kVersions = 1'000;

  // Each version changes the one task of the version before, so that none may be missing, come
  // twice or in another place.
  void SetUp() override {
    const auto server = sync_server_.Connect();
    const Uuid task = Uuid::Random();
    for (int i = 0; i < kVersions; ++i) {
      const std::string property = absl::StrCat("property", i % 97);
      const std::string value = absl::StrCat("value ", i);
      const Operation operation =
          i == 0 ? Operation::Create(task) : Operation::Update(task, property, value, kNoon);
      base_ = Value(server->AddVersion(base_,
                                       absl::StrCat("{\"operations\":[",
                                                    replica::FormatSentOperation(operation), "]}")))
                  .version_id;
      if (i > 0) tasks_[task][property] = value;
    }
    sync_server_.set_before([this](absl::string_view, absl::string_view path) {
      if (absl::StrContains(path, "get-child-version")) ++requests_;
      return 0;
    });
  }

  // A new replica's first sync.
  void ExpectWholeHistory(const std::unique_ptr<RemoteServer>& server) {
    const auto replica = MustOpenInMemory();
    const SyncReport report = MustSync(*replica, *server);
    EXPECT_EQ(report.total.received_versions, static_cast<uint64_t>(kVersions));
    EXPECT_EQ(TasksOf(*replica), tasks_);
    EXPECT_EQ(StateOf(*replica).base_version_id, base_);
  }

  SyncServer sync_server_;
  TasksById tasks_;
  Uuid base_;
  std::atomic<int> requests_ = 0;
};

// If this fails, each version costs a round trip: at 50 ms, 10,000 versions take eight minutes.
TEST_F(ManyVersionsTest, AThousandVersionsTakeAFewRequests) {
  ExpectWholeHistory(sync_server_.Connect());
  const int answers = (kVersions + static_cast<int>(base::kVersionsPerAnswerMax) - 1) /
                      static_cast<int>(base::kVersionsPerAnswerMax);
  EXPECT_EQ(requests_, answers + 1) << "the last one says that there are no more";
}

// If this fails, a replica loses versions, or needs more requests, with a server that gives one at
// a time: TaskChampion's, an earlier one of ours, or ours behind a proxy that drops the field.
TEST_F(ManyVersionsTest, AServerWithoutTheExtensionGivesTheSameTasks) {
  sync_server_.gateway().passes_accept = false;
  ExpectWholeHistory(sync_server_.Connect());
  EXPECT_EQ(requests_, kVersions + 1);
  EXPECT_EQ(sync_server_.gateway().answers_with_many, 0);
}

// If this fails, a sync over a network that cuts connections begins again each time, or loses or
// repeats a version at the cut.
TEST_F(ManyVersionsTest, ASyncContinuesBehindACut) {
  for (const double place : {0.1, 0.5, 0.999}) {
    requests_ = 0;
    sync_server_.gateway().cuts = 3;
    sync_server_.gateway().cut_place = place;
    ExpectWholeHistory(sync_server_.Connect());
    EXPECT_LE(requests_, 8) << place;
  }
}

// If this fails, a connection that ends before the first version makes a sync go on for ever.
TEST_F(ManyVersionsTest, ACutBeforeTheFirstVersionIsAnError) {
  sync_server_.gateway().cuts = 1'000;
  sync_server_.gateway().cut_place = 0;
  const auto replica = MustOpenInMemory();
  const SyncError error = MustFailToSync(*replica, *sync_server_.Connect());
  EXPECT_EQ(error.remote_fault, RemoteFault::kNetworkFailed);
  EXPECT_EQ(error.report.total.received_versions, 0u);
}

// If this fails, a join has no times to go by though the server has them, and reports doubts; or a
// snapshot takes a request for each version.
TEST_F(ManyVersionsTest, VersionsComeBeforeASnapshotWhereTheyTakeFewRequests) {
  sync_server_.set_gives_snapshots(true);
  const auto snapshot = replica::EncodeSnapshot({{tasks_.begin()->first, tasks_.begin()->second}});
  Value(sync_server_.Connect()->AddSnapshot(base_, *snapshot));
  const SyncOptions options{.receive_only = true, .versions_first = true};
  for (const bool gives_many : {true, false}) {
    sync_server_.gateway().passes_accept = gives_many;
    requests_ = 0;
    const auto replica = MustOpenInMemory();
    const SyncReport report = MustSync(*replica, *sync_server_.Connect(), options);
    EXPECT_EQ(report.has_applied_snapshot, !gives_many);
    EXPECT_EQ(report.total.received_versions, gives_many ? static_cast<uint64_t>(kVersions) : 0u);
    EXPECT_EQ(TasksOf(*replica), tasks_);
    EXPECT_LE(requests_, 20);
  }
}

}  // namespace
}  // namespace tcsync
