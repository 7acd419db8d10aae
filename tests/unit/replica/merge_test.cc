// The decisions of a merge of two histories. If these fail, a person's later edit is lost or an
// earlier one comes back, on every computer.
#include "replica/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/unit/replica/replica_calls.h"

namespace tcsync::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Value = std::optional<std::string>;

const Uuid kTask = *Uuid::Parse("00000000-0000-4000-8000-000000000001");
const absl::Time kNow = absl::FromUnixSeconds(2'000'000'000);

absl::Time At(int seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }
// Of an operation whose time is not known, but for the second that it does not follow.
absl::Time EndOf(int seconds) { return At(seconds + 1) - absl::Nanoseconds(1); }
std::string DateAt(int seconds) { return absl::StrCat(absl::ToUnixSeconds(At(seconds))); }

// The tasks after the merge's operations, each of which must be valid.
TasksById Apply(const MergeSide& history, const std::vector<Operation>& operations) {
  TasksById tasks;
  for (const Task& task : history.tasks) tasks.emplace(task.task_id, task.properties);
  for (const Operation& operation : operations) {
    if (operation.kind == Operation::Kind::kCreate) {
      EXPECT_TRUE(tasks.emplace(operation.task_id, TaskProperties()).second) << "created twice";
      continue;
    }
    const auto found = tasks.find(operation.task_id);
    EXPECT_NE(found, tasks.end()) << "an operation on a task that is not there";
    if (found == tasks.end()) continue;
    if (operation.kind == Operation::Kind::kDelete) {
      tasks.erase(found);
    } else if (operation.value) {
      found->second.insert_or_assign(operation.property, *operation.value);
    } else {
      found->second.erase(operation.property);
    }
  }
  return tasks;
}

// What one side has of a property: a value, with the time of its operation if that is known.
struct Has {
  Value value;
  std::optional<int> time = std::nullopt;
  std::optional<int> modified = std::nullopt;
  bool is_whole = false;  // whether the creation of the task is known
};

MergeSide SideWith(const std::string& property, const Has& has) {
  MergeSide side;
  Task task{kTask, {}};
  if (has.value) task.properties.emplace(property, *has.value);
  if (has.modified) task.properties.emplace("modified", DateAt(*has.modified));
  if (has.is_whole) {
    side.operations.push_back(Operation::Create(kTask));
    side.operations.push_back(Operation::Update(kTask, "entry", DateAt(0), At(0)));
  }
  if (has.time) {
    side.operations.push_back(Operation::Update(kTask, property, has.value, At(*has.time)));
  }
  side.tasks.push_back(std::move(task));
  return side;
}

struct PropertyCase {
  std::string name;
  std::string property;
  Has own;
  Has history;
  Value merged;
  bool is_doubtful;
};

class MergeOfPropertyTest : public testing::TestWithParam<PropertyCase> {};

TEST_P(MergeOfPropertyTest, TakesTheLaterChange) {
  const PropertyCase& tried = GetParam();
  MergeSide own = SideWith(tried.property, tried.own);
  MergeSide history = SideWith(tried.property, tried.history);
  if (tried.own.is_whole || tried.history.is_whole) {
    for (MergeSide* side : {&own, &history}) {
      side->tasks.front().properties.emplace("entry", DateAt(0));
    }
  }
  const Merge merge = MergeIntoHistory(own, history, kNow);
  const TasksById merged = Apply(history, merge.operations);
  const TaskProperties& properties = merged.at(kTask);
  const auto found = properties.find(tried.property);
  EXPECT_EQ(found == properties.end() ? std::nullopt : Value(found->second), tried.merged);
  EXPECT_THAT(merge.report.doubtful, SizeIs(tried.is_doubtful ? 1 : 0));
  if (!tried.is_doubtful || merge.report.doubtful.empty()) return;
  const Operation& doubt = merge.report.doubtful.front();
  EXPECT_EQ(doubt.property, tried.property);
  EXPECT_EQ(doubt.value, tried.merged);
  EXPECT_EQ(doubt.old_value,
            tried.merged == tried.own.value ? tried.history.value : tried.own.value);
}

INSTANTIATE_TEST_SUITE_P(
    Table, MergeOfPropertyTest,
    testing::ValuesIn(std::vector<PropertyCase>{
        // Both times are known.
        {"own_is_later", "project", {"A", 2}, {"B", 1}, "A", false},
        {"history_is_later", "project", {"A", 1}, {"B", 2}, "B", false},
        {"one_time", "project", {"A", 1}, {"B", 1}, "B", true},
        {"own_removal_is_later", "project", {std::nullopt, 2}, {"B", 1}, std::nullopt, false},
        {"own_removal_is_earlier", "project", {std::nullopt, 1}, {"B", 2}, "B", false},
        {"history_removal_is_later", "project", {"A", 1}, {std::nullopt, 2}, std::nullopt, false},
        {"never_here", "project", {std::nullopt, {}, 9, true}, {"B", 1}, "B", false},
        {"never_there", "project", {"A", 1}, {std::nullopt, {}, 9, true}, "A", false},
        {"never_here_but_there", "project", {std::nullopt, {}, 9, true}, {"B", {}, 4}, "B", false},
        {"here_but_never_there", "project", {"A", {}, 4}, {std::nullopt, {}, 9, true}, "A", false},
        // Of one side only the date of the last modification is known.
        {"own_after_all_of_theirs", "project", {"A", 5}, {"B", {}, 4}, "A", false},
        {"own_before_theirs", "project", {"A", 3}, {"B", {}, 4}, "B", true},
        {"history_after_all_of_own", "project", {"A", {}, 4}, {"B", 5}, "B", false},
        {"history_before_own", "project", {"A", {}, 4}, {"B", 3}, "A", true},
        {"removed_after_all_of_own",
         "project",
         {"A", {}, 4},
         {std::nullopt, 5},
         std::nullopt,
         false},
        // Whether a value was removed or never there is not known: it stays.
        {"absent_there_and_earlier", "project", {"A", 3}, {std::nullopt, {}, 4}, "A", true},
        {"absent_here_and_later", "project", {std::nullopt, {}, 9}, {"B", 3}, "B", true},
        // Neither is known.
        {"modified_here_later", "project", {"A", {}, 5}, {"B", {}, 4}, "A", true},
        {"modified_there_later", "project", {"A", {}, 4}, {"B", {}, 5}, "B", true},
        {"no_dates_at_all", "project", {"A"}, {"B"}, "B", true},
        // A status of an unknown time: a task is pending from its beginning on.
        {"completed_there", "status", {"pending", {}, 9}, {"completed", 5}, "pending", true},
        {"modified_is_no_edit", "modified", {DateAt(5)}, {DateAt(4)}, DateAt(5), false},
    }),
    [](const auto& tested) { return tested.param.name; });

// A task with Taskwarrior's dates, of whose operations nothing is known.
Task Dated(const std::string& status, int entry, int modified, std::optional<int> end) {
  Task task{kTask, {{"status", status}, {"entry", DateAt(entry)}, {"modified", DateAt(modified)}}};
  if (end) task.properties.emplace("end", DateAt(*end));
  return task;
}

TEST(MergeTest, ACompletedTaskStaysCompletedWithItsEnd) {
  // If this fails, an edit elsewhere brings completed tasks back, or leaves them without a date.
  const MergeSide completed{{Dated("completed", 1, 5, 5)}, {}};
  MergeSide edited{{Dated("pending", 1, 9, {})}, {}};
  edited.tasks.front().properties["description"] = "edited later";
  edited.operations = {Operation::Update(kTask, "description", "edited later", At(9))};
  for (const bool is_own_completed : {true, false}) {
    const MergeSide& own = is_own_completed ? completed : edited;
    const MergeSide& history = is_own_completed ? edited : completed;
    const Merge merge = MergeIntoHistory(own, history, kNow);
    const TaskProperties merged = Apply(history, merge.operations).at(kTask);
    EXPECT_EQ(merged.at("status"), "completed") << is_own_completed;
    EXPECT_EQ(merged.count("end"), 1) << is_own_completed;
    EXPECT_EQ(merged.at("description"), "edited later") << is_own_completed;
    EXPECT_EQ(merged.at("modified"), DateAt(9)) << is_own_completed;
  }
}

TEST(MergeTest, AReopenedTaskHasNoEnd) {
  // If this fails, a task that was completed and reopened has the date of an end.
  const MergeSide completed{{Dated("completed", 1, 5, 5)}, {}};
  MergeSide reopened{{Dated("pending", 1, 9, {})}, {}};
  reopened.operations = {Operation::Update(kTask, "status", "pending", At(9))};
  const Merge merge = MergeIntoHistory(reopened, completed, kNow);
  const TaskProperties merged = Apply(completed, merge.operations).at(kTask);
  EXPECT_EQ(merged.at("status"), "pending");
  EXPECT_EQ(merged.count("end"), 0);
  // The time of the status decided, and so it did for the end.
  EXPECT_THAT(merge.report.doubtful, IsEmpty());
}

TEST(MergeTest, AStartedTaskThatWasCompletedElsewhereIsNotActive) {
  // If this fails, completed tasks are shown as started.
  const MergeSide completed{{Dated("completed", 1, 5, 5)}, {}};
  MergeSide started{{Dated("pending", 1, 4, {})}, {}};
  started.tasks.front().properties["start"] = DateAt(4);
  const Merge merge = MergeIntoHistory(started, completed, kNow);
  const TaskProperties merged = Apply(completed, merge.operations).at(kTask);
  EXPECT_EQ(merged.at("status"), "completed");
  EXPECT_EQ(merged.count("start"), 0);
}

TEST(MergeTest, ATaskOfThisReplicaKeepsItsTimes) {
  // If this fails, later merges and syncs decide by the time of the join, against later edits.
  MergeSide own = SideWith("project", {"A", 3, 4});
  own.operations.push_back(Operation::Update(kTask, "priority", std::nullopt, At(2)));
  const Merge merge = MergeIntoHistory(own, {}, kNow);
  ASSERT_THAT(merge.operations, SizeIs(4));
  EXPECT_EQ(merge.operations[0], Operation::Create(kTask));
  EXPECT_EQ(merge.operations[1], Operation::Update(kTask, "modified", DateAt(4), EndOf(4)));
  EXPECT_EQ(merge.operations[2], Operation::Update(kTask, "project", "A", At(3)));
  EXPECT_EQ(merge.operations[3], Operation::Update(kTask, "priority", std::nullopt, At(2)));
  EXPECT_EQ(merge.report.added_tasks, 1);
  EXPECT_THAT(merge.report.doubtful, IsEmpty());
}

TEST(MergeTest, ADateStandsForItsWholeSecond) {
  // If this fails, of two edits within a second the earlier one may win, and nobody is told.
  for (const bool is_removed : {true, false}) {
    MergeSide known = SideWith("project", {"A", {}, 4});
    known.operations.push_back(
        Operation::Update(kTask, "project", "A", At(4) + absl::Milliseconds(500)));
    const Value other = is_removed ? std::nullopt : Value("B");
    const MergeSide dated = SideWith("project", {other, {}, 4});
    EXPECT_THAT(MergeIntoHistory(known, dated, kNow).report.doubtful, SizeIs(1)) << is_removed;
    EXPECT_THAT(MergeIntoHistory(dated, known, kNow).report.doubtful, SizeIs(1)) << is_removed;
  }
}

TEST(MergeTest, AnUnknownTimeStaysUnknown) {
  // If this fails, a value wins against later edits after its task has joined another history,
  // because an edit of another property has moved the task's date.
  MergeSide first;
  const MergeSide dated = SideWith("project", {"A", {}, 9});
  first.operations = MergeIntoHistory(dated, {}, kNow).operations;
  first.tasks = dated.tasks;
  const Merge merge = MergeIntoHistory(SideWith("project", {"B", 5, 5}), first, kNow);
  EXPECT_THAT(merge.report.doubtful, SizeIs(1));
  EXPECT_EQ(Apply(first, merge.operations).at(kTask).at("project"), "A");
  const Merge later = MergeIntoHistory(SideWith("project", {"B", 10, 10}), first, kNow);
  EXPECT_THAT(later.report.doubtful, IsEmpty());
  EXPECT_EQ(Apply(first, later.operations).at(kTask).at("project"), "B");
}

TEST(MergeTest, ATaskThatAJoinHasCreatedMayHaveLostAProperty) {
  // If this fails, a property that was removed comes back, and nobody is told.
  MergeSide first;
  Task task{kTask, {{"entry", DateAt(0)}, {"modified", DateAt(9)}}};
  first.tasks = {task};
  first.operations = MergeIntoHistory({{task}, {}}, {}, kNow).operations;
  MergeSide away = SideWith("project", {"A", 5, 5});
  away.tasks.front().properties.emplace("entry", DateAt(0));
  EXPECT_THAT(MergeIntoHistory(away, first, kNow).report.doubtful, SizeIs(1));
}

struct PassedOnCase {
  std::string name;
  Has own;
  Has history;
  std::optional<int> passed_on;  // the time of the operation
};

class PassedOnTest : public testing::TestWithParam<PassedOnCase> {};

TEST_P(PassedOnTest, WhatThisReplicaKnowsOfAValueThatBothHave) {
  // If this fails, a third replica brings back what was changed later, because the second one to
  // join had the same value as the history, and its time was forgotten.
  const PassedOnCase& tried = GetParam();
  const MergeSide own = SideWith("project", tried.own);
  const MergeSide history = SideWith("project", tried.history);
  const Merge merge = MergeIntoHistory(own, history, kNow);
  std::vector<Operation> expected;
  if (tried.passed_on) {
    expected.push_back(Operation::Update(kTask, "project", tried.own.value, At(*tried.passed_on)));
  }
  EXPECT_EQ(merge.operations, expected);
  EXPECT_THAT(merge.report.doubtful, IsEmpty());
  EXPECT_EQ(merge.report.changed_tasks, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Table, PassedOnTest,
    testing::ValuesIn(std::vector<PassedOnCase>{
        {"removed_here_never_there", {std::nullopt, 5}, {std::nullopt, {}, {}, true}, 5},
        {"removed_here_unknown_there", {std::nullopt, 5, 9}, {std::nullopt, {}, 9}, 5},
        {"removed_here_later", {std::nullopt, 5}, {std::nullopt, 4}, 5},
        {"removed_there_later", {std::nullopt, 4}, {std::nullopt, 5}, {}},
        {"removed_at_one_time", {std::nullopt, 5}, {std::nullopt, 5}, {}},
        {"set_here_later", {"A", 5}, {"A", 4}, 5},
        {"set_there_later", {"A", 4}, {"A", 5}, {}},
        {"set_after_the_date_there", {"A", 9, 4}, {"A", {}, 4}, 9},
        {"set_by_the_date_there", {"A", 4, 9}, {"A", {}, 9}, {}},
        {"unknown_here", {"A", {}, 9}, {"A", 5, 9}, {}},
        {"unknown_both", {"A", {}, 9}, {"A", {}, 9}, {}},
    }),
    [](const auto& tested) { return tested.param.name; });

// A side that deleted the task for ever, after another change at `seconds`.
MergeSide Deleted(int seconds) {
  return {{},
          {Operation::Create(kTask), Operation::Update(kTask, "status", "deleted", At(seconds)),
           Operation::Delete(kTask)}};
}

TEST(MergeTest, ADeletedTaskDoesNotComeBack) {
  // If this fails, purged tasks return from a computer that was away.
  const MergeSide has = SideWith("project", {"A", 3, 3});
  const Merge into = MergeIntoHistory(has, Deleted(5), kNow);
  EXPECT_THAT(into.operations, IsEmpty());
  EXPECT_EQ(into.report.removed_tasks, 1);
  const Merge from = MergeIntoHistory(Deleted(5), has, kNow);
  EXPECT_THAT(from.operations, ElementsAre(Operation::Delete(kTask)));
  EXPECT_EQ(from.report.deleted_tasks, 1);
}

TEST(MergeTest, AnEditAfterADeletionIsNotLost) {
  // If this fails, an edit of a task that was purged elsewhere at an unknown moment is lost.
  const MergeSide edited = SideWith("project", {"A", 9, 9});
  const Merge into = MergeIntoHistory(edited, Deleted(5), kNow);
  EXPECT_EQ(Apply({}, into.operations).at(kTask).at("project"), "A");
  EXPECT_THAT(into.report.doubtful, ElementsAre(Operation::Create(kTask)));
  const Merge from = MergeIntoHistory(Deleted(5), edited, kNow);
  EXPECT_THAT(from.operations, IsEmpty());
  EXPECT_EQ(from.report.received_tasks, 1);
  EXPECT_THAT(from.report.doubtful, ElementsAre(Operation::Delete(kTask)));
}

TEST(MergeTest, ADeletionByAClockThatIsAheadDoesNotWinForEver) {
  // If this fails, one wrong clock lets purged tasks swallow every later edit.
  MergeSide ahead = Deleted(5);
  ahead.operations.insert(ahead.operations.begin(),
                          Operation::Update(Uuid(), "project", "X", kNow + absl::Hours(100'000)));
  const MergeSide edited = SideWith("project", {"A", 9, 9});
  const absl::Time now = At(7);
  EXPECT_THAT(MergeIntoHistory(edited, ahead, now).report.doubtful, SizeIs(1));
}

TEST(MergeTest, KeepsTheLatestOfRandomEdits) {
  // If this fails, a merge loses an edit whose time is known, or reports doubts that are none.
  std::mt19937 random(20261130);
  for (int round = 0; round < 300; ++round) {
    std::map<Uuid, std::map<std::string, std::pair<int, Value>>> latest;
    MergeSide sides[2];
    TasksById tasks[2];
    std::vector<Uuid> ids;
    for (int i = 0; i < 6; ++i) ids.push_back(Uuid::Random());
    for (int second = 0; second < 60; ++second) {
      const int side = static_cast<int>(random() % 2);
      const Uuid& id = ids[random() % ids.size()];
      const std::string property = absl::StrCat("p", random() % 4);
      Value value = absl::StrCat("value ", second);
      if (random() % 4 == 0) value.reset();
      const bool is_new = tasks[side].emplace(id, TaskProperties()).second;
      TaskProperties& properties = tasks[side].at(id);
      if (is_new) {
        sides[side].operations.push_back(Operation::Create(id));
        sides[side].operations.push_back(
            Operation::Update(id, "entry", DateAt(second), At(second)));
        properties.emplace("entry", DateAt(second));
        latest[id]["entry"] = {second, DateAt(second)};
      }
      properties.erase(property);
      if (value) properties.emplace(property, *value);
      sides[side].operations.push_back(Operation::Update(id, property, value, At(second)));
      latest[id][property] = {second, value};
    }
    for (const int side : {0, 1}) {
      for (const auto& [id, properties] : tasks[side]) {
        sides[side].tasks.push_back({id, properties});
      }
    }
    TasksById expected;
    for (const auto& [id, properties] : latest) {
      TaskProperties& task = expected[id];
      for (const auto& [name, change] : properties) {
        if (change.second) task.emplace(name, *change.second);
      }
    }
    const Merge merge = MergeIntoHistory(sides[0], sides[1], kNow);
    ASSERT_EQ(Apply(sides[1], merge.operations), expected) << "round " << round;
    ASSERT_THAT(merge.report.doubtful, IsEmpty()) << "round " << round;
  }
}

// Replicas of one person, and the history that they join.
class Person {
 public:
  explicit Person(uint32_t seed) : random_(seed) {
    for (int i = 0; i < 3; ++i) ids_.push_back(Uuid::Random());
  }

  void Step() {
    now_ += absl::Milliseconds(random_() % 1500);
    const size_t replica = random_() % kReplicas;
    switch (random_() % 12) {
      case 0:
        history_ = MergeSide();
        return Join(replica);
      case 1:
        // A new client begins with a snapshot. Others who join it know no times.
        Join(replica);
        history_.operations.clear();
        return;
      case 2:
      case 3:
      case 4:
        return Join(replica);
      default:
        return Edit(replicas_[replica]);
    }
  }

  void Converge() {
    for (size_t i = 0; i < 2 * kReplicas; ++i) Join(i % kReplicas);
  }

  // The edits that are lost without a word.
  std::vector<std::string> Lost() const {
    std::vector<std::string> lost;
    for (const auto& [edited, value] : latest_) {
      const auto& [id, name] = edited;
      for (const MergeSide& replica : replicas_) {
        const Value found = Find(replica, id, name);
        if (found == value || doubtful_.contains(edited)) continue;
        lost.push_back(absl::StrCat(name, " is ", found.value_or("absent"), " and not ",
                                    value.value_or("absent")));
      }
    }
    return lost;
  }

 private:
  static constexpr size_t kReplicas = 4;

  static Value Find(const MergeSide& side, const Uuid& id, const std::string& name) {
    for (const Task& task : side.tasks) {
      const auto found = task.properties.find(name);
      if (task.task_id == id && found != task.properties.end()) return found->second;
    }
    return std::nullopt;
  }

  static void Apply(MergeSide& side, const std::vector<Operation>& operations) {
    const TasksById tasks = replica::Apply(side, operations);
    side.tasks.clear();
    for (const auto& [id, properties] : tasks) side.tasks.push_back({id, properties});
    side.operations.insert(side.operations.end(), operations.begin(), operations.end());
  }

  void Edit(MergeSide& replica) {
    const Uuid& id = ids_[random_() % ids_.size()];
    const std::string name = absl::StrCat("p", random_() % 3);
    const std::string date = absl::StrCat(absl::ToUnixSeconds(now_));
    Value value = absl::StrCat("value ", absl::ToUnixMillis(now_));
    if (random_() % 3 == 0) value.reset();
    std::vector<Operation> operations;
    if (!Find(replica, id, "entry")) {
      operations.push_back(Operation::Create(id));
      operations.push_back(Operation::Update(id, "entry", date, now_));
    }
    operations.push_back(Operation::Update(id, name, value, now_));
    operations.push_back(Operation::Update(id, "modified", date, now_));
    Apply(replica, operations);
    latest_[{id, name}] = value;
  }

  // And syncs.
  void Join(size_t replica) {
    Merge merge = MergeIntoHistory(replicas_[replica], history_, now_);
    for (const Operation& doubt : merge.report.doubtful) {
      doubtful_.insert({doubt.task_id, doubt.property});
    }
    Apply(history_, merge.operations);
    replicas_[replica] = history_;
  }

  std::mt19937 random_;
  std::vector<Uuid> ids_;
  absl::Time now_ = At(0);
  MergeSide replicas_[kReplicas];
  MergeSide history_;
  std::map<std::pair<Uuid, std::string>, Value> latest_;
  std::set<std::pair<Uuid, std::string>> doubtful_;
};

TEST(MergeTest, NoEditIsLostInRandomJoins) {
  // If this fails, an edit is lost after several joins of several histories, and nobody is told.
  for (uint32_t seed = 1; seed <= 500; ++seed) {
    Person person(seed);
    for (int step = 0; step < 40; ++step) person.Step();
    person.Converge();
    ASSERT_THAT(person.Lost(), IsEmpty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tcsync::replica
