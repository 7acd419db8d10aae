// Kills, other programs, damage and full disks. If these fail, people lose tasks that were
// committed, or a program crashes where it should name the fault.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "replica/sqlite.h"
#include "replica/store.h"
#include "tests/missing_prerequisite.h"
#include "tests/unit/replica/child_process.h"
#include "tests/unit/replica/raw_database.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::replica {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The tasks that the operations lead to from none.
TasksById Replayed(const std::vector<Operation>& operations) {
  TasksById tasks;
  for (const Operation& operation : operations) {
    const bool exists = tasks.contains(operation.task_id);
    switch (operation.kind) {
      case Operation::Kind::kUndoPoint:
        break;
      case Operation::Kind::kCreate:
        EXPECT_FALSE(exists);
        tasks[operation.task_id];
        break;
      case Operation::Kind::kDelete:
        EXPECT_EQ(tasks[operation.task_id], operation.old_properties);
        tasks.erase(operation.task_id);
        break;
      case Operation::Kind::kUpdate:
        EXPECT_TRUE(exists);
        if (operation.value) {
          tasks[operation.task_id][operation.property] = *operation.value;
        } else {
          tasks[operation.task_id].erase(operation.property);
        }
    }
  }
  return tasks;
}

// If this fails, a crash or an impatient person with Ctrl-C loses tasks, or leaves half of a
// change.
TEST(DurabilityTest, EveryCommitSurvivesAKillAsAWhole) {
  constexpr int kKills = 8;
  const TemporaryDirectory directory;
  std::mt19937 random(20'261'129);  // always the same numbers of rounds; the moments differ
  int acknowledged = 0;
  for (int kills = 1; kills <= kKills; ++kills) {
    {
      ChildProcess child(kCommitUntilKilled, directory.path());
      const int rounds = 1 + static_cast<int>(random() % 8);
      int count = 0;
      while (const std::optional<std::string> line = child.ReadLine()) {
        ASSERT_TRUE(absl::SimpleAtoi(*line, &acknowledged)) << *line;
        if (++count == rounds) child.Kill();
      }
      ASSERT_GE(count, rounds) << "the child ended by itself";
    }
    // Before SQLite repairs anything for the replica.
    EXPECT_THAT(RawDatabase(directory.path()).Run("PRAGMA integrity_check"), ElementsAre("ok"));
    const auto replica = MustOpen(directory.path());
    ASSERT_NE(replica, nullptr);
    EXPECT_TRUE(Replayed(replica->PendingOperations().value()) == TasksOf(*replica));
    int round = 0;
    ASSERT_TRUE(absl::SimpleAtoi(replica->GetTask(TaskId(0)).value()->at(kRoundProperty), &round));
    EXPECT_GE(round, acknowledged) << "an acknowledged commit is lost";
    EXPECT_LE(round, acknowledged + 1);
    EXPECT_LE(replica->GetWorkingSet()->size(), 10u);
  }
}

