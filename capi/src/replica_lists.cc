// The tasks and operations of replicas, as lists in memory.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/replica.h"
#include "capi/src/sized_struct.h"
#include "capi/src/uuid.h"
#include "tcsync.h"
#include "tcsync/replica.h"
#include "tcsync/uuid.h"

namespace tcsync::capi {

// Properties by their index. Borrows the map, whose elements stay in their places when it moves.
using PropertyIndex = std::vector<const TaskProperties::value_type*>;

inline PropertyIndex IndexOf(const TaskProperties& properties) {
  PropertyIndex index;
  index.reserve(properties.size());
  for (const auto& property : properties) index.push_back(&property);
  return index;
}

struct ListedTask {
  uint64_t working_set_number;  // 0 for none
  Task task;
  PropertyIndex properties;
};

}  // namespace tcsync::capi

struct tcsync_tasks : tcsync::capi::Handle<tcsync::capi::HandleType::kTasks> {
  std::vector<tcsync::capi::ListedTask> tasks;
};

struct tcsync_operations : tcsync::capi::Handle<tcsync::capi::HandleType::kOperations> {
  std::vector<tcsync::Operation> operations;
  // Those before each operation.
  std::vector<tcsync::capi::PropertyIndex> old_properties;
};

namespace tcsync::capi {
namespace {

// Reads the task, or all of them, and their numbers in the working set.
Result ReadTasks(Replica& replica, const std::optional<Uuid>& task_id, tcsync_tasks& list) {
  std::vector<Task> tasks;
  if (task_id) {
    absl::StatusOr<std::optional<TaskProperties>> found = replica.GetTask(*task_id);
    if (!found.ok()) return FromStatus(found.status(), kReplicaMeaning);
    if (*found) tasks.push_back({*task_id, **std::move(found)});
  } else {
    absl::StatusOr<std::vector<Task>> found = replica.GetTasks();
    if (!found.ok()) return FromStatus(found.status(), kReplicaMeaning);
    tasks = *std::move(found);
  }
  const absl::StatusOr<std::map<uint64_t, Uuid>> working_set = replica.GetWorkingSet();
  if (!working_set.ok()) return FromStatus(working_set.status(), kReplicaMeaning);
  std::map<Uuid, uint64_t> numbers;
  for (const auto& [number, member] : *working_set) numbers.emplace(member, number);
  list.tasks.reserve(tasks.size());
  for (Task& task : tasks) {
    const auto number = numbers.find(task.task_id);
    ListedTask& listed = list.tasks.emplace_back();
    listed.working_set_number = number == numbers.end() ? 0 : number->second;
    listed.task = std::move(task);
    listed.properties = IndexOf(listed.task.properties);
  }
  return {};
}

absl::StatusOr<std::vector<Operation>> OperationsOf(Replica& replica, int32_t which,
                                                    const Uuid& task_id) {
  if (which == TCSYNC_OPERATIONS_PENDING) return replica.PendingOperations();
  if (which == TCSYNC_OPERATIONS_UNDOABLE) return replica.UndoableOperations();
  return replica.OperationsOf(task_id);
}

std::unique_ptr<tcsync_operations> MakeList(std::vector<Operation> operations) {
  auto made = std::make_unique<tcsync_operations>();
  made->operations = std::move(operations);
  made->old_properties.reserve(made->operations.size());
  for (const Operation& operation : made->operations) {
    made->old_properties.push_back(IndexOf(operation.old_properties));
  }
  return made;
}

// Whether `task_id` fits `which`; parses it.
Result CheckWhich(int32_t which, const char* task_id, Uuid& parsed) {
  switch (which) {
    case TCSYNC_OPERATIONS_PENDING:
    case TCSYNC_OPERATIONS_UNDOABLE:
      if (task_id == nullptr) return {};
      return {TCSYNC_INVALID_ARGUMENT,
              "a task_id is only for TCSYNC_OPERATIONS_OF_TASK; pass NULL, or that"};
    case TCSYNC_OPERATIONS_OF_TASK: {
      if (task_id == nullptr) return NullArgument("task_id");
      const std::optional<Uuid> found = Uuid::Parse(task_id);
      if (!found) return InvalidTaskId("task_id", task_id);
      parsed = *found;
      return {};
    }
    default:
      return {TCSYNC_INVALID_ARGUMENT,
              absl::StrCat("'which' is ", which, ", which is none of TCSYNC_OPERATIONS_...")};
  }
}

Result GetProperty(const PropertyIndex& properties, size_t index, tcsync_property& property) {
  if (Result result = CheckIndex(index, properties.size(), "property"); !result.ok()) return result;
  const auto& [name, value] = *properties[index];
  property = {name.c_str(), name.size(), value.c_str(), value.size()};
  return {};
}

int32_t KindOf(Operation::Kind kind) {
  switch (kind) {
    case Operation::Kind::kUndoPoint:
      break;
    case Operation::Kind::kCreate:
      return TCSYNC_OPERATION_CREATE;
    case Operation::Kind::kUpdate:
      return TCSYNC_OPERATION_UPDATE;
    case Operation::Kind::kDelete:
      return TCSYNC_OPERATION_DELETE;
  }
  return TCSYNC_OPERATION_UNDO_POINT;
}

void FillText(const std::optional<std::string>& text, const char*& data, size_t& size) {
  if (!text) return;
  data = text->c_str();
  size = text->size();
}

tcsync_operation ToOperation(const Operation& operation) {
  tcsync_operation filled{};
  filled.kind = KindOf(operation.kind);
  if (operation.kind == Operation::Kind::kUndoPoint) return filled;
  SetText(&filled.task_id, operation.task_id.ToString());
  filled.old_property_count = operation.old_properties.size();
  if (operation.kind != Operation::Kind::kUpdate) return filled;
  filled.seconds = absl::ToUnixSeconds(operation.time);
  filled.nanoseconds = static_cast<int32_t>(
      absl::ToInt64Nanoseconds(operation.time - absl::FromUnixSeconds(filled.seconds)));
  filled.property = operation.property.c_str();
  filled.property_size = operation.property.size();
  FillText(operation.value, filled.value, filled.value_size);
  FillText(operation.old_value, filled.old_value, filled.old_value_size);
  return filled;
}

// The join options in the first release.
constexpr size_t kJoinOptionsBytesMin =
    offsetof(tcsync_join_options, copy_directory) + sizeof(tcsync_join_options::copy_directory);

Result ReadOptions(const tcsync_join_options* given, JoinOptions& options) {
  if (given == nullptr) return {};
  tcsync_join_options read;
  Result result =
      ReadStruct(*given, kJoinOptionsBytesMin, {"options", "tcsync_join_options"}, read);
  if (!result.ok()) return result;
  options.keep_synced_operations = read.drop_synced_operations == 0;
  if (read.copy_directory == nullptr) return {};
  options.copy_directory = read.copy_directory;
  if (!options.copy_directory.empty()) return {};
  return {TCSYNC_INVALID_ARGUMENT,
          "options->copy_directory is empty; name a directory, or pass NULL for no copy"};
}

tcsync_join_report ToReport(const JoinReport& report) {
  tcsync_join_report filled{};
  filled.received_tasks = static_cast<int64_t>(report.received_tasks);
  filled.added_tasks = static_cast<int64_t>(report.added_tasks);
  filled.changed_tasks = static_cast<int64_t>(report.changed_tasks);
  filled.overruled_tasks = static_cast<int64_t>(report.overruled_tasks);
  filled.removed_tasks = static_cast<int64_t>(report.removed_tasks);
  filled.deleted_tasks = static_cast<int64_t>(report.deleted_tasks);
  return filled;
}

}  // namespace
}  // namespace tcsync::capi

