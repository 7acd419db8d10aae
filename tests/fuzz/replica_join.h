// The join of two histories, for the fuzz target `replica`.
#ifndef TCSYNC_TESTS_FUZZ_REPLICA_JOIN_H_
#define TCSYNC_TESTS_FUZZ_REPLICA_JOIN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "replica/join.h"
#include "tests/fuzz/replica_model.h"

namespace tcsync::fuzz {

// Two computers with histories of their own, the first of which joins that of the second one.
class Join {
 public:
  void Run(Input input) {
    const uint8_t options = input.TakeByte();
    for (int steps = 0; steps < kStepsMax && !input.empty(); ++steps) {
      const uint8_t step = input.TakeByte();
      Step(sides_[step & 1], step >> 1, input);
    }
    const bool is_of_one_version = (options & 1) != 0;
    const bool keeps_synced = (options & 2) == 0;
    replica::Store& own = Write(sides_[0], is_of_one_version ? kVersion : Uuid(), options >> 2);
    replica::Store& history = Write(sides_[1], kVersion, kOperationsMax);
    const JoinOptions join{.keep_synced_operations = keeps_synced};
    const JoinReport report = Expected(replica::JoinHistory(own, history, join, ""));
    const Tasks merged = TasksIn(own);
    const std::vector<Operation> pending = PendingIn(own);
    ExpectMerged(merged);
    Expect(Expected(own.GetBaseVersion()) == kVersion, "the base version is the history's");
    ExpectPendingAfter(sides_[1].tasks, pending, merged);
    std::vector<Operation> operations =
        keeps_synced ? sides_[1].operations : std::vector<Operation>();
    operations.insert(operations.end(), pending.begin(), pending.end());
    Expect(Expected(own.GetOperations()) == operations, "the operations are the history's");
    Expect(merged.size() + report.deleted_tasks == sides_[1].tasks.size() + report.added_tasks,
           "tasks are counted");
    Expect(TasksIn(history) == sides_[1].tasks, "the history's replica stays as it is");
    if (!keeps_synced || !report.doubtful.empty()) return;
    Expected(replica::JoinHistory(own, history, join, ""));
    Expect(TasksIn(own) == merged, "a second join changes no task");
    Expect(PendingIn(own).size() == pending.size(), "a second join adds no operations");
  }

 private:
  struct Side {
    Tasks tasks;
    std::vector<Operation> operations;
  };
  // The time and value of an operation.
  using Change = std::pair<absl::Time, std::optional<std::string>>;

  static constexpr size_t kOperationsMax = kStepsMax;
  inline static const Uuid kVersion = *Uuid::Parse("00000000-0000-4000-8000-000000000009");

  static Operation UpdateOf(const Uuid& task_id, uint8_t details) {
    static const char* const kProperties[] = {"status", "end", "modified", "project"};
    static const char* const kStatuses[] = {"pending", "completed", ""};
    const std::string& property = kProperties[details & 3];
    const int value = details >> 2 & 3;
    const int time = details >> 4;
    std::optional<std::string> text;
    if (value != 0) {
      text = property == "status" ? kStatuses[value - 1] : absl::StrCat(1'700'000'000 + 4 * value);
    }
    // A clock may be far ahead.
    const absl::Time at = absl::FromUnixSeconds(time == 15 ? 4'000'000'000 : 1'700'000'000 + time);
    return Operation::Update(task_id, property, std::move(text), at);
  }

  // The low two bits are the kind of step, the next one the task.
  static void Step(Side& side, int step, Input& input) {
    const Uuid task_id = TaskOf(step >> 2);
    const bool exists = side.tasks.contains(task_id);
    Operation operation = Operation::Delete(task_id);
    if ((step & 3) != 0 || !exists) {
      operation = exists ? UpdateOf(task_id, input.TakeByte()) : Operation::Create(task_id);
    }
    FillIn(side.tasks, operation);
    Apply(operation, side.tasks);
    // A snapshot brings tasks without the operations that made them.
    if ((step & 3) != 1) side.operations.push_back(std::move(operation));
  }

  // So many operations are synced, and the others pending.
  replica::Store& Write(const Side& side, const Uuid& base, size_t synced) {
    replica::Store& store = EmptyStore(/*is_second=*/&side != sides_);
    for (const auto& [task_id, properties] : side.tasks) {
      ExpectOk(store.PutTask(task_id, properties));
    }
    for (size_t i = 0; i < side.operations.size(); ++i) {
      ExpectOk(store.AddOperation(side.operations[i], i < synced));
    }
    ExpectOk(store.SetBaseVersion(base));
    return store;
  }

  static std::optional<std::string> ValueOf(const TaskProperties& properties,
                                            const std::string& name) {
    const auto found = properties.find(name);
    if (found == properties.end()) return std::nullopt;
    return found->second;
  }

  // The last operation on the property, if the property is as that has left it.
  static std::optional<Change> LastChange(const Side& side, const Uuid& task_id,
                                          const std::string& name) {
    std::optional<Change> last;
    for (const Operation& operation : side.operations) {
      if (operation.task_id != task_id) continue;
      if (operation.kind == Kind::kCreate) last.reset();
      if (operation.kind != Kind::kUpdate || operation.property != name) continue;
      last = {operation.time, operation.value};
    }
    if (last && last->second != ValueOf(side.tasks.at(task_id), name)) last.reset();
    return last;
  }

  static bool HasDeleted(const Side& side, const Uuid& task_id) {
    return std::any_of(side.operations.begin(), side.operations.end(), [&](const Operation& each) {
      return each.kind == Kind::kDelete && each.task_id == task_id;
    });
  }

  void ExpectMerged(const Tasks& merged) const {
    const auto& [own, history] = sides_;
    for (int details = 0; details < 2; ++details) {
      const Uuid task_id = TaskOf(details);
      const auto ours = own.tasks.find(task_id);
      const auto theirs = history.tasks.find(task_id);
      const auto found = merged.find(task_id);
      const bool is_ours = ours != own.tasks.end();
      const bool is_theirs = theirs != history.tasks.end();
      if (found == merged.end()) {
        Expect(!is_ours || (!is_theirs && HasDeleted(history, task_id)), "no own task is lost");
        Expect(!is_theirs || (!is_ours && HasDeleted(own, task_id)), "no task is lost");
      } else if (is_ours && is_theirs) {
        for (const char* const name : {"status", "end", "modified", "project"}) {
          ExpectProperty(task_id, name, ValueOf(found->second, name));
        }
      } else {
        Expect(is_ours || is_theirs, "no task is made up");
        Expect(found->second == (is_ours ? ours : theirs)->second, "a task stays as it is");
      }
    }
  }

  void ExpectProperty(const Uuid& task_id, const std::string& name,
                      const std::optional<std::string>& value) const {
    const auto& [own, history] = sides_;
    Expect(value == ValueOf(own.tasks.at(task_id), name) ||
               value == ValueOf(history.tasks.at(task_id), name),
           "a property is as one of the two had it");
    const std::optional<Change> ours = LastChange(own, task_id, name);
    const std::optional<Change> theirs = LastChange(history, task_id, name);
    if (!ours || !theirs) return;
    Expect(value == (ours->first > theirs->first ? ours : theirs)->second,
           "the later of two changes wins");
  }

  Side sides_[2];
};

}  // namespace tcsync::fuzz

#endif  // TCSYNC_TESTS_FUZZ_REPLICA_JOIN_H_
