// A replica's move to another history, beside other programs and in odd moments. If these fail, a
// computer that joins loses tasks, or cannot sync afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tcsync/replica.h"
#include "tests/unit/replica/raw_database.h"
#include "tests/unit/replica/replica_calls.h"
#include "tests/unit/replica/sync_server.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {
namespace {

using replica::RawDatabase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const Uuid kShared = *Uuid::Parse("00000000-0000-4000-8000-000000000001");
const Uuid kHere = *Uuid::Parse("00000000-0000-4000-8000-000000000002");
const Uuid kThere = *Uuid::Parse("00000000-0000-4000-8000-000000000003");

absl::Time At(int seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }

std::vector<Operation> NewTask(const Uuid& task_id, const std::string& description, int seconds) {
  return {Operation::Create(task_id),
          Operation::Update(task_id, "description", description, At(seconds)),
          Operation::Update(task_id, "status", "pending", At(seconds))};
}

JoinReport MustJoin(Replica& replica, Replica& history, const JoinOptions& options = {}) {
  auto report = replica.JoinHistory(history, options);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.value_or(JoinReport());
}

class JoinTest : public testing::Test {
 protected:
  JoinTest() : server_(sync_server_.Connect()), there_(MustOpenInMemory()) {
    MustCommit(*there_, NewTask(kShared, "shared", 1));
    MustCommit(*there_, NewTask(kThere, "only there", 1));
    MustCommit(*there_, {Operation::Update(kShared, "description", "changed there", At(5)),
                         Operation::Update(kShared, "priority", "H", At(3))});
    MustSync(*there_, *server_);
  }

  // An empty replica that has received the history.
  std::unique_ptr<Replica> Received() {
    auto history = MustOpenInMemory();
    MustSync(*history, *server_, {.receive_only = true});
    return history;
  }

  // A replica of another history: with the shared task, and one of its own.
  std::unique_ptr<Replica> OfAnotherHistory(const std::string& directory) {
    auto here = MustOpen(directory);
    MustCommit(*here, NewTask(kShared, "shared", 1));
    MustCommit(*here, NewTask(kHere, "only here", 1));
    MustCommit(*here, {Operation::Update(kShared, "description", "changed here", At(4)),
                       Operation::Update(kShared, "priority", "L", At(6))});
    const std::unique_ptr<RemoteServer> other = other_server_.Connect();
    MustSync(*here, *other);
    return here;
  }