// If this fails, a program that waits for its network stops all others without a word, or for ever.
TEST(DurabilityTest, WritesReportAnotherWriterAndWorkAfterIt) {
  const TemporaryDirectory directory;
  const auto replica = MustOpen(directory.path(), {.busy_timeout_ms = 20});
  ASSERT_TRUE(replica->Commit({{Operation::UndoPoint(), Operation::Create(TaskId(1))}}).ok());
  const std::vector<Operation> undoable = replica->UndoableOperations().value();
  const std::vector<Operation> update = {Operation::Update(TaskId(1), "status", "pending")};
  RawDatabase other(directory.path());
  other.Run("BEGIN IMMEDIATE; UPDATE tasks SET data = '{\"a\":\"b\"}'");
  for (const absl::Status& status :
       {replica->Commit(update), replica->RebuildWorkingSet(true),
        replica->RebuildWorkingSet(false), replica->Undo(undoable).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("another program uses it"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(DatabasePath(directory.path())));
  }
  // Reads do not wait, and see what is committed.
  EXPECT_EQ(replica->GetTask(TaskId(1)).value(), TaskProperties());
  EXPECT_EQ(replica->GetTasks()->size(), 1u);
  EXPECT_EQ(replica->GetState()->pending_operations, 1u);
  EXPECT_EQ(replica->PendingOperations()->size(), 2u);
  EXPECT_EQ(replica->UndoableOperations().value(), undoable);
  EXPECT_EQ(replica->OperationsOf(TaskId(1))->size(), 1u);
  EXPECT_TRUE(replica->GetWorkingSet().ok());
  EXPECT_TRUE(TryOpen(directory.path(), {.busy_timeout_ms = 0}).ok());
  other.Run("COMMIT");
  EXPECT_EQ(replica->GetTask(TaskId(1)).value(), (TaskProperties{{"a", "b"}}));
  EXPECT_TRUE(replica->Commit(update).ok());
  EXPECT_EQ(replica->GetWorkingSet()->size(), 1u);
}

// If this fails, a commit that meets another program's fails at once instead of a moment later.
TEST(DurabilityTest, AWriteWaitsForItsTimeout) {
  const TemporaryDirectory directory;
  const auto replica = MustOpen(directory.path(), {.busy_timeout_ms = 600'000});
  RawDatabase other(directory.path());
  other.Run("BEGIN IMMEDIATE");
  absl::Status status;
  std::thread thread([&] { status = replica->Commit({{Operation::Create(TaskId(1))}}); });
  other.Run("COMMIT");
  thread.join();
  EXPECT_TRUE(status.ok()) << status;
}

// If this fails, commits of several programs overwrite each other.
TEST(DurabilityTest, CommitsOfManyProgramsAreAllKept) {
  constexpr int kPrograms = 4;
  constexpr int kCommits = 25;
  const TemporaryDirectory directory;
  MustOpen(directory.path());
  std::vector<std::thread> threads;
  for (int i = 0; i < kPrograms; ++i) {
    threads.emplace_back([&, i] {
      const auto replica = MustOpen(directory.path(), {.busy_timeout_ms = 60'000});
      for (int commit = 0; commit < kCommits; ++commit) {
        const Uuid task_id = TaskId(i * kCommits + commit);
        const absl::Status status = replica->Commit(
            {{Operation::Create(task_id), Operation::Update(task_id, "status", "pending")}});
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto replica = MustOpen(directory.path());
  EXPECT_EQ(TasksOf(*replica).size(), size_t{kPrograms * kCommits});
  EXPECT_EQ(replica->GetWorkingSet()->size(), size_t{kPrograms * kCommits});
  EXPECT_EQ(Replayed(replica->PendingOperations().value()), TasksOf(*replica));
}

using Call = absl::Status (*)(Replica&);

absl::Status CallGetTask(Replica& replica) { return replica.GetTask(TaskId(1)).status(); }
absl::Status CallGetTasks(Replica& replica) { return replica.GetTasks().status(); }
absl::Status CallGetState(Replica& replica) { return replica.GetState().status(); }
absl::Status CallPending(Replica& replica) { return replica.PendingOperations().status(); }
absl::Status CallUndoable(Replica& replica) { return replica.UndoableOperations().status(); }
absl::Status CallWorkingSet(Replica& replica) { return replica.GetWorkingSet().status(); }
absl::Status CallRebuild(Replica& replica) { return replica.RebuildWorkingSet(true); }
absl::Status CallCommit(Replica& replica) {
  return replica.Commit({{Operation::Update(TaskId(1), "status", "pending")}});
}
absl::Status CallOperationsOf(Replica& replica) { return replica.OperationsOf(TaskId(1)).status(); }
absl::Status CallUndo(Replica& replica) {
  return replica.Undo({{Operation::Create(TaskId(1))}}).status();
}

// A replica with task 1, whose creation is operation 1.
void MakeReplica(const std::string& directory) {
  const auto replica = MustOpen(directory);
  const absl::Status status = replica->Commit(
      {{Operation::Create(TaskId(1)), Operation::Update(TaskId(1), "project", "hunter2")}});
  EXPECT_TRUE(status.ok()) << status;
}

// If this fails, a damaged record crashes a program, passes for a task, or has a message that does
// not help to find it, or that shows a person's tasks.
TEST(DurabilityTest, DamagedRecordsAreNamed) {
  struct Case {
    std::string sql;
    std::vector<Call> calls;
    const char* place;
  };
  for (const Case& damage : std::vector<Case>{
           {"UPDATE tasks SET data = 'hunter2'", {CallGetTask, CallCommit}, "the task 00000000-"},
           {"UPDATE tasks SET data = NULL", {CallGetTask, CallCommit}, "the task 00000000-"},
           {"UPDATE tasks SET data = ''", {CallGetTask}, "the task 00000000-"},
           {"UPDATE tasks SET data = x'00ff'", {CallGetTask}, "the task 00000000-"},
           {"UPDATE tasks SET data = 4711", {CallGetTask}, "the task 00000000-"},
           {"UPDATE tasks SET data = '{\"hunter2\":4711}'",
            {CallGetTask, CallGetTasks, CallRebuild},
            "has a task with a value that is not a text"},
           {"UPDATE tasks SET data = '['", {CallGetTasks, CallRebuild}, "the record 1 of tasks"},
           {"UPDATE tasks SET uuid = 'hunter2'",
            {CallGetTasks, CallRebuild},
            "the record 1 of tasks has a malformed uuid"},
           {"UPDATE tasks SET uuid = NULL", {CallGetTasks}, "the record 1 of tasks"},
           {"INSERT INTO sync_meta VALUES ('base_version', 'hunter2')",
            {CallGetState},
            "base_version is a malformed uuid"},
           {"INSERT INTO sync_meta VALUES ('base_version', NULL)", {CallGetState}, "base_version"},
           {"INSERT INTO sync_meta VALUES ('base_version', 4711)", {CallGetState}, "base_version"},
           {"INSERT INTO working_set VALUES (7, 'hunter2')",
            {CallWorkingSet, CallRebuild, CallCommit},
            "the number 7 of the working set"},
           {"INSERT INTO working_set VALUES (7, NULL)", {CallWorkingSet}, "the number 7"},
           {"UPDATE operations SET data = '{\"Rename\":{\"uuid\":\"" + TaskId(1).ToString() +
                "\"}}' WHERE id = 2",
            {CallPending, CallUndoable, CallUndo},
            "the operation 2 has an operation of an unknown kind"},
           {"UPDATE operations SET data = replace(data, '\"Update\":', '\"Delete\":') WHERE id = 2",
            {CallPending, CallOperationsOf},
            "the operation 2 has a deletion without its old_task"},
           {"UPDATE operations SET data = replace(data, 'T', '_') WHERE id = 2",
            {CallPending, CallOperationsOf},
            "the operation 2 has an update with a malformed timestamp"},
           {"UPDATE operations SET data = '4711' WHERE id = 2", {CallPending}, "the operation 2"},
           {"UPDATE operations SET data = NULL WHERE id = 2", {CallPending}, "the operation 2"},
           {"UPDATE operations SET data = '{}' WHERE id = 2", {CallPending}, "the operation 2"},
           {"INSERT INTO operations (data) VALUES ('\"Undo\"')", {CallPending}, "the operation 3"},
       }) {
    SCOPED_TRACE(damage.sql);
    const TemporaryDirectory directory;
    MakeReplica(directory.path());
    RawDatabase(directory.path()).Run(damage.sql);
    const auto replica = MustOpen(directory.path());
    ASSERT_NE(replica, nullptr);
    for (const Call call : damage.calls) {
      const absl::Status status = call(*replica);
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
      const std::string message(status.message());
      EXPECT_THAT(message, HasSubstr(damage.place));
      EXPECT_THAT(message, HasSubstr(DatabasePath(directory.path())));
      EXPECT_THAT(message, testing::Not(AnyOf(HasSubstr("hunter2"), HasSubstr("4711"))));
    }
    // The rest can still be used.
    EXPECT_TRUE(replica->Commit({{Operation::Create(TaskId(2))}}).ok());
  }
}

// Takes a brace from the JSON of operation 2, in the file.
void DamageTheFile(const std::string& directory) {
  const std::string bytes = ReadFile(DatabasePath(directory));
  const std::string damaged = absl::StrReplaceAll(bytes, {{"{\"Update\"", " \"Update\""}});
  EXPECT_NE(damaged, bytes);
  WriteFile(DatabasePath(directory), damaged);
}

// If this fails, bytes of an operation that have changed on the disk end in a fault without a name.
TEST(DurabilityTest, DamagedBytesOfAnOperationAreNamed) {
  const TemporaryDirectory directory;
  MakeReplica(directory.path());
  DamageTheFile(directory.path());
  const auto replica = MustOpen(directory.path());
  for (const Call call : {CallPending, CallUndoable, CallUndo, CallOperationsOf}) {
    const absl::Status status = call(*replica);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the operation 2 is not JSON"));
  }
}

// If this fails, damage to an operation that nothing needs any more ends each sync.
TEST(DurabilityTest, ADamagedOperationOfATaskThatIsGoneIsRemoved) {
  const TemporaryDirectory directory;
  MakeReplica(directory.path());
  RawDatabase(directory.path())
      .Run(
          "UPDATE operations SET synced = true; DELETE FROM tasks;"
          "PRAGMA wal_checkpoint(TRUNCATE)");
  DamageTheFile(directory.path());
  Store store(Connection::Open(DatabasePath(directory.path()), OpenMode::kReadAndWrite,
                               /*busy_timeout_ms=*/0)
                  .value());
  const absl::Status status = store.RemoveOrphanedOperations();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(RawDatabase(directory.path()).Run("SELECT count(*) FROM operations"),
              ElementsAre("0"));
}

// If this fails, a file that the disk has damaged crashes the program.
TEST(DurabilityTest, DamagedPagesNeverCrash) {
  const TemporaryDirectory whole;
  {
    const auto replica = MustOpen(whole.path());
    std::vector<Operation> operations;
    for (int i = 1; i <= 100; ++i) {
      operations.push_back(Operation::Create(TaskId(i)));
      operations.push_back(Operation::Update(TaskId(i), "status", "pending"));
    }
    ASSERT_TRUE(replica->Commit(operations).ok());
  }
  const std::string bytes = ReadFile(DatabasePath(whole.path()));
  std::mt19937 random(4);
  int failures = 0;
  for (int round = 0; round < 100; ++round) {
    const TemporaryDirectory directory;
    std::string damaged = bytes;
    const size_t begin = random() % damaged.size();
    const size_t size = 1 + random() % 2'000;
    for (size_t i = begin; i < std::min(begin + size, damaged.size()); ++i) {
      damaged[i] = static_cast<char>(random());
    }
    WriteFile(DatabasePath(directory.path()), damaged);
    auto replica = Replica::Open(directory.path(), {.busy_timeout_ms = 0});
    if (!replica.ok()) {
      ++failures;
      continue;
    }
    for (const Call call : {CallGetTask, CallGetTasks, CallGetState, CallPending, CallUndoable,
                            CallWorkingSet, CallRebuild, CallCommit, CallOperationsOf}) {
      if (!call(**replica).ok()) ++failures;
    }
  }
  EXPECT_GT(failures, 100);
}

void ExpectFullDisk(ChildProcess& child, const std::string& first) {
  EXPECT_THAT(first, HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(first, HasSubstr("make room"));
  int committed = 0;
  ASSERT_TRUE(absl::SimpleAtoi(child.ReadLine().value_or("it has crashed"), &committed));
  EXPECT_GT(committed, 5);
  EXPECT_EQ(child.ReadLine().value_or("it has crashed"), "ok");
  EXPECT_EQ(child.ReadLine().value_or("it has crashed"), "OK") << "not even after making room";
}

// If this fails, a quota loses tasks, or a person reads of a fault in the program.
TEST(DurabilityTest, ALimitOnFilesLosesNothing) {
  const TemporaryDirectory directory;
  ChildProcess child(kFillLimitedFiles, directory.path());
  ExpectFullDisk(child, child.ReadLine().value_or("it has crashed"));
  const auto replica = MustOpen(directory.path());
  EXPECT_TRUE(Replayed(replica->PendingOperations().value()) == TasksOf(*replica));
}

// If this fails, a full disk loses tasks, or a person reads of a fault in the program.
TEST(DurabilityTest, AFullDiskLosesNothing) {
  const TemporaryDirectory directory;
  ChildProcess child(kFillDisk, directory.path());
  const std::string first = child.ReadLine().value_or("it has crashed");
  if (first == "cannot mount") TCSYNC_MISSING_PREREQUISITE("only root may mount a small disk");
  ExpectFullDisk(child, first);
}

}  // namespace
}  // namespace tcsync::replica
