// Common parts of the tests of Replica: directories, and results that must not be errors.
#ifndef TCSYNC_TESTS_UNIT_REPLICA_REPLICA_CALLS_H_
#define TCSYNC_TESTS_UNIT_REPLICA_REPLICA_CALLS_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "tcsync/replica.h"

namespace tcsync {

inline std::unique_ptr<Replica> MustOpenInMemory() {
  auto replica = Replica::OpenInMemory();
  EXPECT_TRUE(replica.ok()) << replica.status();
  return replica.ok() ? *std::move(replica) : nullptr;
}

inline std::unique_ptr<Replica> MustOpen(const std::string& directory) {
  auto replica = Replica::Open(directory, {});
  EXPECT_TRUE(replica.ok()) << replica.status();
  return replica.ok() ? *std::move(replica) : nullptr;
}

inline void MustCommit(Replica& replica, const std::vector<Operation>& operations) {
  const absl::Status status = replica.Commit(operations);
  EXPECT_TRUE(status.ok()) << status;
}

inline SyncReport MustSync(Replica& replica, RemoteServer& server,
                           const SyncOptions& options = {}) {
  const auto synced = replica.Sync(server, options);
  if (const auto* const error = std::get_if<SyncError>(&synced)) {
    ADD_FAILURE() << "fault " << static_cast<int>(error->fault) << ": " << error->message;
    return error->report;
  }
  return std::get<SyncReport>(synced);
}

inline SyncError MustFailToSync(Replica& replica, RemoteServer& server,
                                const SyncOptions& options = {}) {
  const auto synced = replica.Sync(server, options);
  if (std::holds_alternative<SyncReport>(synced)) {
    ADD_FAILURE() << "the sync succeeded";
    return {};
  }
  return std::get<SyncError>(synced);
}

using TasksById = std::map<Uuid, TaskProperties>;

inline TasksById TasksOf(Replica& replica) {
  const auto tasks = replica.GetTasks();
  EXPECT_TRUE(tasks.ok()) << tasks.status();
  TasksById by_id;
  if (!tasks.ok()) return by_id;
  for (const Task& task : *tasks) {
    EXPECT_TRUE(by_id.emplace(task.task_id, task.properties).second) << task.task_id.ToString();
  }
  return by_id;
}

inline ReplicaState StateOf(Replica& replica) {
  const auto state = replica.GetState();
  EXPECT_TRUE(state.ok()) << state.status();
  return state.value_or(ReplicaState());
}

inline std::vector<Operation> PendingOf(Replica& replica) {
  auto operations = replica.PendingOperations();
  EXPECT_TRUE(operations.ok()) << operations.status();
  return operations.ok() ? *std::move(operations) : std::vector<Operation>();
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REPLICA_REPLICA_CALLS_H_