  TemporaryDirectory directory_;
  SyncServer sync_server_;
  SyncServer other_server_;
  std::unique_ptr<RemoteServer> server_;
  std::unique_ptr<Replica> there_;
};

TEST_F(JoinTest, BothComputersEndWithTheLaterOfEachProperty) {
  // If this fails, joining a history loses what a computer has, or the other computers do not get
  // it.
  const auto here = OfAnotherHistory(directory_.path());
  const JoinReport report = MustJoin(*here, *Received());
  EXPECT_EQ(report.received_tasks, 1);
  EXPECT_EQ(report.added_tasks, 1);
  EXPECT_EQ(report.changed_tasks, 1);
  EXPECT_EQ(report.overruled_tasks, 1);
  EXPECT_THAT(report.doubtful, IsEmpty());
  MustSync(*here, *server_);
  MustSync(*there_, *server_);
  EXPECT_EQ(TasksOf(*here), TasksOf(*there_));
  const TasksById tasks = TasksOf(*here);
  EXPECT_EQ(tasks.at(kShared).at("description"), "changed there");
  EXPECT_EQ(tasks.at(kShared).at("priority"), "L");
  EXPECT_EQ(tasks.at(kHere).at("description"), "only here");
  EXPECT_EQ(tasks.at(kThere).at("description"), "only there");
}

TEST_F(JoinTest, TasksKeepTheirNumbers) {
  // If this fails, `task 2 done` after a join completes another task than the one that was listed.
  const auto here = OfAnotherHistory(directory_.path());
  MustJoin(*here, *Received());
  EXPECT_THAT(here->GetWorkingSet().value(),
              ElementsAre(Pair(1, kShared), Pair(2, kHere), Pair(3, kThere)));
}

TEST_F(JoinTest, AnEmptyHistoryGetsEverything) {
  // If this fails, the first computer of a new history sends only what changes later.
  const auto here = OfAnotherHistory(directory_.path());
  const TasksById before = TasksOf(*here);
  const auto empty = MustOpenInMemory();
  EXPECT_EQ(MustJoin(*here, *empty).added_tasks, 2);
  EXPECT_TRUE(StateOf(*here).base_version_id.IsNil());
  EXPECT_EQ(TasksOf(*here), before);
  SyncServer third;
  const auto connection = third.Connect();
  MustSync(*here, *connection);
  const auto other = MustOpenInMemory();
  MustSync(*other, *connection);
  EXPECT_EQ(TasksOf(*other), before);
}

TEST_F(JoinTest, JoiningTwiceAddsNothing) {
  // If this fails, a join that is repeated after an interruption doubles changes.
  const auto here = OfAnotherHistory(directory_.path());
  MustJoin(*here, *Received());
  const TasksById once = TasksOf(*here);
  const size_t pending = StateOf(*here).pending_operations;
  const JoinReport again = MustJoin(*here, *Received());
  EXPECT_EQ(TasksOf(*here), once);
  EXPECT_EQ(StateOf(*here).pending_operations, pending);
  EXPECT_THAT(again.doubtful, IsEmpty());
}

TEST_F(JoinTest, JoiningTwiceBringsNoDeletedTaskBack) {
  // If this fails, a join that is repeated after an interruption returns a task that was purged,
  // because the operations that showed the time of its deletion are gone.
  const auto here = OfAnotherHistory(directory_.path());
  MustCommit(*here, NewTask(kThere, "also here", 8));
  MustCommit(*here, {Operation::Delete(kThere)});
  EXPECT_EQ(MustJoin(*here, *Received()).deleted_tasks, 1);
  EXPECT_EQ(MustJoin(*here, *Received()).deleted_tasks, 1);
  EXPECT_EQ(TasksOf(*here).count(kThere), 0);
}

TEST_F(JoinTest, TwoComputersThatDifferAreMadeEqual) {
  // If this fails, replicas that differ at the same version, as after TaskChampion's fault with
  // more than a megabyte of changes, cannot be put right.
  auto here = MustOpen(directory_.path());
  MustSync(*here, *server_);
  here.reset();
  RawDatabase(directory_.path())
      .Run(
          "UPDATE tasks SET data = json_set(data, '$.description', 'differs', '$.project', 'P')"
          " WHERE data LIKE '%changed there%'");
  here = MustOpen(directory_.path());
  ASSERT_NE(TasksOf(*here), TasksOf(*there_));
  MustJoin(*here, *Received());
  MustSync(*here, *server_);
  MustSync(*there_, *server_);
  EXPECT_EQ(TasksOf(*here), TasksOf(*there_));
  EXPECT_EQ(TasksOf(*here).at(kShared).at("project"), "P");
}

TEST_F(JoinTest, DeletionsOfTheHistoryAreKnown) {
  // If this fails, tasks that were purged come back from every computer that joins.
  MustCommit(*there_, {Operation::Delete(kShared)});
  MustSync(*there_, *server_);
  const auto here = MustOpen(directory_.path());
  MustCommit(*here, NewTask(kShared, "shared", 1));
  EXPECT_EQ(MustJoin(*here, *Received()).removed_tasks, 1);
  MustSync(*here, *server_);
  EXPECT_EQ(TasksOf(*here), TasksOf(*there_));
}

TEST_F(JoinTest, TheCopyIsTheReplicaAsItWas) {
  // If this fails, a person who regrets a join cannot go back, or the copy lacks unsent changes.
  const auto here = OfAnotherHistory(directory_.path() + "/replica");
  MustCommit(*here, {Operation::Update(kHere, "project", "unsent", At(9))});
  const ReplicaState state = StateOf(*here);
  const TasksById tasks = TasksOf(*here);
  const std::string aside = directory_.path() + "/aside";
  MustJoin(*here, *Received(), {.copy_directory = aside});
  const auto copy = MustOpen(aside);
  EXPECT_EQ(TasksOf(*copy), tasks);
  EXPECT_EQ(StateOf(*copy).base_version_id, state.base_version_id);
  EXPECT_EQ(StateOf(*copy).pending_operations, state.pending_operations);
  EXPECT_THAT(here->JoinHistory(*Received(), {.copy_directory = aside}).status().message(),
              HasSubstr("already"));
}

TEST_F(JoinTest, AFailedCopyChangesNothing) {
  // If this fails, a full disk leaves a joined replica without the copy that was asked for.
  const auto here = OfAnotherHistory(directory_.path() + "/replica");
  const TasksById tasks = TasksOf(*here);
  std::filesystem::create_symlink("/dev/full", directory_.path() + "/full");
  const auto joined =
      here->JoinHistory(*Received(), {.copy_directory = directory_.path() + "/full"});
  EXPECT_FALSE(joined.ok());
  EXPECT_EQ(TasksOf(*here), tasks);
  EXPECT_FALSE(there_->JoinHistory(*Received(), {.copy_directory = directory_.path()}).ok());
}

TEST_F(JoinTest, AFailedJoinLeavesNoCopy) {
  // If this fails, the next attempt at a join is refused because of the copy of the first one.
  const auto here = OfAnotherHistory(directory_.path() + "/replica");
  RawDatabase database(directory_.path() + "/replica");
  database.Run("INSERT INTO operations (data, synced) VALUES ('{}', 1)");
  const std::string aside = directory_.path() + "/aside";
  EXPECT_EQ(here->JoinHistory(*Received(), {.copy_directory = aside}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_TRUE(std::filesystem::is_empty(aside));
  database.Run("DELETE FROM operations WHERE data = '{}'");
  MustJoin(*here, *Received(), {.copy_directory = aside});
  EXPECT_FALSE(std::filesystem::is_empty(aside));
}

TEST_F(JoinTest, AHistoryWithChangesOfItsOwnIsRefused) {
  // If this fails, changes that were never sent are taken for sent ones.
  const auto here = OfAnotherHistory(directory_.path());
  const auto history = Received();
  MustCommit(*history, {Operation::Update(kThere, "project", "X", At(9))});
  EXPECT_EQ(here->JoinHistory(*history, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(here->JoinHistory(*here, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(JoinTest, SyncedOperationsCanBeLeftOut) {
  // If this fails, Taskwarrior 3.1 sends the whole history again, over later changes.
  const auto here = OfAnotherHistory(directory_.path());
  MustJoin(*here, *Received(), {.keep_synced_operations = false});
  EXPECT_THAT(RawDatabase(directory_.path()).Run("SELECT count(*) FROM operations WHERE synced"),
              ElementsAre("0"));
  MustSync(*here, *server_);
  MustSync(*there_, *server_);
  EXPECT_EQ(TasksOf(*here), TasksOf(*there_));
}

TEST_F(JoinTest, AChangeOfAnotherProgramIsNotLost) {
  // If this fails, a `task add` during a join is gone.
  const auto here = OfAnotherHistory(directory_.path());
  const auto history = Received();
  const auto beside = MustOpen(directory_.path());
  MustCommit(*beside, {Operation::Update(kHere, "project", "beside", At(9))});
  MustJoin(*here, *history);
  MustCommit(*beside, {Operation::Update(kThere, "project", "after", At(9))});
  MustSync(*beside, *server_);
  MustSync(*there_, *server_);
  EXPECT_EQ(TasksOf(*there_).at(kHere).at("project"), "beside");
  EXPECT_EQ(TasksOf(*there_).at(kThere).at("project"), "after");
}

TEST_F(JoinTest, ReceivingCanEndAtAVersion) {
  // If this fails, a computer that was away cannot catch up to the version where a new history
  // begins.
  const Uuid first = StateOf(*there_).base_version_id;
  MustCommit(*there_, {Operation::Update(kThere, "project", "later", At(9))});
  MustSync(*there_, *server_);
  const auto here = MustOpenInMemory();
  MustCommit(*here, NewTask(kHere, "only here", 1));
  const SyncReport report = MustSync(*here, *server_, {.last_version_id = first});
  EXPECT_EQ(report.total.received_versions, 1);
  EXPECT_EQ(report.total.sent_operations, 0);
  EXPECT_EQ(StateOf(*here).base_version_id, first);
  EXPECT_EQ(StateOf(*here).pending_operations, 3);
  EXPECT_EQ(TasksOf(*here).at(kThere).count("project"), 0);
  // Once there, it stays there.
  EXPECT_EQ(MustSync(*here, *server_, {.last_version_id = first}).total.received_versions, 0);
  // Without the version on the way, everything is received.
  MustSync(*here, *server_, {.last_version_id = kHere});
  EXPECT_EQ(StateOf(*here).base_version_id, StateOf(*there_).base_version_id);
  EXPECT_EQ(StateOf(*here).pending_operations, 3);
}

TEST_F(JoinTest, ACopyChangesNothing) {
  // If this fails, a look at the replica upgrades or changes the database of another program.
  {
    const auto here = OfAnotherHistory(directory_.path());
    MustCommit(*here, {Operation::Update(kHere, "project", "unsent", At(9))});
  }
  RawDatabase(directory_.path()).Run("UPDATE version SET minor = 1");
  const auto copy = MustOpen(directory_.path(), {.copy = true});
  EXPECT_EQ(TasksOf(*copy).at(kHere).at("project"), "unsent");
  EXPECT_EQ(StateOf(*copy).pending_operations, 1);
  MustCommit(*copy, {Operation::Delete(kHere)});
  EXPECT_THAT(RawDatabase(directory_.path()).Run("SELECT count(*) FROM tasks"), ElementsAre("2"));
  EXPECT_THAT(RawDatabase(directory_.path()).Run("SELECT minor FROM version"), ElementsAre("1"));
}

TEST_F(JoinTest, ACopyNeedsADatabase) {
  // If this fails, a look at an empty computer creates a database.
  const std::string missing = directory_.path() + "/missing";
  EXPECT_EQ(Replica::Open(missing, {.copy = true}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(missing));
}

}  // namespace
}  // namespace tcsync
