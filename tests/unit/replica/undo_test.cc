// Undo. If these fail, `task undo` reverts too much, too little or something that was synced, and
// people lose changes by the command that should save them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/replica/raw_database.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::replica {
namespace {

using ::testing::IsEmpty;

const absl::Time kTime = absl::FromUnixSeconds(1'795'986'889);

Operation Set(int task, std::string property, std::optional<std::string> value) {
  return Operation::Update(TaskId(task), std::move(property), std::move(value), kTime);
}

class UndoTest : public testing::Test {
 protected:
  void SetUp() override {
    replica_ = MustOpen(directory_.path());
    ASSERT_NE(replica_, nullptr);
    Commit({Operation::UndoPoint(), Operation::Create(TaskId(1)), Set(1, "status", "pending"),
            Set(1, "project", "home"), Operation::Create(TaskId(2)), Set(2, "project", "work")});
  }

  void Commit(const std::vector<Operation>& operations) {
    const absl::Status status = replica_->Commit(operations);
    EXPECT_TRUE(status.ok()) << status;
  }

  // Undoes what can be undone.
  bool Undo() { return replica_->Undo(replica_->UndoableOperations().value()).value(); }

  const TemporaryDirectory directory_;
  std::unique_ptr<Replica> replica_;
};

// If this fails, some kind of change cannot be taken back.
TEST_F(UndoTest, EachListOfChangesIsReverted) {
  const Operation create = Operation::Create(TaskId(3));
  const Operation remove = Operation::Delete(TaskId(3));
  const std::vector<std::vector<Operation>> lists = {
      {create},
      {Set(1, "due", "1")},
      {Set(1, "project", "x")},
      {Set(1, "project", std::nullopt)},
      {Set(1, "due", std::nullopt)},
      {Set(1, "project", "x"), Set(1, "project", "y"), Set(1, "project", std::nullopt)},
      {Operation::Delete(TaskId(2))},
      {Set(2, "project", "x"), Operation::Delete(TaskId(2))},
      {create, Set(3, "a", "b"), remove},
      {create, Set(3, "a", "b"), remove, create, Set(3, "a", "c")},
      {Operation::Delete(TaskId(2)), Operation::Create(TaskId(2)), Set(2, "other", "x")},
      {Set(1, "status", "completed"), Set(2, "status", "pending"), create,
       Set(3, "status", "recurring"), Operation::Delete(TaskId(2))},
      {Set(1, "", ""), Set(1, std::string("\0", 1), std::string("\0", 1))},
  };
  const std::vector<Task> tasks = replica_->GetTasks().value();
  const std::vector<Operation> pending = replica_->PendingOperations().value();
  for (std::vector<Operation> list : lists) {
    SCOPED_TRACE(testing::Message() << "list " << &list - lists.data());
    list.insert(list.begin(), Operation::UndoPoint());
    Commit(list);
    const std::vector<Operation> undoable = replica_->UndoableOperations().value();
    EXPECT_EQ(undoable.size(), list.size());
    EXPECT_TRUE(Undo());
    EXPECT_EQ(replica_->GetTasks().value(), tasks);
    EXPECT_EQ(replica_->PendingOperations().value(), pending);
  }
}

// If this fails, one undo takes back more than the last command.
TEST_F(UndoTest, EachUndoGoesBackToTheLastUndoPoint) {
  struct Step {
    size_t undoable;
    size_t pending_after;
  };
  Commit({Operation::UndoPoint(), Set(1, "a", "1")});
  Commit({Set(1, "a", "2")});
  Commit({Operation::UndoPoint(), Operation::UndoPoint(), Set(1, "a", "3"), Set(1, "b", "3")});
  Commit({Operation::UndoPoint()});
  for (const Step& step : {Step{1, 13}, Step{3, 10}, Step{1, 9}, Step{3, 6}, Step{6, 0}}) {
    EXPECT_EQ(replica_->UndoableOperations()->size(), step.undoable);
    EXPECT_TRUE(Undo());
    EXPECT_EQ(replica_->PendingOperations()->size(), step.pending_after);
  }
  EXPECT_THAT(replica_->GetTasks().value(), IsEmpty());
  EXPECT_THAT(replica_->UndoableOperations().value(), IsEmpty());
  EXPECT_FALSE(Undo());
}

// If this fails, a program without undo points cannot undo, or an undo stops before the first
// change.
TEST_F(UndoTest, WithoutAnUndoPointAllPendingOperationsAreReverted) {
  const auto replica = Replica::OpenInMemory().value();
  ASSERT_TRUE(replica->Commit({{Operation::Create(TaskId(1)), Set(1, "a", "b")}}).ok());
  ASSERT_TRUE(replica->Commit({{Operation::Create(TaskId(2))}}).ok());
  const std::vector<Operation> undoable = replica->UndoableOperations().value();
  EXPECT_EQ(undoable.size(), 3u);
  EXPECT_TRUE(replica->Undo(undoable).value());
  EXPECT_THAT(replica->GetTasks().value(), IsEmpty());
  EXPECT_THAT(replica->PendingOperations().value(), IsEmpty());
  // Not again.
  EXPECT_FALSE(replica->Undo(undoable).value());
}

// If this fails, an undo that a person has confirmed reverts other changes than those on the
// screen.
TEST_F(UndoTest, OnlyTheLastPendingOperationsCanBeUndone) {
  const std::vector<Operation> pending = replica_->PendingOperations().value();
  const std::vector<Task> tasks = replica_->GetTasks().value();
  std::vector<std::vector<Operation>> refused(6, pending);
  refused[0].pop_back();
  refused[1].clear();
  refused[2].insert(refused[2].begin(), Operation::UndoPoint());  // one too many
  refused[3].back().value = "other";
  refused[4].back().time += absl::Nanoseconds(1);
  refused[5].back().old_value = "other";
  for (const std::vector<Operation>& operations : refused) {
    EXPECT_FALSE(replica_->Undo(operations).value());
    EXPECT_EQ(replica_->PendingOperations().value(), pending);
    EXPECT_EQ(replica_->GetTasks().value(), tasks);
  }
  // A part is enough, if it is the last.
  EXPECT_TRUE(replica_->Undo(absl::MakeSpan(pending).last(2)).value());
  EXPECT_EQ(replica_->GetTasks()->size(), 1u);
}

// If this fails, an undo discards a change that another program has made meanwhile.
TEST_F(UndoTest, AChangeByAnotherProgramStopsTheUndo) {
  const std::vector<Operation> undoable = replica_->UndoableOperations().value();
  const auto other = MustOpen(directory_.path());
  ASSERT_TRUE(other->Commit({{Set(1, "project", "theirs")}}).ok());
  EXPECT_FALSE(replica_->Undo(undoable).value());
  EXPECT_EQ(replica_->GetTask(TaskId(1)).value()->at("project"), "theirs");
  // Of two that undo the same, one does.
  EXPECT_TRUE(other->Undo(other->UndoableOperations().value()).value());
  EXPECT_FALSE(replica_->Undo(undoable).value());
  EXPECT_THAT(replica_->GetTasks().value(), IsEmpty());
}

// If this fails, an undo takes back what other replicas already have.
TEST_F(UndoTest, SyncedOperationsCannotBeUndone) {
  const std::vector<Operation> undoable = replica_->UndoableOperations().value();
  RawDatabase(directory_.path()).Run("UPDATE operations SET synced = true WHERE id <= 3");
  EXPECT_FALSE(replica_->Undo(undoable).value());
  EXPECT_EQ(replica_->UndoableOperations()->size(), 3u);
  RawDatabase(directory_.path()).Run("UPDATE operations SET synced = true");
  EXPECT_THAT(replica_->UndoableOperations().value(), IsEmpty());
  EXPECT_FALSE(replica_->Undo(undoable).value());
  EXPECT_EQ(replica_->GetTasks()->size(), 2u);
}

}  // namespace
}  // namespace tcsync::replica
