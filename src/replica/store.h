// The records of a replica's database (schema.h), typed. Each function is one statement; the caller
// has the transaction. A record that cannot be read is kDataLoss, with its place.
#ifndef TCSYNC_SRC_REPLICA_STORE_H_
#define TCSYNC_SRC_REPLICA_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replica/sqlite.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// An operation that no sync has sent. IDs ascend and are never used again.
struct PendingOperation {
  int64_t id;
  Operation operation;
};

// Not thread-safe.
class Store {
 public:
  // The connection's schema is the latest.
  explicit Store(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Connection& connection() { return *connection_; }

  absl::StatusOr<std::optional<TaskProperties>> GetTask(const Uuid& task_id);
  absl::StatusOr<std::vector<Task>> GetTasks();
  absl::StatusOr<size_t> CountTasks();
  absl::Status PutTask(const Uuid& task_id, const TaskProperties& properties);
  absl::Status RemoveTask(const Uuid& task_id);

  absl::StatusOr<Uuid> GetBaseVersion();
  absl::Status SetBaseVersion(const Uuid& version_id);

  absl::StatusOr<std::vector<PendingOperation>> GetPendingOperations();
  absl::StatusOr<std::vector<Operation>> GetOperationsOf(const Uuid& task_id);
  // All of them, synced and pending.
  absl::StatusOr<std::vector<Operation>> GetOperations();
  // {operations, undo points} that are pending.
  absl::StatusOr<std::pair<size_t, size_t>> CountPendingOperations();
  absl::Status AddOperation(const Operation& operation, bool is_synced);
  // Whether the operation was there, and pending.
  absl::StatusOr<bool> MarkSynced(int64_t operation_id);
  absl::Status MarkUndoPointsSyncedUpTo(int64_t operation_id);
  absl::Status ReplaceOperation(int64_t operation_id, const Operation& operation);
  absl::Status RemoveOperation(int64_t operation_id);
  // Removes the synced operations of tasks that do not exist.
  absl::Status RemoveOrphanedOperations();

  // Removes all tasks and operations.
  absl::Status Clear();

  absl::StatusOr<std::map<uint64_t, Uuid>> GetWorkingSet();
  absl::Status PutInWorkingSet(uint64_t number, const Uuid& task_id);
  absl::Status RemoveFromWorkingSet(uint64_t number);

  // Whether the replica has neither tasks nor a history nor anything to send.
  absl::StatusOr<bool> IsEmpty();

  // Changes whenever another connection has changed the database.
  absl::StatusOr<int64_t> GetDataVersion();

 private:
  // Calls `add` with each operation of a statement whose columns are id and data.
  absl::Status ReadOperations(Statement& statement,
                              absl::FunctionRef<void(int64_t id, Operation operation)> add);
  absl::Status Damaged(absl::string_view record, const absl::Status& problem) const;

  const std::unique_ptr<Connection> connection_;
};

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_STORE_H_
