#include "replica/working_set.h"

#include <cstdint>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"

namespace tcsync::replica {
namespace {

uint64_t NextNumber(const std::map<uint64_t, Uuid>& working_set) {
  return working_set.empty() ? 1 : working_set.rbegin()->first + 1;
}

bool IsMember(const Task& task) {
  const auto status = task.properties.find(std::string(kStatusProperty));
  return status != task.properties.end() && IsStatusOfWorkingSet(status->second);
}

}  // namespace

bool IsStatusOfWorkingSet(absl::string_view status) {
  return status == "pending" || status == "recurring";
}

absl::Status AddToWorkingSet(Store& store, absl::Span<const Uuid> task_ids) {
  if (task_ids.empty()) return absl::OkStatus();
  const absl::StatusOr<std::map<uint64_t, Uuid>> working_set = store.GetWorkingSet();
  if (!working_set.ok()) return working_set.status();
  std::unordered_set<Uuid, absl::Hash<Uuid>> present;
  for (const auto& [number, task_id] : *working_set) present.insert(task_id);
  uint64_t next = NextNumber(*working_set);
  for (const Uuid& task_id : task_ids) {
    if (!present.insert(task_id).second) continue;
    if (const absl::Status status = store.PutInWorkingSet(next++, task_id); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status RebuildWorkingSet(Store& store, bool renumber) {
  const absl::StatusOr<std::map<uint64_t, Uuid>> before = store.GetWorkingSet();
  if (!before.ok()) return before.status();
  const absl::StatusOr<std::vector<Task>> tasks = store.GetTasks();
  if (!tasks.ok()) return tasks.status();
  std::vector<Uuid> members;
  for (const Task& task : *tasks) {
    if (IsMember(task)) members.push_back(task.task_id);
  }
  std::unordered_set<Uuid, absl::Hash<Uuid>> missing(members.begin(), members.end());
  std::map<uint64_t, Uuid> after;
  for (const auto& [number, task_id] : *before) {
    // A task with two numbers keeps the smaller one.
    if (missing.erase(task_id) == 0) continue;
    after.emplace(renumber ? NextNumber(after) : number, task_id);
  }
  // Not a number that another task has just lost: a person may still mean that one.
  uint64_t next = NextNumber(renumber ? after : *before);
  for (const Uuid& task_id : members) {
    if (missing.contains(task_id)) after.emplace(next++, task_id);
  }
  for (const auto& [number, task_id] : *before) {
    if (after.contains(number)) continue;
    if (const absl::Status status = store.RemoveFromWorkingSet(number); !status.ok()) return status;
  }
  for (const auto& [number, task_id] : after) {
    const auto found = before->find(number);
    if (found != before->end() && found->second == task_id) continue;
    if (const absl::Status status = store.PutInWorkingSet(number, task_id); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace tcsync::replica
