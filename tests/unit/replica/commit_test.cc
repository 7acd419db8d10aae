// Commits. If these fail, an invalid list changes half of the tasks, or an operation is written
// that TaskChampion cannot read. undo_test.cc has the reversal.
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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const absl::Time kTime = absl::FromUnixSeconds(1'795'986'889);

Operation Set(int task, std::string property, std::optional<std::string> value) {
  return Operation::Update(TaskId(task), std::move(property), std::move(value), kTime);
}

Operation WithOldValue(Operation operation, std::optional<std::string> old_value) {
  operation.old_value = std::move(old_value);
  return operation;
}

Operation DeleteOf(int task, TaskProperties properties) {
  Operation operation = Operation::Delete(TaskId(task));
  operation.old_properties = std::move(properties);
  return operation;
}

class CommitTest : public testing::Test {
 protected:
  void SetUp() override {
    replica_ = Replica::OpenInMemory().value();
    // Task 1 exists, task 2 does not.
    ASSERT_TRUE(replica_->Commit({{Operation::Create(TaskId(1)), Set(1, "project", "home")}}).ok());
  }

  // All that a commit may change.
  struct State {
    std::vector<Task> tasks;
    std::vector<Operation> pending;
    std::map<uint64_t, Uuid> working_set;

    friend bool operator==(const State&, const State&) = default;
  };
  State Read() {
    return {replica_->GetTasks().value(), replica_->PendingOperations().value(),
            replica_->GetWorkingSet().value()};
  }

  std::unique_ptr<Replica> replica_;
};

// If this fails, an undo restores something else than what was there, or TaskChampion does.
TEST_F(CommitTest, OldValuesAreFilledIn) {
  Operation lie = Set(1, "project", "work");
  lie.old_value = "a lie";
  lie.old_properties = {{"a", "lie"}};
  Operation lie_of_deletion = DeleteOf(1, {{"a", "lie"}});
  lie_of_deletion.old_value = "\xff";
  Operation lie_of_creation = Operation::Create(TaskId(2));
  lie_of_creation.old_properties = {{"\xff", "\xff"}};
  const absl::Status status = replica_->Commit({
      Operation::UndoPoint(),
      lie,
      Set(1, "project", "work"),
      Set(1, "project", ""),
      Set(1, "project", std::nullopt),
      Set(1, "project", std::nullopt),
      Set(1, "due", "1"),
      Set(1, "tag_x", ""),
      lie_of_deletion,
      lie_of_creation,
      Operation::Delete(TaskId(2)),
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(replica_->PendingOperations().value(),
              ElementsAre(Operation::Create(TaskId(1)), Set(1, "project", "home"),
                          Operation::UndoPoint(), WithOldValue(Set(1, "project", "work"), "home"),
                          WithOldValue(Set(1, "project", "work"), "work"),
                          WithOldValue(Set(1, "project", ""), "work"),
                          WithOldValue(Set(1, "project", std::nullopt), ""),
                          Set(1, "project", std::nullopt), Set(1, "due", "1"), Set(1, "tag_x", ""),
                          DeleteOf(1, {{"due", "1"}, {"tag_x", ""}}), Operation::Create(TaskId(2)),
                          Operation::Delete(TaskId(2))));
  EXPECT_THAT(replica_->GetTasks().value(), IsEmpty());
}

// If this fails, a faulty list is applied in part, or nobody learns which operation was at fault.
TEST_F(CommitTest, AnInvalidListChangesNothingAndNamesItsOperation) {
  struct Case {
    std::vector<Operation> operations;
    int index;
    const char* problem;
  };
  const std::string not_utf8 = "h\xc3(unter2";
  const auto at = [](absl::Time time) { return Operation::Update(TaskId(1), "a", "b", time); };
  const absl::TimeZone utc = absl::UTCTimeZone();
  const State before = Read();
  for (const Case& invalid : std::vector<Case>{
           {{Operation::Create(TaskId(1))}, 0, "creates a task that exists"},
           {{Operation::Create(TaskId(2)), Operation::Create(TaskId(2))}, 1, "that exists"},
           {{Set(2, "a", "b")}, 0, "updates a task that does not exist"},
           {{Set(2, "a", std::nullopt)}, 0, "updates a task that does not exist"},
           {{Operation::Delete(TaskId(2))}, 0, "deletes a task that does not exist"},
           {{Operation::Delete(TaskId(1)), Set(1, "a", "b")}, 1, "updates a task that does not"},
           {{Operation::Delete(TaskId(1)), Operation::Delete(TaskId(1))}, 1, "deletes a task"},
           {{Operation::Create(TaskId(2)), Set(2, "status", "pending"), Operation::UndoPoint(),
             Set(1, "status", "pending"), Operation::Delete(TaskId(3))},
            4,
            "deletes a task"},
           {{Operation::UndoPoint(), Set(1, not_utf8, "b")}, 1, "property that is not UTF-8"},
           {{Set(1, "project", not_utf8)}, 0, "value of the property 'project' that is not UTF-8"},
           {{Set(1, "\xed\xa0\x80", std::nullopt)}, 0, "property that is not UTF-8"},
           {{at(absl::InfiniteFuture())}, 0, "years 1 to 9999"},
           {{at(absl::InfinitePast())}, 0, "years 1 to 9999"},
           {{at(absl::FromCivil(absl::CivilSecond(10000, 1, 1), utc))}, 0, "years 1 to 9999"},
           {{at(absl::FromCivil(absl::CivilSecond(1, 1, 1), utc) - absl::Nanoseconds(1))},
            0,
            "years 1 to 9999"},
       }) {
    const absl::Status status = replica_->Commit(invalid.operations);
    SCOPED_TRACE(status);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(absl::StrCat("index ", invalid.index, " ")));
    EXPECT_THAT(message, HasSubstr(invalid.problem));
    EXPECT_THAT(message, HasSubstr("none of the operations was applied"));
    EXPECT_THAT(message, Not(HasSubstr("unter2")));
    EXPECT_EQ(Read(), before);
  }
  // The replica is in no transaction.
  EXPECT_TRUE(replica_->Commit({{Set(1, "project", "work")}}).ok());
}

// If this fails, a program that has nothing to change, or only a mark, gets an error.
TEST_F(CommitTest, ListsWithoutChangesAreValid) {
  const State before = Read();
  EXPECT_TRUE(replica_->Commit({}).ok());
  EXPECT_EQ(Read(), before);
  EXPECT_TRUE(replica_->Commit({{Operation::UndoPoint(), Operation::UndoPoint()}}).ok());
  EXPECT_EQ(Read().tasks, before.tasks);
  const ReplicaState state = replica_->GetState().value();
  EXPECT_EQ(state.pending_operations, 2u);
  EXPECT_EQ(state.pending_undo_points, 2u);
  EXPECT_EQ(state.tasks, 1u);
}

// If this fails, an import of a person's old tasks fails or loses some.
TEST_F(CommitTest, TenThousandOperationsAreOneCommit) {
  std::vector<Operation> operations;
  for (int i = 0; i < 5'000; ++i) {
    operations.push_back(Operation::Create(TaskId(10 + i)));
    operations.push_back(Set(10 + i, "status", i % 2 == 0 ? "pending" : "completed"));
  }
  ASSERT_TRUE(replica_->Commit(operations).ok());
  const State state = Read();
  EXPECT_EQ(state.tasks.size(), 5'001u);
  EXPECT_EQ(state.working_set.size(), 2'500u);
  ASSERT_EQ(state.pending.size(), 10'002u);
  for (size_t i = 0; i < operations.size(); ++i) {
    ASSERT_TRUE(state.pending[i + 2] == operations[i]) << i;
  }
  for (int i = 0; i < 5'000; ++i) {
    ASSERT_EQ(state.tasks[1 + static_cast<size_t>(i)].task_id, TaskId(10 + i)) << "not in order";
  }
}

// If this fails, some text that a program stores in a task comes back changed or not at all.
TEST_F(CommitTest, EveryNameAndValueIsKept) {
  const std::string huge(20 << 20, 'x');
  const TaskProperties properties = {
      {"", ""},
      {" ", std::string("a\0b", 3)},
      {std::string("\0", 1), "NUL"},
      {"\"'\\%;--", "'); DROP TABLE tasks; --"},
      {"$.Update.uuid", "[1,2]"},
      {"\xf0\x9f\x98\x80", "\xef\xbf\xbf\n\t\x7f"},
      {"huge", huge},
      {std::string(1'000'000, 'n'), "a long name"},
      {"uuid", "not its ID"},
      {"number", "12345678901234567890"},
  };
  const TemporaryDirectory directory;
  {
    const auto replica = MustOpen(directory.path());
    std::vector<Operation> operations = {Operation::Create(TaskId(1))};
    for (const auto& [name, value] : properties) operations.push_back(Set(1, name, value));
    ASSERT_TRUE(replica->Commit(operations).ok());
  }
  const auto replica = MustOpen(directory.path());
  EXPECT_TRUE(replica->GetTask(TaskId(1)).value() == properties);
  ASSERT_TRUE(replica->Commit({{Operation::Delete(TaskId(1))}}).ok());
  EXPECT_TRUE(replica->PendingOperations()->back().old_properties == properties);
  EXPECT_EQ(replica->GetTask(TaskId(1)).value(), std::nullopt);
}

// If this fails, two replicas see two times for one update.
TEST_F(CommitTest, TimesAreKeptInNanoseconds) {
  const absl::Time time = kTime + absl::Nanoseconds(123'456'789);
  for (const absl::Time given : {time, time + absl::Nanoseconds(1) / 4}) {
    ASSERT_TRUE(replica_->Commit({{Operation::Update(TaskId(1), "a", "b", given)}}).ok());
    EXPECT_EQ(replica_->PendingOperations()->back().time, time);
  }
}

// If this fails, a task that was deleted and created again is listed in its old place, or an update
// moves its task.
TEST_F(CommitTest, TasksAreInTheOrderOfTheirArrival) {
  const auto ids = [this] {
    std::vector<Uuid> task_ids;
    const std::vector<Task> tasks = replica_->GetTasks().value();
    for (const Task& task : tasks) task_ids.push_back(task.task_id);
    return task_ids;
  };
  ASSERT_TRUE(
      replica_->Commit({{Operation::Create(TaskId(3)), Operation::Create(TaskId(2))}}).ok());
  EXPECT_THAT(ids(), ElementsAre(TaskId(1), TaskId(3), TaskId(2)));
  ASSERT_TRUE(replica_->Commit({{Set(1, "a", "b"), Set(3, "a", "b")}}).ok());
  EXPECT_THAT(ids(), ElementsAre(TaskId(1), TaskId(3), TaskId(2)));
  ASSERT_TRUE(
      replica_->Commit({{Operation::Delete(TaskId(1)), Operation::Create(TaskId(1))}}).ok());
  EXPECT_THAT(ids(), ElementsAre(TaskId(3), TaskId(2), TaskId(1)));
}

}  // namespace
}  // namespace tcsync::replica
