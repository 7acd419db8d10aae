#include "replica/synchronization.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "replica/operation_json.h"
#include "replica/snapshot.h"
#include "replica/task_changes.h"
#include "replica/working_set.h"

namespace tcsync::replica {
namespace {

using Clock = std::chrono::steady_clock;

// How far an empty replica looks for a short history, or for many versions in an answer, before it
// begins with a snapshot.
constexpr int kRequestsBeforeSnapshot = 16;

}  // namespace

std::variant<SyncReport, SyncError> Synchronization::Run() {
  if (Failure failure = BeginWithSnapshot()) return *std::move(failure);
  while (true) {
    if (Failure failure = Receive()) return *std::move(failure);
    if (options_.receive_only || !options_.last_version_id.IsNil()) return report_;
    // After a batch that was accepted the next one is sent at once: a conflict says if another
    // replica came between them.
    SendOutcome outcome = SendOutcome::kSent;
    while (outcome == SendOutcome::kSent) {
      std::variant<SendOutcome, SyncError> sent = SendBatch();
      if (auto* error = std::get_if<SyncError>(&sent)) return std::move(*error);
      outcome = std::get<SendOutcome>(sent);
    }
    if (outcome == SendOutcome::kNothing) break;
  }
  if (Failure failure = Finish()) return *std::move(failure);
  if (Failure failure = SendSnapshot()) return *std::move(failure);
  return report_;
}

bool Synchronization::CanReceiveFromBeginning() {
  Uuid parent;
  for (int request = 0; request < kRequestsBeforeSnapshot; ++request) {
    const RemoteResult<ChildVersions> answer = server_.GetChildVersions(parent);
    // A failure is met again at once, by a request that reports it.
    const auto* const children = std::get_if<ChildVersions>(&answer);
    if (children == nullptr || children->outcome == ChildVersion::Outcome::kGone) return false;
    if (children->versions.size() != 1) return true;  // many, or the end
    parent = children->versions.back().version_id;
  }
  return false;
}

Synchronization::Failure Synchronization::BeginWithSnapshot() {
  absl::StatusOr<bool> is_empty = store_.IsEmpty();
  if (!is_empty.ok()) return DatabaseFailure(is_empty.status());
  if (!*is_empty) return std::nullopt;
  if (options_.versions_first && CanReceiveFromBeginning()) return std::nullopt;
  RemoteResult<std::optional<LatestSnapshot>> answer = server_.GetSnapshot();
  if (auto* error = std::get_if<RemoteError>(&answer)) return RemoteFailure(std::move(*error));
  const auto& snapshot = std::get<std::optional<LatestSnapshot>>(answer);
  if (!snapshot) return std::nullopt;
  const absl::StatusOr<std::vector<Task>> tasks = DecodeSnapshot(snapshot->snapshot.AsStringView());
  if (!tasks.ok()) {
    return OtherFailure(
        SyncFault::kInvalidSnapshot, snapshot->version_id,
        absl::StrCat("the snapshot of version ", snapshot->version_id.ToString(), " ",
                     tasks.status().message(),
                     ": a replica with this history has sent something else than a snapshot"));
  }

  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store_.connection());
  if (!transaction.ok()) return DatabaseFailure(transaction.status());
  is_empty = store_.IsEmpty();
  if (!is_empty.ok()) return DatabaseFailure(is_empty.status());
  // Otherwise another program has synced or added a task meanwhile, and the versions bring all.
  if (!*is_empty) return std::nullopt;
  absl::Status status = absl::OkStatus();
  for (const Task& task : *tasks) {
    if (status.ok()) status = store_.PutTask(task.task_id, task.properties);
  }
  if (status.ok()) status = store_.SetBaseVersion(snapshot->version_id);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return DatabaseFailure(status);
  report_.has_applied_snapshot = true;
  ReportProgress();
  return std::nullopt;
}

