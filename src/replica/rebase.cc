#include "replica/rebase.h"

#include <utility>

#include "replica/transform.h"

namespace tcsync::replica {
namespace {

// Lets `received`, which `local` overrides, count as applied before it. Whether that changes what
// an undo of `local` restores.
bool PutBefore(const Operation& received, Operation& local) {
  if (received.kind != Operation::Kind::kUpdate) return false;
  if (local.kind == Operation::Kind::kUpdate) {
    if (local.old_value == received.value) return false;
    local.old_value = received.value;
    return true;
  }
  if (local.kind != Operation::Kind::kDelete) return false;
  if (received.value) {
    local.old_properties.insert_or_assign(received.property, *received.value);
  } else {
    local.old_properties.erase(received.property);
  }
  return true;
}

}  // namespace

Rebase::Rebase(std::vector<PendingOperation> pending) {
  entries_.reserve(pending.size());
  for (PendingOperation& operation : pending) {
    if (operation.operation.kind == Operation::Kind::kUndoPoint) continue;
    by_task_[operation.operation.task_id].push_back(entries_.size());
    entries_.push_back({std::move(operation)});
  }
  live_count_ = entries_.size();
}

bool Rebase::Receive(const Operation& received) {
  const auto found = by_task_.find(received.task_id);
  if (found == by_task_.end()) return true;
  std::vector<size_t>& indices = found->second;
  std::vector<size_t> kept;
  bool keeps_received = true;
  size_t i = 0;
  for (; i < indices.size() && keeps_received; ++i) {
    Entry& entry = entries_[indices[i]];
    const Transformed transformed = Transform(received, entry.pending.operation);
    keeps_received = transformed.keeps_received;
    if (!transformed.keeps_local) {
      entry.is_live = false;
      --live_count_;
      settled_.insert(indices[i]);
      continue;
    }
    kept.push_back(indices[i]);
    if (!keeps_received && PutBefore(received, entry.pending.operation)) {
      rewritten_.insert(indices[i]);
    }
  }
  kept.insert(kept.end(), indices.begin() + static_cast<ptrdiff_t>(i), indices.end());
  indices = std::move(kept);
  return keeps_received;
}

absl::Status Rebase::Write(Store& store) {
  for (const size_t index : rewritten_) {
    const PendingOperation& pending = entries_[index].pending;
    const absl::Status status = store.ReplaceOperation(pending.id, pending.operation);
    if (!status.ok()) return status;
  }
  for (const size_t index : settled_) {
    const absl::StatusOr<bool> marked = store.MarkSynced(entries_[index].pending.id);
    if (!marked.ok()) return marked.status();
  }
  rewritten_.clear();
  settled_.clear();
  return absl::OkStatus();
}

std::vector<const PendingOperation*> Rebase::ToSend() const {
  std::vector<const PendingOperation*> operations;
  operations.reserve(live_count_);
  for (const Entry& entry : entries_) {
    if (entry.is_live) operations.push_back(&entry.pending);
  }
  return operations;
}

void Rebase::SettleSent(size_t count) {
  for (Entry& entry : entries_) {
    if (count == 0) return;
    if (!entry.is_live) continue;
    entry.is_live = false;
    --live_count_;
    --count;
    std::vector<size_t>& indices = by_task_.at(entry.pending.operation.task_id);
    indices.erase(indices.begin());
  }
}

}  // namespace tcsync::replica
