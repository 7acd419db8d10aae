#include "storage/postgres/client_writes.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/numbered_uuid.h"
#include "storage/client_limits.h"
#include "storage/postgres/access.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/history_removal.h"
#include "storage/postgres/uploads.h"
#include "storage/version_numbers.h"

namespace tcsync::postgres_storage {
namespace {

// The upload is one of this storage, which created it.
PostgresUpload* UploadOf(const std::shared_ptr<Upload>& upload) {
  return static_cast<PostgresUpload*>(upload.get());
}

absl::Status CheckUpload(const std::shared_ptr<Upload>& upload) {
  if (upload == nullptr || upload->bytes() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError("nothing was added to the upload");
}

// A guard of the transaction that stores the upload failed: the upload is gone, or the client was
// changed. The first is for good.
constexpr Sql kHasUpload{"has_upload", R"(
  SELECT 1 FROM tcsync.uploads WHERE client_id = $1 AND upload_id = $2)"};

absl::Status CheckUploadIsThere(const Core& core, const PostgresUpload* upload, Deadline deadline) {
  if (upload == nullptr) return absl::OkStatus();
  const absl::StatusOr<Rows> rows = core.sessions.Run(
      Statement(kHasUpload).Add(upload->client_id()).Add(upload->pieces().upload_id), deadline);
  if (!rows.ok()) return rows.status();
  if (!rows->empty()) return absl::OkStatus();
  // Not kAborted, which would be tried again.
  return absl::NotFoundError("the client was deleted during the upload");
}

absl::Status ForCaller(const absl::Status& status) {
  return status.code() == absl::StatusCode::kNotFound ? absl::AbortedError(status.message())
                                                      : status;
}

// The append's version, if an earlier attempt added it: as the latest one, or with others behind
// it.
std::optional<Appended> FindAppended(const PendingAppend& append, const Place& place) {
  if (append.unknown_attempts == 0 || !place.client) return std::nullopt;
  const ClientRecord& client = *place.client;
  Appended appended;
  appended.snapshot = client.Summary();
  if (IsSameButForNumber(client.latest_version_id, append.random_id)) {
    appended.version_id = client.latest_version_id;
  } else if (place.child && IsSameButForNumber(place.child->version_id, append.random_id)) {
    appended.version_id = place.child->version_id;
  } else {
    return std::nullopt;
  }
  appended.created_client = append.may_have_created;
  return appended;
}

absl::StatusOr<AppendOutcome> TryAppend(const Core& core, PendingAppend& append) {
  AppendRequest& request = append.request;
  const absl::StatusOr<Place> place =
      ReadPlace(core.sessions, request.client_id, request.expected_parent, append.deadline);
  if (!place.ok()) return place.status();
  if (std::optional<Appended> appended = FindAppended(append, *place)) return *appended;
  PostgresUpload* const upload = UploadOf(request.upload);
  if (const absl::Status there = CheckUploadIsThere(core, upload, append.deadline); !there.ok()) {
    return there;
  }
  const bool is_new = !place->client;
  if (is_new && !request.create_client) return NoSuchClient{};
  bool replaces_history = false;
  ClientRecord client;
  if (is_new) {
    client = NewClientRecord(request.now_unix_seconds, request.expected_parent);
  } else {
    client = *place->client;
    if (client.latest_version_id != request.expected_parent) {
      replaces_history = place->AcceptsDivergedAt(request.expected_parent);
      if (!replaces_history) return Conflict{client.latest_version_id};
    }
  }
  const ClientRecord before = client;
  if (replaces_history) {
    client.first_number = storage::FirstNumberAfter(request.expected_parent, client.latest_number);
    client.latest_number = client.first_number - 1;
    client.history_bytes = 0;
    client.accepts_diverged = false;
    client.snapshot.reset();
  }
  const uint64_t segment_bytes = request.segment_bytes();
  client.history_bytes += segment_bytes;
  ++client.latest_number;
  const OverLimit usage{.bytes = client.history_bytes + client.snapshot_bytes(),
                        .versions = client.version_count()};
  if (storage::IsOver(usage.bytes, request.limits.bytes_max) ||
      storage::IsOver(usage.versions, request.limits.versions_max)) {
    return usage;
  }
  client.latest_version_id = base::WithNumber(append.random_id, client.latest_number);
  client.latest_appended_unix_seconds = request.now_unix_seconds;

  std::vector<Statement> statements;
  if (is_new) {
    statements.push_back(InsertClient(request.client_id, client));
    if (request.invite) {
      statements.push_back(UseInvite(*request.invite, request.now_unix_seconds));
    }
  } else {
    statements.push_back(ReplaceClient(request.client_id, client));
  }
  if (replaces_history) RemoveHistory(request.client_id, statements);
  const NewVersion version{.number = client.latest_number,
                           .version_id = client.latest_version_id,
                           .parent_version_id = request.expected_parent,
                           .appended_unix_seconds = request.now_unix_seconds};
  if (upload != nullptr) {
    statements.push_back(TakeUpload(request.client_id, upload->pieces().upload_id));
    statements.push_back(
        InsertVersionInPieces(request.client_id, version, segment_bytes, upload->pieces()));
  } else {
    // Kept for a further attempt.
    statements.push_back(InsertVersion(request.client_id, version, request.segment));
  }
  const int64_t bytes_before = is_new ? 0 : static_cast<int64_t>(before.live_bytes());
  const UsageChange change{
      .clients = is_new ? 1 : 0,
      .live_bytes = static_cast<int64_t>(client.live_bytes()) - bytes_before,
      .upload_bytes = upload != nullptr ? -static_cast<int64_t>(segment_bytes) : 0};
  const auto run = core.usage.Run(std::move(statements), change, append.deadline);
  if (!run.ok()) {
    if (absl::IsUnknown(run.status())) append.may_have_created |= is_new;
    if (is_new && request.invite && run.status().code() == absl::StatusCode::kAborted) {
      // The guard may have been the invite's.
      const absl::StatusOr<bool> is_usable =
          IsUsableInvite(core.sessions, *request.invite, request.now_unix_seconds, append.deadline);
      if (!is_usable.ok()) return is_usable.status();
      // Its last use may have created this very client, also by an earlier attempt of this append.
      const auto created = ReadRecord(core.sessions, request.client_id, append.deadline);
      if (!created.ok()) return created.status();
      if (!*is_usable && !created->has_value()) return NoSuchClient{};
    }
    return run.status();
  }
  if (replaces_history) core.notes.Forget(request.client_id);
  return Appended{.version_id = client.latest_version_id,
                  .snapshot = client.Summary(),
                  .created_client = is_new};
}

absl::StatusOr<StoreSnapshotOutcome> TryStoreSnapshot(const Core& core,
                                                      const StoreSnapshotRequest& request,
                                                      int unknown_attempts, Deadline deadline) {
  const absl::StatusOr<Place> place =
      ReadPlace(core.sessions, request.client_id, request.version_id, deadline);
  if (!place.ok()) return place.status();
  if (!place->client) return StoreSnapshotOutcome::kNoSuchClient;
  const ClientRecord& before = *place->client;
  // Of two replicas that store a snapshot of one version at once, either may be told so: both are
  // the same tasks.
  if (unknown_attempts > 0 && before.snapshot &&
      before.snapshot->version_id == request.version_id) {
    return StoreSnapshotOutcome::kStored;
  }
  const std::optional<uint64_t> number =
      place->NumberOfWanted(request.version_id, request.recent_versions_max);
  if (!number) return StoreSnapshotOutcome::kNotWanted;
  if (storage::IsOver(before.history_bytes + request.snapshot_bytes(), request.limits.bytes_max)) {
    return StoreSnapshotOutcome::kOverLimit;
  }
  PostgresUpload* const upload = UploadOf(request.upload);
  if (const absl::Status there = CheckUploadIsThere(core, upload, deadline); !there.ok()) {
    return there;
  }
  ClientRecord client = before;
  client.snapshot = {.version_id = request.version_id,
                     .number = *number,
                     .stored_unix_seconds = request.now_unix_seconds,
                     .bytes = request.snapshot_bytes(),
                     .pieces = upload != nullptr ? std::optional(upload->pieces()) : std::nullopt};
  std::vector<Statement> statements = {ReplaceClient(request.client_id, client)};
  if (upload != nullptr) {
    statements.push_back(TakeUpload(request.client_id, upload->pieces().upload_id));
  }
  ReplaceSnapshotBytes(request.client_id, before,
                       upload != nullptr ? std::nullopt : std::optional(request.bytes), statements);
  const UsageChange change{
      .live_bytes =
          static_cast<int64_t>(client.live_bytes()) - static_cast<int64_t>(before.live_bytes()),
      .upload_bytes = upload != nullptr ? -static_cast<int64_t>(upload->bytes()) : 0};
  const auto run = core.usage.Run(std::move(statements), change, deadline);
  if (!run.ok()) return run.status();
  return StoreSnapshotOutcome::kStored;
}

}  // namespace

absl::StatusOr<AppendOutcome> AppendAlone(const Core& core, PendingAppend& append) {
  if (const absl::Status checked = CheckUpload(append.request.upload); !checked.ok()) {
    return checked;
  }
  absl::StatusOr<AppendOutcome> outcome = RunUntil(
      append.deadline,
      [&](int unknown) {
        append.unknown_attempts = unknown;
        absl::StatusOr<AppendOutcome> tried = TryAppend(core, append);
        if (unknown > 0 && tried.ok() && std::holds_alternative<Appended>(*tried)) {
          absl::Status confirmed = core.sessions.Confirm(append.deadline);
          if (!confirmed.ok()) tried = std::move(confirmed);
        }
        return tried;
      },
      append.unknown_attempts);
  if (outcome.ok() && std::holds_alternative<Appended>(*outcome) &&
      append.request.upload != nullptr) {
    UploadOf(append.request.upload)->SetStored();
  }
  if (!outcome.ok()) return ForCaller(outcome.status());
  return outcome;
}

absl::StatusOr<StoreSnapshotOutcome> StoreSnapshot(const Core& core, StoreSnapshotRequest& request,
                                                   Deadline deadline) {
  if (const absl::Status checked = CheckUpload(request.upload); !checked.ok()) return checked;
  absl::StatusOr<StoreSnapshotOutcome> outcome = RunWriteUntil(
      core.sessions, deadline,
      [&](int unknown) { return TryStoreSnapshot(core, request, unknown, deadline); });
  if (!outcome.ok()) return ForCaller(outcome.status());
  if (*outcome == StoreSnapshotOutcome::kStored && request.upload != nullptr) {
    UploadOf(request.upload)->SetStored();
  }
  return outcome;
}

}  // namespace tcsync::postgres_storage