Synchronization::Failure Synchronization::Receive() {
  const absl::StatusOr<Uuid> base = store_.GetBaseVersion();
  if (!base.ok()) return DatabaseFailure(base.status());
  const bool has_end = !options_.last_version_id.IsNil();
  ReceivedGroup group{.base = *base, .begin = Clock::now()};
  Uuid parent = *base;
  while (true) {
    if (has_end && parent == options_.last_version_id) return std::nullopt;
    RemoteResult<ChildVersions> answer = server_.GetChildVersions(parent);
    Failure failure;
    bool is_last = true;
    if (auto* error = std::get_if<RemoteError>(&answer)) {
      failure = RemoteFailure(std::move(*error));
    } else {
      const ChildVersions& children = std::get<ChildVersions>(answer);
      if (children.outcome == ChildVersion::Outcome::kGone) {
        failure = OtherFailure(
            SyncFault::kHistoryGone, parent,
            parent.IsNil()
                ? "the beginning of the server's history was removed, and no snapshot covers it, "
                  "so a "
                  "replica that has not synced before cannot receive it"
                : absl::StrCat("the server's history does not have version ", parent.ToString(),
                               ", up to which this replica was synced: the history was replaced, "
                               "or its beginning was removed while this computer was away"));
      }
      for (const ChildVersions::Found& child : children.versions) {
        const absl::string_view segment = child.history_segment.AsStringView();
        absl::StatusOr<std::vector<Operation>> operations = ParseSegment(segment);
        // A server that gives a circle of versions would keep the sync going for ever.
        if (operations.ok() && !received_.insert(child.version_id).second) {
          operations = absl::InvalidArgumentError("comes twice");
        }
        is_last = !operations.ok();
        if (is_last) {
          failure = OtherFailure(
              SyncFault::kInvalidVersion, child.version_id,
              absl::StrCat("the version ", child.version_id.ToString(), " ",
                           operations.status().message(),
                           ": a replica with this history has sent something else than changes, "
                           "or the server is broken"));
          break;
        }
        group.versions.push_back({child.version_id, *std::move(operations)});
        group.bytes += segment.size();
        parent = child.version_id;
        is_last = has_end && parent == options_.last_version_id;
        if (is_last) break;
      }
    }
    if (!is_last && group.versions.size() < base::kReceivedVersionsPerCommit &&
        group.bytes < base::kReceivedBytesPerCommit &&
        Clock::now() - group.begin < base::kReceiveTimePerCommit) {
      continue;
    }
    // What came before a failure is kept.
    const absl::StatusOr<bool> was_applied = Apply(group);
    if (!was_applied.ok()) return DatabaseFailure(was_applied.status());
    if (failure) failure->report = report_;
    // What was dropped comes again, unless it is a part that another program has received.
    if (!*was_applied) received_.clear();
    // Another program may have received a part of a group that was not applied, but not its end.
    if (failure || (is_last && *was_applied)) return failure;
    parent = group.base;
  }
}

absl::StatusOr<bool> Synchronization::Apply(ReceivedGroup& group) {
  if (group.versions.empty()) return true;
  bool was_applied = false;
  {
    absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store_.connection());
    if (!transaction.ok()) return transaction.status();
    const absl::StatusOr<Uuid> base = store_.GetBaseVersion();
    if (!base.ok()) return base.status();
    if (*base == group.base) {
      if (const absl::Status status = ReadPending(); !status.ok()) return status;
      // Unless the transaction is committed, what the rebase has in memory is not in the database.
      Rebase pending = *std::move(pending_);
      pending_.reset();
      TaskChanges changes(store_);
      uint64_t operations = 0;
      for (ReceivedVersion& version : group.versions) {
        for (Operation& operation : version.operations) {
          ++operations;
          if (!pending.Receive(operation)) continue;
          // An operation that is invalid here was so on every other replica, and changes nothing.
          const absl::StatusOr<bool> applied = changes.Apply(operation);
          if (!applied.ok()) return applied.status();
          operation.old_value.reset();
          operation.old_properties.clear();
          const absl::Status status = store_.AddOperation(operation, /*is_synced=*/true);
          if (!status.ok()) return status;
        }
      }
      absl::Status status = changes.Write();
      if (status.ok()) status = pending.Write(store_);
      if (status.ok()) status = store_.SetBaseVersion(group.versions.back().version_id);
      if (status.ok()) status = transaction->Commit();
      if (!status.ok()) return status;
      pending_ = std::move(pending);
      report_.total.received_versions += group.versions.size();
      report_.total.received_operations += operations;
      was_applied = true;
    }
  }
  const absl::StatusOr<Uuid> base = store_.GetBaseVersion();
  if (!base.ok()) return base.status();
  group = {.base = *base, .begin = Clock::now()};
  ReportProgress();
  return was_applied;
}

