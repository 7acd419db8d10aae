// The transformation of concurrent operations. If these fail, replicas of one client end with
// different tasks, among themselves or beside TaskChampion's.
#include "replica/transform.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "replica/operation_json.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync {

// Names the operations in the messages of failing tests.
void PrintTo(const Operation& operation, std::ostream* stream) {
  *stream << replica::FormatStoredOperation(operation);
}

namespace replica {

void PrintTo(const Transformed& transformed, std::ostream* stream) {
  *stream << "{received " << (transformed.keeps_received ? "kept" : "dropped") << ", local "
          << (transformed.keeps_local ? "kept" : "dropped") << "}";
}

namespace {

using Kind = Operation::Kind;

const absl::Time kTime = absl::FromUnixSeconds(1'795'986'889);

// Every operation on two tasks, two properties, two values or none, and three times.
std::vector<Operation> AllOperations() {
  std::vector<Operation> operations;
  for (const int task : {1, 2}) {
    operations.push_back(Operation::Create(TaskId(task)));
    operations.push_back(Operation::Delete(TaskId(task)));
    for (const char* const property : {"project", "status"}) {
      for (const std::optional<std::string>& value :
           {std::optional<std::string>("x"), std::optional<std::string>("y"),
            std::optional<std::string>()}) {
        for (const absl::Duration later :
             {-absl::Nanoseconds(1), absl::ZeroDuration(), absl::Nanoseconds(1)}) {
          operations.push_back(Operation::Update(TaskId(task), property, value, kTime + later));
        }
      }
    }
  }
  return operations;
}

// TaskChampion's rules for one task, as a table: its documentation says that of a creation and a
// deletion the creation stays, of an update and a creation the update, and of an update and a
// deletion the deletion. R stands for the received operation, L for the local one, - for neither,
// and T for the comparison of two updates.
char RuleOf(Kind received, Kind local) {
  static const std::map<Kind, std::map<Kind, char>> kTable = {
      {Kind::kCreate, {{Kind::kCreate, '-'}, {Kind::kUpdate, 'L'}, {Kind::kDelete, 'R'}}},
      {Kind::kUpdate, {{Kind::kCreate, 'R'}, {Kind::kUpdate, 'T'}, {Kind::kDelete, 'L'}}},
      {Kind::kDelete, {{Kind::kCreate, 'L'}, {Kind::kUpdate, 'R'}, {Kind::kDelete, '-'}}},
  };
  return kTable.at(received).at(local);
}

// By whether the properties and the values are equal, and by the order of the times.
char RuleOfUpdates(bool same_property, bool same_value, bool received_is_earlier) {
  static const std::map<std::vector<bool>, char> kTable = {
      {{false, false, false}, 'B'}, {{false, false, true}, 'B'}, {{false, true, false}, 'B'},
      {{false, true, true}, 'B'},   {{true, true, false}, '-'},  {{true, true, true}, '-'},
      {{true, false, false}, 'R'},  {{true, false, true}, 'L'},
  };
  return kTable.at({same_property, same_value, received_is_earlier});
}

Transformed Expected(const Operation& received, const Operation& local) {
  char rule = 'B';
  if (received.task_id == local.task_id) rule = RuleOf(received.kind, local.kind);
  if (rule == 'T') {
    rule = RuleOfUpdates(received.property == local.property, received.value == local.value,
                         received.time < local.time);
  }
  return {.keeps_received = rule == 'R' || rule == 'B', .keeps_local = rule == 'L' || rule == 'B'};
}

// If this fails, this replica and TaskChampion's decide one conflict differently.
TEST(TransformTest, EveryPairFollowsTheTableOfTaskChampion) {
  const std::vector<Operation> operations = AllOperations();
  ASSERT_EQ(operations.size(), 40u);
  for (const Operation& received : operations) {
    for (const Operation& local : operations) {
      EXPECT_EQ(Transform(received, local), Expected(received, local))
          << "received " << testing::PrintToString(received) << ", local "
          << testing::PrintToString(local);
    }
  }
}

// If this fails, the outcome depends on fields that only an undo reads, which differ between
// replicas.
TEST(TransformTest, OldValuesDecideNothing) {
  for (const Operation& received : AllOperations()) {
    for (const Operation& local : AllOperations()) {
      Operation with_old = local;
      with_old.old_value = "x";
      with_old.old_properties = {{"project", "x"}};
      ASSERT_EQ(Transform(received, with_old), Transform(received, local));
    }
  }
}

using State = std::map<Uuid, TaskProperties>;

// Whether the operation is valid; an invalid one changes nothing.
bool Apply(const Operation& operation, State& state) {
  const auto task = state.find(operation.task_id);
  if ((task != state.end()) == (operation.kind == Kind::kCreate)) return false;
  if (operation.kind == Kind::kCreate) {
    state[operation.task_id] = {};
  } else if (operation.kind == Kind::kDelete) {
    state.erase(task);
  } else if (operation.value) {
    task->second[operation.property] = *operation.value;
  } else {
    task->second.erase(operation.property);
  }
  return true;
}

State After(State state, const Operation& first, const Operation& second, bool keeps_second) {
  Apply(first, state);
  if (keeps_second) Apply(second, state);
  return state;
}

// If this fails, two replicas with concurrent changes have different tasks after their syncs.
TEST(TransformTest, BothOrdersLeadToTheSameTasks) {
  const std::vector<State> states = {
      {},
      {{TaskId(1), {}}},
      {{TaskId(1), {{"project", "x"}, {"status", "y"}}}},
      {{TaskId(2), {{"status", "x"}}}},
      {{TaskId(1), {{"project", "z"}}}, {TaskId(2), {{"project", "y"}}}},
  };
  int valid_pairs = 0;
  for (const State& state : states) {
    for (const Operation& received : AllOperations()) {
      for (const Operation& local : AllOperations()) {
        State unused = state;
        if (!Apply(received, unused)) continue;
        unused = state;
        if (!Apply(local, unused)) continue;
        ++valid_pairs;
        const Transformed transformed = Transform(received, local);
        ASSERT_EQ(After(state, received, local, transformed.keeps_local),
                  After(state, local, received, transformed.keeps_received))
            << "received " << testing::PrintToString(received) << ", local "
            << testing::PrintToString(local);
      }
    }
  }
  EXPECT_GT(valid_pairs, 2'000);
}

}  // namespace
}  // namespace replica
}  // namespace tcsync