using tcsync::capi::Checked;
using tcsync::capi::CheckIndex;
using tcsync::capi::CheckOutputStruct;
using tcsync::capi::ClearOutput;
using tcsync::capi::ClearOutputStruct;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::IndexOf;
using tcsync::capi::kReplicaMeaning;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::ReplicaUse;
using tcsync::capi::Result;

tcsync_code tcsync_replica_tasks(tcsync_replica* replica, const char* task_id, tcsync_tasks** tasks,
                                 tcsync_error** error) {
  ClearOutput(tasks);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    if (tasks == nullptr) return NullArgument("tasks");
    std::optional<tcsync::Uuid> wanted;
    if (task_id != nullptr) {
      wanted = tcsync::Uuid::Parse(task_id);
      if (!wanted) return tcsync::capi::InvalidTaskId("task_id", task_id);
    }
    auto made = std::make_unique<tcsync_tasks>();
    Result result = tcsync::capi::ReadTasks(*replica->replica, wanted, *made);
    if (!result.ok()) return result;
    *tasks = made.release();
    return {};
  });
}

size_t tcsync_tasks_count(const tcsync_tasks* tasks) {
  return Checked(tasks) == nullptr ? 0 : tasks->tasks.size();
}

tcsync_code tcsync_tasks_get(const tcsync_tasks* tasks, size_t index, tcsync_task* task,
                             tcsync_error** error) {
  ClearOutputStruct(task);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(tasks, "tasks"); !result.ok()) return result;
    Result result = CheckOutputStruct(task, {"task", "tcsync_task"});
    if (!result.ok()) return result;
    result = CheckIndex(index, tasks->tasks.size(), "task");
    if (!result.ok()) return result;
    const tcsync::capi::ListedTask& listed = tasks->tasks[index];
    tcsync_task filled{};
    filled.working_set_number = static_cast<int64_t>(listed.working_set_number);
    filled.property_count = listed.properties.size();
    tcsync::capi::SetText(&filled.task_id, listed.task.task_id.ToString());
    tcsync::capi::WriteStruct(filled, task);
    return {};
  });
}