absl::Status Synchronization::ReadPending() {
  const absl::StatusOr<int64_t> data_version = store_.GetDataVersion();
  if (!data_version.ok()) return data_version.status();
  if (pending_ && *data_version == data_version_of_pending_) return absl::OkStatus();
  absl::StatusOr<std::vector<PendingOperation>> operations = store_.GetPendingOperations();
  if (!operations.ok()) return operations.status();
  pending_.emplace(*std::move(operations));
  data_version_of_pending_ = *data_version;
  return absl::OkStatus();
}

std::variant<Synchronization::SendOutcome, SyncError> Synchronization::SendBatch() {
  Uuid base;
  std::string segment(kSegmentBegin);
  std::vector<int64_t> operation_ids;
  {
    absl::StatusOr<Transaction> transaction = Transaction::BeginRead(store_.connection());
    if (!transaction.ok()) return DatabaseFailure(transaction.status());
    if (const absl::Status status = ReadPending(); !status.ok()) return DatabaseFailure(status);
    const absl::StatusOr<Uuid> read = store_.GetBaseVersion();
    if (!read.ok()) return DatabaseFailure(read.status());
    base = *read;
  }
  size_t bytes = 0;
  for (const PendingOperation* pending : pending_->ToSend()) {
    const std::string json = FormatSentOperation(pending->operation);
    bytes += json.size();
    if (!operation_ids.empty() && bytes > base::kSegmentBytesMax) break;
    absl::StrAppend(&segment, operation_ids.empty() ? "" : ",", json);
    operation_ids.push_back(pending->id);
  }
  if (operation_ids.empty()) return SendOutcome::kNothing;
  absl::StrAppend(&segment, kSegmentEnd);

  RemoteResult<AddedVersion> answer = server_.AddVersion(base, segment);
  if (auto* error = std::get_if<RemoteError>(&answer)) return RemoteFailure(std::move(*error));
  const AddedVersion& added = std::get<AddedVersion>(answer);
  if (added.is_conflict) {
    if (latest_in_conflict_ == added.version_id) {
      return OtherFailure(
          SyncFault::kDiverged, added.version_id,
          absl::StrCat("the server says that its latest version is ", added.version_id.ToString(),
                       ", and does not give it to this replica, which is at ", base.ToString(),
                       ": the two histories have diverged"));
    }
    latest_in_conflict_ = added.version_id;
    return SendOutcome::kConflict;
  }
  requested_snapshot_ = added.requested_snapshot;
  sent_version_id_ = added.version_id;
  const absl::StatusOr<bool> recorded = RecordSent(base, added.version_id, operation_ids);
  if (!recorded.ok()) return DatabaseFailure(recorded.status());
  ++report_.total.sent_versions;
  report_.total.sent_operations += operation_ids.size();
  ReportProgress();
  return *recorded ? SendOutcome::kSent : SendOutcome::kOvertaken;
}

