// The working set. If these fail, the number that a person types names another task than the list
// on the screen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/replica/raw_database.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::replica {
namespace {

using WorkingSet = std::map<uint64_t, Uuid>;

class WorkingSetTest : public testing::Test {
 protected:
  void SetUp() override {
    replica_ = MustOpen(directory_.path());
    ASSERT_NE(replica_, nullptr);
  }

  void Commit(const std::vector<Operation>& operations) {
    const absl::Status status = replica_->Commit(operations);
    EXPECT_TRUE(status.ok()) << status;
  }

  void Create(int number, const char* status) {
    Commit({Operation::Create(TaskId(number)), SetStatus(number, status)});
  }

  static Operation SetStatus(int number, std::optional<std::string> status) {
    return Operation::Update(TaskId(number), "status", std::move(status));
  }

  WorkingSet Rebuilt(bool renumber) {
    const absl::Status status = replica_->RebuildWorkingSet(renumber);
    EXPECT_TRUE(status.ok()) << status;
    return replica_->GetWorkingSet().value();
  }

  void SetByOtherProgram(const WorkingSet& working_set) {
    RawDatabase raw(directory_.path());
    raw.Run("DELETE FROM working_set");
    for (const auto& [number, task_id] : working_set) {
      raw.Run(absl::StrCat("INSERT INTO working_set VALUES (", number, ", '", task_id.ToString(),
                           "')"));
    }
  }

  const TemporaryDirectory directory_;
  std::unique_ptr<Replica> replica_;
};

// If this fails, a new task has no number, or one that is not pending takes one.
TEST_F(WorkingSetTest, TasksJoinWhenTheyBecomePendingOrRecurring) {
  struct Case {
    const char* status;
    bool joins;
  };
  int number = 0;
  WorkingSet expected;
  for (const Case& task :
       {Case{"completed", false}, Case{"pending", true}, Case{"recurring", true},
        Case{"deleted", false}, Case{"waiting", false}, Case{"", false}, Case{"Pending", false},
        Case{"pending ", false}, Case{"pending", true}}) {
    Create(++number, task.status);
    if (task.joins) expected[expected.size() + 1] = TaskId(number);
    EXPECT_EQ(replica_->GetWorkingSet().value(), expected) << task.status;
  }
  // Later, in its turn; and one without a status never.
  Commit({SetStatus(1, "pending"), Operation::Create(TaskId(99))});
  expected[expected.size() + 1] = TaskId(1);
  EXPECT_EQ(replica_->GetWorkingSet().value(), expected);
  // Only the property of that name counts.
  Commit({Operation::Update(TaskId(99), "Status", "pending"),
          Operation::Update(TaskId(99), "description", "pending")});
  EXPECT_EQ(replica_->GetWorkingSet().value(), expected);
}

// If this fails, one task has two numbers, or its number changes while a person works with it.
TEST_F(WorkingSetTest, ATaskHasOneNumberAndKeepsIt) {
  Create(1, "pending");
  Create(2, "pending");
  Commit({SetStatus(1, "pending"), SetStatus(1, "recurring"), SetStatus(1, "pending")});
  Commit({SetStatus(1, "completed")});
  const WorkingSet both = {{1, TaskId(1)}, {2, TaskId(2)}};
  // A completed task keeps its number until the next rebuild, so that the list stays as it is.
  EXPECT_EQ(replica_->GetWorkingSet().value(), both);
  Commit({SetStatus(1, "pending")});
  EXPECT_EQ(replica_->GetWorkingSet().value(), both);
  // Several changes in one commit count once.
  Commit({Operation::Create(TaskId(3)), SetStatus(3, "pending"), SetStatus(3, "completed"),
          SetStatus(3, "pending")});
  EXPECT_EQ(replica_->GetWorkingSet().value(),
            (WorkingSet{{1, TaskId(1)}, {2, TaskId(2)}, {3, TaskId(3)}}));
}

// If this fails, a number names another task after a rebuild that should keep the numbers.
TEST_F(WorkingSetTest, RebuildsKeepOrRenumber) {
  for (int number = 1; number <= 9; ++number) Create(number, "pending");
  Commit({SetStatus(2, "completed"), SetStatus(3, "recurring"), SetStatus(9, "deleted"),
          SetStatus(6, std::nullopt), Operation::Delete(TaskId(5))});
  // 1 is there twice, 7 is missing, and 77 does not exist.
  struct Case {
    WorkingSet before;
    WorkingSet kept;
    WorkingSet renumbered;
  };
  const auto set = [](std::vector<std::pair<uint64_t, int>> entries) {
    WorkingSet working_set;
    for (const auto& [number, task] : entries) working_set[number] = TaskId(task);
    return working_set;
  };
  const WorkingSet all = set({{1, 1}, {2, 3}, {3, 4}, {4, 7}, {5, 8}});
  for (const Case& rebuild : {
           Case{{}, all, all},
           Case{all, all, all},
           // The places of 2, 5, 6 and 9 become gaps.
           Case{set({{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}}),
                set({{1, 1}, {3, 3}, {4, 4}, {7, 7}, {8, 8}}), all},
           // Gaps from before.
           Case{set({{2, 8}, {5, 1}, {9, 3}, {11, 4}, {1'000'000, 7}}),
                set({{2, 8}, {5, 1}, {9, 3}, {11, 4}, {1'000'000, 7}}),
                set({{1, 8}, {2, 1}, {3, 3}, {4, 4}, {5, 7}})},
           // A task with two numbers keeps the smaller one; new tasks follow the last number.
           Case{set({{1, 8}, {2, 8}, {4, 3}, {5, 3}}),
                set({{1, 8}, {4, 3}, {6, 1}, {7, 4}, {8, 7}}),
                set({{1, 8}, {2, 3}, {3, 1}, {4, 4}, {5, 7}})},
           // A number that a task has just lost is not given to another one.
           Case{set({{1, 1}, {2, 3}, {3, 4}, {4, 7}, {5, 9}, {6, 77}}),
                set({{1, 1}, {2, 3}, {3, 4}, {4, 7}, {7, 8}}), all},
           // Nothing of it is left.
           Case{set({{1, 2}, {3, 77}}), set({{4, 1}, {5, 3}, {6, 4}, {7, 7}, {8, 8}}), all},
       }) {
    SetByOtherProgram(rebuild.before);
    EXPECT_EQ(replica_->GetWorkingSet().value(), rebuild.before);
    EXPECT_EQ(Rebuilt(false), rebuild.kept);
    EXPECT_EQ(Rebuilt(false), rebuild.kept) << "a second rebuild changes something";
    SetByOtherProgram(rebuild.before);
    EXPECT_EQ(Rebuilt(true), rebuild.renumbered);
    EXPECT_EQ(Rebuilt(true), rebuild.renumbered);
  }
}

// If this fails, a commit after a rebuild takes a number that is in use, or hides a task.
TEST_F(WorkingSetTest, NewTasksFollowTheHighestNumber) {
  Create(1, "pending");
  Create(2, "pending");
  SetByOtherProgram({{1, TaskId(1)}, {41, TaskId(2)}});
  Create(3, "pending");
  EXPECT_EQ(replica_->GetWorkingSet().value(),
            (WorkingSet{{1, TaskId(1)}, {41, TaskId(2)}, {42, TaskId(3)}}));
}

}  // namespace
}  // namespace tcsync::replica