tcsync_code tcsync_tasks_property(const tcsync_tasks* tasks, size_t index, size_t property_index,
                                  tcsync_property* property, tcsync_error** error) {
  ClearOutput(property);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(tasks, "tasks"); !result.ok()) return result;
    if (property == nullptr) return NullArgument("property");
    Result result = CheckIndex(index, tasks->tasks.size(), "task");
    if (!result.ok()) return result;
    return tcsync::capi::GetProperty(tasks->tasks[index].properties, property_index, *property);
  });
}

void tcsync_tasks_free(tcsync_tasks* tasks) {
  const std::unique_ptr<tcsync_tasks> owned(Checked(tasks));
}

tcsync_code tcsync_replica_operations(tcsync_replica* replica, int32_t which, const char* task_id,
                                      tcsync_operations** operations, tcsync_error** error) {
  ClearOutput(operations);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    tcsync::Uuid wanted;
    Result result = tcsync::capi::CheckWhich(which, task_id, wanted);
    if (!result.ok()) return result;
    if (operations == nullptr) return NullArgument("operations");
    auto found = tcsync::capi::OperationsOf(*replica->replica, which, wanted);
    if (!found.ok()) return FromStatus(found.status(), kReplicaMeaning);
    *operations = tcsync::capi::MakeList(*std::move(found)).release();
    return {};
  });
}

size_t tcsync_operations_count(const tcsync_operations* operations) {
  return Checked(operations) == nullptr ? 0 : operations->operations.size();
}

tcsync_code tcsync_operations_get(const tcsync_operations* operations, size_t index,
                                  tcsync_operation* operation, tcsync_error** error) {
  ClearOutputStruct(operation);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(operations, "operations"); !result.ok()) return result;
    Result result = CheckOutputStruct(operation, {"operation", "tcsync_operation"});
    if (!result.ok()) return result;
    result = CheckIndex(index, operations->operations.size(), "operation");
    if (!result.ok()) return result;
    tcsync::capi::WriteStruct(tcsync::capi::ToOperation(operations->operations[index]), operation);
    return {};
  });
}

tcsync_code tcsync_operations_old_property(const tcsync_operations* operations, size_t index,
                                           size_t property_index, tcsync_property* property,
                                           tcsync_error** error) {
  ClearOutput(property);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(operations, "operations"); !result.ok()) return result;
    if (property == nullptr) return NullArgument("property");
    Result result = CheckIndex(index, operations->operations.size(), "operation");
    if (!result.ok()) return result;
    return tcsync::capi::GetProperty(operations->old_properties[index], property_index, *property);
  });
}

void tcsync_operations_free(tcsync_operations* operations) {
  const std::unique_ptr<tcsync_operations> owned(Checked(operations));
}

tcsync_code tcsync_replica_undo(tcsync_replica* replica, const tcsync_operations* operations,
                                int32_t* was_undone, tcsync_error** error) {
  ClearOutput(was_undone);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    if (Result result = Needed(operations, "operations"); !result.ok()) return result;
    if (was_undone == nullptr) return NullArgument("was_undone");
    const absl::StatusOr<bool> undone = replica->replica->Undo(operations->operations);
    if (!undone.ok()) return FromStatus(undone.status(), kReplicaMeaning);
    *was_undone = *undone ? 1 : 0;
    return {};
  });
}

tcsync_code tcsync_replica_join(tcsync_replica* replica, tcsync_replica* history,
                                const tcsync_join_options* options, tcsync_join_report* report,
                                tcsync_operations** doubtful, tcsync_error** error) {
  ClearOutput(doubtful);
  ClearOutputStruct(report);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    if (Result result = Needed(history, "history"); !result.ok()) return result;
    if (history == replica) {
      return {TCSYNC_INVALID_ARGUMENT,
              "history is the replica itself; pass the one that received the history"};
    }
    ReplicaUse use_of_history;
    if (Result result = use_of_history.Begin(history); !result.ok()) return result;
    Result result = CheckOutputStruct(report, {"report", "tcsync_join_report"});
    if (!result.ok()) return result;
    if (doubtful == nullptr) return NullArgument("doubtful");
    tcsync::JoinOptions read;
    result = tcsync::capi::ReadOptions(options, read);
    if (!result.ok()) return result;
    auto joined = replica->replica->JoinHistory(*history->replica, read);
    if (!joined.ok()) return FromStatus(joined.status(), kReplicaMeaning);
    auto made = tcsync::capi::MakeList(std::move(joined->doubtful));
    tcsync::capi::WriteStruct(tcsync::capi::ToReport(*joined), report);
    *doubtful = made.release();
    return {};
  });
}
