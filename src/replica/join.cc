#include "replica/join.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "replica/merge.h"
#include "replica/task_changes.h"
#include "replica/working_set.h"

namespace tcsync::replica {
namespace {

struct HistoryState {
  MergeSide side;
  Uuid base;
};

absl::StatusOr<MergeSide> ReadSide(Store& store) {
  absl::StatusOr<std::vector<Task>> tasks = store.GetTasks();
  if (!tasks.ok()) return tasks.status();
  absl::StatusOr<std::vector<Operation>> operations = store.GetOperations();
  if (!operations.ok()) return operations.status();
  return MergeSide{*std::move(tasks), *std::move(operations)};
}

// A pending deletion at the history's version followed all of the history, as after a first join.
absl::Status FindLaterDeletions(Store& store, const Uuid& history_base, MergeSide& side) {
  const absl::StatusOr<Uuid> base = store.GetBaseVersion();
  if (!base.ok()) return base.status();
  if (*base != history_base) return absl::OkStatus();
  const auto pending = store.GetPendingOperations();
  if (!pending.ok()) return pending.status();
  for (const PendingOperation& each : *pending) {
    if (each.operation.kind != Operation::Kind::kDelete) continue;
    side.later_deletions.insert(each.operation.task_id);
  }
  return absl::OkStatus();
}

absl::StatusOr<HistoryState> ReadHistory(Store& store) {
  absl::StatusOr<Transaction> transaction = Transaction::BeginRead(store.connection());
  if (!transaction.ok()) return transaction.status();
  const auto pending = store.CountPendingOperations();
  if (!pending.ok()) return pending.status();
  // Their tasks would be taken for the history's, and no sync would send them.
  if (pending->first > 0) {
    return absl::InvalidArgumentError(
        "the history's replica has pending operations; receive into one without changes of its "
        "own");
  }
  const absl::StatusOr<Uuid> base = store.GetBaseVersion();
  if (!base.ok()) return base.status();
  absl::StatusOr<MergeSide> side = ReadSide(store);
  if (!side.ok()) return side.status();
  return HistoryState{*std::move(side), *base};
}

// Removes the copy of a join that fails, which would be in the way of the next attempt.
class UnfinishedCopy {
 public:
  explicit UnfinishedCopy(const std::string& path) : path_(path) {}
  UnfinishedCopy(const UnfinishedCopy&) = delete;
  UnfinishedCopy& operator=(const UnfinishedCopy&) = delete;
  // Also without memory, so without a std::filesystem::path.
  ~UnfinishedCopy() {
    if (!is_kept_ && !path_.empty()) std::remove(path_.c_str());
  }

  void Keep() { is_kept_ = true; }

 private:
  const std::string& path_;
  bool is_kept_ = false;
};

// Replaces everything but the working set.
absl::Status WriteHistory(Store& store, const HistoryState& history, bool keeps_synced) {
  absl::Status status = store.Clear();
  for (const Task& task : history.side.tasks) {
    if (status.ok()) status = store.PutTask(task.task_id, task.properties);
  }
  for (const Operation& operation : history.side.operations) {
    const bool is_undo_point = operation.kind == Operation::Kind::kUndoPoint;
    if (status.ok() && keeps_synced && !is_undo_point) status = store.AddOperation(operation, true);
  }
  return status.ok() ? store.SetBaseVersion(history.base) : status;
}

absl::Status AddPending(Store& store, std::vector<Operation> operations) {
  TaskChanges changes(store);
  for (Operation& operation : operations) {
    const absl::StatusOr<bool> is_valid = changes.Apply(operation);
    if (!is_valid.ok()) return is_valid.status();
    if (!*is_valid) return absl::InternalError("a merge of histories made an invalid operation");
    if (const absl::Status status = store.AddOperation(operation, false); !status.ok()) {
      return status;
    }
  }
  return changes.Write();
}

}  // namespace

absl::StatusOr<JoinReport> JoinHistory(Store& own, Store& history, const JoinOptions& options,
                                       const std::string& copy_path) {
  if (&own == &history) {
    return absl::InvalidArgumentError(
        "a replica cannot join itself; pass the one that received the history");
  }
  const absl::StatusOr<HistoryState> joined = ReadHistory(history);
  if (!joined.ok()) return joined.status();
  // From here on no other program can add a change that would be missing afterwards.
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(own.connection());
  if (!transaction.ok()) return transaction.status();
  UnfinishedCopy copy(copy_path);
  if (!copy_path.empty()) {
    const absl::Status copied = own.connection().CopyToFile(copy_path);
    if (!copied.ok()) return copied;
  }
  absl::StatusOr<MergeSide> side = ReadSide(own);
  if (!side.ok()) return side.status();
  absl::Status status = FindLaterDeletions(own, joined->base, *side);
  if (!status.ok()) return status;
  Merge merge = MergeIntoHistory(*side, joined->side, absl::Now());
  status = WriteHistory(own, *joined, options.keep_synced_operations);
  if (status.ok()) status = AddPending(own, std::move(merge.operations));
  if (status.ok()) status = RebuildWorkingSet(own, /*renumber=*/false);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  copy.Keep();
  return std::move(merge.report);
}

}  // namespace tcsync::replica