absl::StatusOr<bool> Synchronization::RecordSent(const Uuid& base, const Uuid& version_id,
                                                 const std::vector<int64_t>& operation_ids) {
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store_.connection());
  if (!transaction.ok()) return transaction.status();
  // Unless the transaction is committed, what follows is not in the database.
  Rebase pending = *std::move(pending_);
  pending_.reset();
  const absl::StatusOr<Uuid> now = store_.GetBaseVersion();
  if (!now.ok()) return now.status();
  // Another program has received the version already, or will: as one of another replica. That is
  // also how an operation comes back that was undone while it was being sent.
  if (*now != base) return false;
  for (const int64_t id : operation_ids) {
    const absl::StatusOr<bool> was_pending = store_.MarkSynced(id);
    if (!was_pending.ok()) return was_pending.status();
    if (!*was_pending) return false;
  }
  absl::Status status = store_.MarkUndoPointsSyncedUpTo(operation_ids.back());
  if (status.ok()) status = store_.SetBaseVersion(version_id);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  pending.SettleSent(operation_ids.size());
  pending_ = std::move(pending);
  return true;
}

Synchronization::Failure Synchronization::Finish() {
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store_.connection());
  if (!transaction.ok()) return DatabaseFailure(transaction.status());
  absl::Status status = ReadPending();
  // Undo points with nothing after them would revert nothing.
  if (status.ok() && pending_->operations_to_send() == 0) {
    status = store_.MarkUndoPointsSyncedUpTo(std::numeric_limits<int64_t>::max());
  }
  if (status.ok()) status = store_.RemoveOrphanedOperations();
  if (status.ok()) status = RebuildWorkingSet(store_, /*renumber=*/false);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return DatabaseFailure(status);
  return std::nullopt;
}

Synchronization::Failure Synchronization::SendSnapshot() {
  const RequestedSnapshot least =
      options_.avoid_snapshots ? RequestedSnapshot::kHigh : RequestedSnapshot::kLow;
  if (requested_snapshot_ < least) return std::nullopt;
  absl::StatusOr<std::vector<Task>> tasks;
  {
    absl::StatusOr<Transaction> transaction = Transaction::BeginRead(store_.connection());
    if (!transaction.ok()) return DatabaseFailure(transaction.status());
    const absl::StatusOr<Uuid> base = store_.GetBaseVersion();
    if (!base.ok()) return DatabaseFailure(base.status());
    if (const absl::Status status = ReadPending(); !status.ok()) return DatabaseFailure(status);
    // The tasks are those of the version only if nothing has been added to it.
    if (*base != sent_version_id_ || pending_->operations_to_send() > 0) return std::nullopt;
    tasks = store_.GetTasks();
    if (!tasks.ok()) return DatabaseFailure(tasks.status());
  }
  const absl::StatusOr<std::string> snapshot = EncodeSnapshot(*tasks);
  if (!snapshot.ok()) return DatabaseFailure(snapshot.status());
  RemoteResult<std::monostate> answer = server_.AddSnapshot(sent_version_id_, *snapshot);
  if (auto* error = std::get_if<RemoteError>(&answer)) {
    error->message = absl::StrCat(
        "the changes are in sync, but not the snapshot that the server "
        "asked for: ",
        error->message);
    return RemoteFailure(std::move(*error));
  }
  report_.has_sent_snapshot = true;
  return std::nullopt;
}

SyncError Synchronization::RemoteFailure(RemoteError error) const {
  return {.fault = SyncFault::kRemote,
          .message = std::move(error.message),
          .remote_fault = error.fault,
          .unseal_fault = error.unseal_fault,
          .version_id = error.version_id,
          .report = report_};
}

SyncError Synchronization::DatabaseFailure(absl::Status status) const {
  return {.fault = SyncFault::kDatabase,
          .message = std::string(status.message()),
          .status = std::move(status),
          .report = report_};
}

SyncError Synchronization::OtherFailure(SyncFault fault, const Uuid& version_id,
                                        std::string message) const {
  return {
      .fault = fault, .message = std::move(message), .version_id = version_id, .report = report_};
}

void Synchronization::ReportProgress() {
  report_.total.operations_to_send = pending_ ? pending_->operations_to_send() : 0;
  if (options_.progress) options_.progress(report_.total);
}

}  // namespace tcsync::replica
