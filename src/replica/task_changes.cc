#include "replica/task_changes.h"

#include <utility>

namespace tcsync::replica {

absl::StatusOr<TaskChanges::ChangedTask*> TaskChanges::Find(const Uuid& task_id) {
  const auto found = tasks_.find(task_id);
  if (found != tasks_.end()) return &found->second;
  absl::StatusOr<std::optional<TaskProperties>> stored = store_.GetTask(task_id);
  if (!stored.ok()) return stored.status();
  in_order_.push_back(task_id);
  ChangedTask task;
  task.is_stored = stored->has_value();
  task.properties = *std::move(stored);
  return &tasks_.emplace(task_id, std::move(task)).first->second;
}

absl::StatusOr<bool> TaskChanges::Apply(Operation& operation) {
  if (operation.kind == Operation::Kind::kUndoPoint) return true;
  const absl::StatusOr<ChangedTask*> found = Find(operation.task_id);
  if (!found.ok()) return found.status();
  ChangedTask& task = **found;
  const bool is_creation = operation.kind == Operation::Kind::kCreate;
  if (task.properties.has_value() == is_creation) return false;
  task.has_changed = true;
  operation.old_value.reset();
  operation.old_properties.clear();
  if (is_creation) {
    task.properties.emplace();
    return true;
  }
  if (operation.kind == Operation::Kind::kDelete) {
    operation.old_properties = *std::move(task.properties);
    task.properties.reset();
    task.is_replaced = task.is_stored;
    return true;
  }
  TaskProperties& properties = *task.properties;
  const auto property = properties.find(operation.property);
  if (property != properties.end()) operation.old_value = property->second;
  if (operation.value) {
    properties.insert_or_assign(operation.property, *operation.value);
  } else if (property != properties.end()) {
    properties.erase(property);
  }
  return true;
}

absl::Status TaskChanges::Write() {
  for (const Uuid& task_id : in_order_) {
    const ChangedTask& task = tasks_.at(task_id);
    if (!task.has_changed) continue;
    if (task.is_stored && (!task.properties || task.is_replaced)) {
      if (const absl::Status status = store_.RemoveTask(task_id); !status.ok()) return status;
    }
    if (!task.properties) continue;
    if (const absl::Status status = store_.PutTask(task_id, *task.properties); !status.ok()) {
      return status;
    }
  }
  tasks_.clear();
  in_order_.clear();
  return absl::OkStatus();
}

}  // namespace tcsync::replica
