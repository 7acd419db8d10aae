// A replica as the fuzz targets expect it, and databases to compare it with.
#ifndef TCSYNC_TESTS_FUZZ_REPLICA_MODEL_H_
#define TCSYNC_TESTS_FUZZ_REPLICA_MODEL_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replica/schema.h"
#include "replica/sqlite.h"
#include "replica/store.h"
#include "tcsync/replica.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {

using replica::PendingOperation;
using Kind = Operation::Kind;

// As another replica receives it.
inline Operation WithoutOldValues(Operation operation) {
  operation.old_value.reset();
  operation.old_properties.clear();
  return operation;
}

// The model of a replica's tasks.
using Tasks = std::map<Uuid, TaskProperties>;

// Whether the operation is valid; an invalid one changes nothing.
inline bool Apply(const Operation& operation, Tasks& tasks) {
  const auto task = tasks.find(operation.task_id);
  if ((task != tasks.end()) == (operation.kind == Kind::kCreate)) return false;
  if (operation.kind == Kind::kCreate) {
    tasks[operation.task_id] = {};
  } else if (operation.kind == Kind::kDelete) {
    tasks.erase(task);
  } else if (operation.value) {
    task->second[operation.property] = *operation.value;
  } else {
    task->second.erase(operation.property);
  }
  return true;
}

// Sets the operation's old value, or old properties, before it is applied.
inline void FillIn(const Tasks& tasks, Operation& operation) {
  const auto task = tasks.find(operation.task_id);
  if (task == tasks.end()) return;
  if (operation.kind == Kind::kDelete) operation.old_properties = task->second;
  if (operation.kind != Kind::kUpdate) return;
  const auto property = task->second.find(operation.property);
  if (property != task->second.end()) operation.old_value = property->second;
}

// So that a long input does not take seconds.
inline constexpr int kStepsMax = 32;

// Few tasks, properties, values and times, so that every conflict occurs.
inline Uuid TaskOf(int details) {
  static const Uuid kTasks[] = {*Uuid::Parse("00000000-0000-4000-8000-000000000001"),
                                *Uuid::Parse("00000000-0000-4000-8000-000000000002")};
  return kTasks[details % 2];
}

// Whether the tasks are those of the server's history and then the pending operations, and an undo
// of these, from the last one on, restores the tasks before them.
inline void ExpectPendingAfter(Tasks server, const std::vector<Operation>& pending,
                               const Tasks& tasks) {
  for (const Operation& operation : pending) {
    if (operation.kind == Kind::kUndoPoint) continue;
    Operation with_old_values = WithoutOldValues(operation);
    FillIn(server, with_old_values);
    Expect(operation == with_old_values, "an undo restores what was there");
    Expect(Apply(operation, server), "a pending operation is valid after the server's history");
  }
  Expect(tasks == server,
         "the tasks are those of the server's history and the pending operations after it");
}

inline void ExpectOk(const absl::Status& status) { Expect(status.ok(), status.ToString()); }

template <typename T>
T Expected(absl::StatusOr<T> result) {
  ExpectOk(result.status());
  return *std::move(result);
}

// One of two stores for all inputs. Their tables are emptied here: to create them takes longer.
inline replica::Store& EmptyStore(bool is_second = false) {
  static replica::Store* stores[2] = {};
  replica::Store*& store = stores[is_second ? 1 : 0];
  if (store == nullptr) {
    auto connection =
        Expected(replica::Connection::Open(":memory:", replica::OpenMode::kCreateIfMissing, 0));
    ExpectOk(replica::UpgradeSchema(*connection));
    store = new replica::Store(std::move(connection));
  }
  for (const char* const sql :
       {"DELETE FROM tasks", "DELETE FROM operations", "DELETE FROM working_set"}) {
    ExpectOk(store->connection().Execute(sql));
  }
  return *store;
}

inline Tasks TasksIn(replica::Store& store) {
  Tasks tasks;
  for (Task& task : Expected(store.GetTasks())) {
    tasks.emplace(task.task_id, std::move(task.properties));
  }
  return tasks;
}

inline std::vector<Operation> PendingIn(replica::Store& store) {
  std::vector<Operation> operations;
  for (PendingOperation& pending : Expected(store.GetPendingOperations())) {
    operations.push_back(std::move(pending.operation));
  }
  return operations;
}

}  // namespace tcsync::fuzz

#endif  // TCSYNC_TESTS_FUZZ_REPLICA_MODEL_H_
