#include "replica/commit.h"

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/utf8.h"
#include "replica/instant.h"
#include "replica/task_changes.h"
#include "replica/working_set.h"

namespace tcsync::replica {
namespace {

absl::Status Invalid(size_t index, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("the operation at index ", index, " ", problem,
                                                 "; none of the operations was applied"));
}

// Checks what does not depend on the tasks.
absl::Status CheckForm(const Operation& operation, size_t index) {
  if (operation.kind != Operation::Kind::kUpdate) return absl::OkStatus();
  if (!base::IsUtf8(operation.property)) return Invalid(index, "has a property that is not UTF-8");
  if (operation.value && !base::IsUtf8(*operation.value)) {
    return Invalid(index, absl::StrCat("has a value of the property '", operation.property,
                                       "' that is not UTF-8"));
  }
  if (!IsInstant(operation.time)) {
    return Invalid(index, "has a time outside of the years 1 to 9999");
  }
  return absl::OkStatus();
}

absl::string_view ProblemOf(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kCreate:
      return "creates a task that exists, ";
    case Operation::Kind::kUpdate:
      return "updates a task that does not exist, ";
    default:
      return "deletes a task that does not exist, ";
  }
}

bool JoinsWorkingSet(const Operation& operation) {
  return operation.kind == Operation::Kind::kUpdate && operation.property == kStatusProperty &&
         operation.value && IsStatusOfWorkingSet(*operation.value) &&
         !(operation.old_value && IsStatusOfWorkingSet(*operation.old_value));
}

// The operations that revert one, to be applied in order.
std::vector<Operation> ReversalOf(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kUndoPoint:
      return {};
    case Operation::Kind::kCreate:
      return {Operation::Delete(operation.task_id)};
    case Operation::Kind::kUpdate:
      return {Operation::Update(operation.task_id, operation.property, operation.old_value)};
    case Operation::Kind::kDelete:
      break;
  }
  std::vector<Operation> reversal = {Operation::Create(operation.task_id)};
  for (const auto& [name, value] : operation.old_properties) {
    reversal.push_back(Operation::Update(operation.task_id, name, value));
  }
  return reversal;
}

// The index of the first pending operation that an undo reverts.
size_t BeginOfUndo(const std::vector<PendingOperation>& pending) {
  for (size_t i = pending.size(); i > 0; --i) {
    if (pending[i - 1].operation.kind == Operation::Kind::kUndoPoint) return i - 1;
  }
  return 0;
}

}  // namespace

absl::Status CommitOperations(Store& store, absl::Span<const Operation> operations) {
  if (operations.empty()) return absl::OkStatus();
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store.connection());
  if (!transaction.ok()) return transaction.status();
  TaskChanges changes(store);
  std::vector<Uuid> joining;
  for (size_t i = 0; i < operations.size(); ++i) {
    Operation operation = operations[i];
    operation.time = ToNanoseconds(operation.time);
    if (const absl::Status status = CheckForm(operation, i); !status.ok()) return status;
    const absl::StatusOr<bool> is_valid = changes.Apply(operation);
    if (!is_valid.ok()) return is_valid.status();
    if (!*is_valid) {
      return Invalid(i, absl::StrCat(ProblemOf(operation), operation.task_id.ToString()));
    }
    if (JoinsWorkingSet(operation)) joining.push_back(operation.task_id);
    if (const absl::Status status = store.AddOperation(operation, false); !status.ok()) {
      return status;
    }
  }
  absl::Status status = changes.Write();
  if (status.ok()) status = AddToWorkingSet(store, joining);
  return status.ok() ? transaction->Commit() : status;
}

absl::StatusOr<std::vector<Operation>> FindUndoableOperations(Store& store) {
  absl::StatusOr<std::vector<PendingOperation>> pending = store.GetPendingOperations();
  if (!pending.ok()) return pending.status();
  std::vector<Operation> undoable;
  for (size_t i = BeginOfUndo(*pending); i < pending->size(); ++i) {
    undoable.push_back(std::move((*pending)[i].operation));
  }
  return undoable;
}

absl::StatusOr<bool> UndoOperations(Store& store, absl::Span<const Operation> operations) {
  if (operations.empty()) return false;
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store.connection());
  if (!transaction.ok()) return transaction.status();
  const absl::StatusOr<std::vector<PendingOperation>> pending = store.GetPendingOperations();
  if (!pending.ok()) return pending.status();
  if (operations.size() > pending->size()) return false;
  const size_t begin = pending->size() - operations.size();
  for (size_t i = 0; i < operations.size(); ++i) {
    if ((*pending)[begin + i].operation != operations[i]) return false;
  }
  TaskChanges changes(store);
  for (size_t i = pending->size(); i > begin; --i) {
    for (Operation& reversal : ReversalOf((*pending)[i - 1].operation)) {
      // One that is invalid undoes what another program, whose rules are laxer, has committed.
      const absl::StatusOr<bool> is_valid = changes.Apply(reversal);
      if (!is_valid.ok()) return is_valid.status();
    }
    const absl::Status status = store.RemoveOperation((*pending)[i - 1].id);
    if (!status.ok()) return status;
  }
  absl::Status status = changes.Write();
  // Tasks have come back, are gone, or have another status.
  if (status.ok()) status = RebuildWorkingSet(store, /*renumber=*/false);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  return true;
}

}  // namespace tcsync::replica
