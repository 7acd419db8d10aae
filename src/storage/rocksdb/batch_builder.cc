#include "storage/rocksdb/batch_builder.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "storage/client_limits.h"
#include "storage/rocksdb/access_records.h"
#include "storage/version_numbers.h"

namespace tcsync::rocksdb_storage {
namespace {

void Release(std::string& bytes) { std::string().swap(bytes); }

std::optional<SnapshotSummary> SummaryOf(const ChainHead& head) {
  const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
  if (!snapshot) return std::nullopt;
  return SnapshotSummary{.version_id = snapshot->version_id,
                         .stored_unix_seconds = snapshot->stored_unix_seconds,
                         .versions_since = head.latest_number - snapshot->number};
}

}  // namespace

void BatchBuilder::Put(const std::string& key, const std::string& value) {
  writes_.Put(key, value).PermitUncheckedError();  // fails only beyond a maximum that was not set
}

void BatchBuilder::Delete(const std::string& key) { writes_.Delete(key).PermitUncheckedError(); }

absl::StatusOr<std::optional<ChainHead>> BatchBuilder::Head(const Uuid& client_id) {
  if (const auto it = changed_heads_.find(client_id); it != changed_heads_.end()) return it->second;
  absl::StatusOr<std::optional<ChainHead>> head =
      head_cache_.Get(client_id, [&] { return reader_.ReadHead(client_id); });
  if (head.ok()) {
    live_bytes_before_.try_emplace(client_id, head->has_value() ? (*head)->live_bytes() : 0);
  }
  return head;
}

bool BatchBuilder::NeedsAnotherBatch(const AppendRequest& request) const {
  const auto it = changed_heads_.find(request.client_id);
  return it != changed_heads_.end() && it->second && it->second->record.accepts_diverged;
}

absl::StatusOr<bool> BatchBuilder::AcceptsDivergedAt(const Uuid& client_id, const ChainHead& head,
                                                     const Uuid& parent) {
  if (!head.AcceptsDivergedAt(parent)) return false;
  const absl::StatusOr<std::optional<FoundVersion>> child =
      reader_.FindChild(client_id, head, parent);
  if (!child.ok()) return child.status();
  return !child->has_value();
}

absl::StatusOr<std::optional<Invite>> BatchBuilder::UsableInvite(const TokenDigest& digest,
                                                                 int64_t now_unix_seconds) {
  std::optional<Invite> invite;
  if (const auto it = changed_invites_.find(digest); it != changed_invites_.end()) {
    invite = it->second;
  } else {
    const absl::StatusOr<std::optional<Invite>> stored = ReadInvite(reader_, digest);
    if (!stored.ok()) return stored.status();
    invite = *stored;
  }
  if (!invite || !MayCreateClient(*invite, now_unix_seconds)) return std::nullopt;
  return invite;
}

absl::Status BatchBuilder::AddPiece(const std::shared_ptr<UploadState>& upload,
                                    std::string& piece) {
  if (const absl::Status status = upload->Check(); !status.ok()) return status;
  if (uploads_.BytesOf(upload->client_id) + piece.size() > upload->allowed_bytes) {
    return absl::OutOfRangeError("the client has as much as its limits allow");
  }
  const uint32_t number = upload->pieces;
  // With each piece: a loss of power may drop unsynced pieces and keep later ones.
  Put(UploadKey(upload->client_id, upload->upload_id),
      EncodeNumber(static_cast<uint64_t>(upload->begun_unix_seconds)));
  Put(PieceKey(upload->client_id, upload->upload_id, number), piece);
  added_pieces_.emplace_back(upload, piece.size());
  Release(piece);
  return absl::OkStatus();
}

void BatchBuilder::DiscardUpload(const std::shared_ptr<UploadState>& upload) {
  if (upload->is_stored || upload->is_removed) return;
  removed_uploads_.push_back(upload);
  if (upload->pieces == 0) return;  // then it is not in the register either
  for (const std::string& key : upload->Keys()) Delete(key);
  NoteRemoval(upload->client_id);
}

void BatchBuilder::NoteRemoval(const Uuid& client_id) { noted_clients_.push_back(client_id); }

void BatchBuilder::RemoveUploads(const Uuid& client_id) {
  for (const std::shared_ptr<UploadState>& upload : uploads_.Of(client_id)) DiscardUpload(upload);
}

PiecesRecord BatchBuilder::Adopt(const std::shared_ptr<UploadState>& upload) {
  Delete(UploadKey(upload->client_id, upload->upload_id));
  stored_uploads_.push_back(upload);
  return upload->record();
}

absl::StatusOr<AppendOutcome> BatchBuilder::Append(AppendRequest& request) {
  const Uuid& client_id = request.client_id;
  const std::shared_ptr<UploadState> upload = StateOf(request.upload.get());
  if (upload != nullptr) {
    if (const absl::Status status = upload->CheckStorable(); !status.ok()) return status;
  }
  absl::StatusOr<std::optional<ChainHead>> found = Head(client_id);
  if (!found.ok()) return found.status();
  const bool is_new_client = !found->has_value();
  if (is_new_client && !request.create_client) return NoSuchClient{};
  std::optional<Invite> invite;
  if (is_new_client && request.invite) {
    absl::StatusOr<std::optional<Invite>> usable =
        UsableInvite(*request.invite, request.now_unix_seconds);
    if (!usable.ok()) return usable.status();
    if (!usable->has_value()) return NoSuchClient{};
    invite = *std::move(usable);
  }

  ChainHead head = found->value_or(ChainHead{});
  bool carries_on = false;
  if (!is_new_client && head.latest_version_id != request.expected_parent) {
    const absl::StatusOr<bool> accepts_diverged =
        AcceptsDivergedAt(client_id, head, request.expected_parent);
    if (!accepts_diverged.ok()) return accepts_diverged.status();
    if (!*accepts_diverged) return Conflict{head.latest_version_id};
    carries_on = true;
  }

  const uint64_t kept_bytes = carries_on ? 0 : head.kept_history_bytes() + head.snapshot_bytes();
  const OverLimit usage{.bytes = kept_bytes + request.segment_bytes(),
                        .versions = (carries_on ? 0 : head.version_count()) + 1};
  if (storage::IsOver(usage.bytes, request.limits.bytes_max) ||
      storage::IsOver(usage.versions, request.limits.versions_max)) {
    return usage;
  }
  if (head.latest_number >= base::kVersionNumberMax) {
    return absl::ResourceExhaustedError("the chain is full");
  }

  if (carries_on) {
    const absl::Status removed = RemoveHistory(client_id, head);
    if (!removed.ok()) return removed;
    head.record.removed_history_bytes = head.history_bytes;
    head.record.snapshot.reset();
    head.record.accepts_diverged = false;
  }
  if (is_new_client || carries_on) BeginHistoryAfter(request.expected_parent, head);
  if (is_new_client) head.record.created_unix_seconds = request.now_unix_seconds;
  if (invite) {
    ++invite->uses;
    Put(InviteKey(invite->digest), EncodeInvite(*invite));
    changed_invites_[invite->digest] = *std::move(invite);
  }
  AddVersion(client_id,
             {.version_id = base::RandomUuidWithNumber(head.latest_number + 1),
              .parent_version_id = request.expected_parent,
              .segment = std::move(request.segment)},
             upload, request.now_unix_seconds, head);
  if (is_new_client || carries_on) {
    PutHead(client_id, head, is_new_client);
  } else {
    changed_heads_[client_id] = head;  // its record is unchanged
  }
  return Appended{.version_id = head.latest_version_id,
                  .snapshot = SummaryOf(head),
                  .created_client = is_new_client};
}

void BatchBuilder::BeginHistoryAfter(const Uuid& parent_version_id, ChainHead& head) {
  head.record.first_number = storage::FirstNumberAfter(parent_version_id, head.latest_number);
  head.latest_number = head.record.first_number - 1;
}

void BatchBuilder::AddVersion(const Uuid& client_id, Version version,
                              const std::shared_ptr<UploadState>& upload,
                              int64_t appended_unix_seconds, ChainHead& head) {
  const uint64_t number = head.latest_number + 1;
  VersionTrailer trailer{.version_id = version.version_id,
                         .parent_version_id = version.parent_version_id,
                         .appended_unix_seconds = appended_unix_seconds,
                         .history_bytes = head.history_bytes + version.segment.size(),
                         .segment_is_inline = version.segment.size() < base::kInlineBytesMax};
  if (upload != nullptr) {
    trailer.pieces = Adopt(upload);
    trailer.history_bytes = head.history_bytes + trailer.pieces->bytes;
    trailer.segment_is_inline = false;
  }
  if (!LeadsTo(version.parent_version_id, number)) {
    Put(ParentKey(client_id, version.parent_version_id), EncodeNumber(number));
  }
  const std::string encoded_trailer = EncodeVersionTrailer(trailer);
  if (trailer.segment_is_inline) {
    const std::string key = VersionKey(client_id, number);
    const rocksdb::Slice key_parts[] = {key};
    const rocksdb::Slice value_parts[] = {version.segment, encoded_trailer};
    writes_.Put(rocksdb::SliceParts(key_parts, 1), rocksdb::SliceParts(value_parts, 2))
        .PermitUncheckedError();
  } else {
    Put(VersionKey(client_id, number), encoded_trailer);
    if (trailer.segment_is_apart()) Put(SegmentKey(client_id, number), version.segment);
  }
  head.latest_number = number;
  head.latest_version_id = version.version_id;
  head.history_bytes = trailer.history_bytes;
}

void BatchBuilder::PutHead(const Uuid& client_id, const ChainHead& head, bool is_new_client) {
  Put(ClientKey(client_id), EncodeClientRecord(head.record));
  changed_heads_[client_id] = head;
  if (!is_new_client) return;
  ++totals_.clients;
  client_count_changed_ = true;
}

void BatchBuilder::RemoveSnapshotBytes(const Uuid& client_id, const ChainHead& head) {
  const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
  if (!snapshot) return;
  if (!snapshot->pieces) return Delete(SnapshotKey(client_id));
  for (const std::string& key : ChainReader::KeysOfPieces(client_id, *snapshot->pieces)) {
    Delete(key);
  }
}

void BatchBuilder::PutSnapshot(const Uuid& client_id, const SnapshotRecord& record,
                               std::string& bytes, const std::shared_ptr<UploadState>& upload,
                               ChainHead& head) {
  const bool had_pieces = head.record.snapshot && head.record.snapshot->pieces;
  if (had_pieces || upload != nullptr) RemoveSnapshotBytes(client_id, head);
  SnapshotRecord& snapshot = head.record.snapshot.emplace(record);
  if (upload != nullptr) {
    snapshot.pieces = Adopt(upload);
    snapshot.bytes = snapshot.pieces->bytes;
    return;
  }
  snapshot.bytes = bytes.size();
  Put(SnapshotKey(client_id), bytes);
  Release(bytes);
}

absl::StatusOr<StoreSnapshotOutcome> BatchBuilder::StoreSnapshot(StoreSnapshotRequest& request) {
  const Uuid& client_id = request.client_id;
  const std::shared_ptr<UploadState> upload = StateOf(request.upload.get());
  if (upload != nullptr) {
    if (const absl::Status status = upload->CheckStorable(); !status.ok()) return status;
  }
  absl::StatusOr<std::optional<ChainHead>> found = Head(client_id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return StoreSnapshotOutcome::kNoSuchClient;

  ChainHead head = **found;
  const absl::StatusOr<std::optional<uint64_t>> number =
      reader_.FindRecent(client_id, head, request.version_id, request.recent_versions_max);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return StoreSnapshotOutcome::kNotWanted;
  if (head.record.snapshot && head.record.snapshot->number >= **number) {
    return StoreSnapshotOutcome::kNotWanted;
  }
  if (storage::IsOver(head.kept_history_bytes() + request.snapshot_bytes(),
                      request.limits.bytes_max)) {
    return StoreSnapshotOutcome::kOverLimit;
  }

  PutSnapshot(client_id,
              {.version_id = request.version_id,
               .number = **number,
               .stored_unix_seconds = request.now_unix_seconds},
              request.bytes, upload, head);
  PutHead(client_id, head, /*is_new_client=*/false);
  return StoreSnapshotOutcome::kStored;
}

absl::Status BatchBuilder::RemoveHistory(const Uuid& client_id, const ChainHead& head) {
  // Key by key, not with DeleteRange: in RocksDB 7.8 an iterator that meets a removed range drops
  // the error of a failed read, and a read without the disk fails whenever a block is not in
  // memory. After a DeleteRange, RocksDB 9.1 and later may also write a manifest that 7.8 refuses.
  const auto versions =
      reader_.ReadKeysOfVersions(client_id, head.record.first_number, head.latest_number + 1);
  if (!versions.ok()) return versions.status();
  const auto of_replicas = reader_.ReadKeysOfReplicas(client_id);
  if (!of_replicas.ok()) return of_replicas.status();
  for (const std::string& key : *versions) Delete(key);
  for (const std::string& key : *of_replicas) Delete(key);
  RemoveSnapshotBytes(client_id, head);
  reduced_clients_.push_back(client_id);
  forgotten_clients_.push_back(client_id);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> BatchBuilder::RemoveVersions(const Uuid& client_id, uint64_t end_number,
                                                      ChainHead head) {
  const auto last = reader_.ReadTrailer(client_id, end_number - 1);
  if (!last.ok()) return last.status();
  const auto keys = reader_.ReadKeysOfVersions(client_id, head.record.first_number, end_number);
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys) Delete(key);
  head.record.first_number = end_number;
  const uint64_t removed_before = head.record.removed_history_bytes;
  if (last->has_value()) head.record.removed_history_bytes = (*last)->history_bytes;
  PutHead(client_id, head, /*is_new_client=*/false);
  reduced_clients_.push_back(client_id);
  // Not less than before, unless a damaged record says so.
  return std::max(head.record.removed_history_bytes, removed_before) - removed_before;
}

absl::Status BatchBuilder::Rewind(const Uuid& client_id, uint64_t latest_number,
                                  bool remove_snapshot, ChainHead head) {
  const auto latest = reader_.ReadTrailer(client_id, latest_number);
  if (!latest.ok()) return latest.status();
  if (!latest->has_value()) {
    return absl::DataLossError(absl::StrCat("version ", latest_number,
                                            " is missing, so that nothing can be rewound to it"));
  }
  const auto versions =
      reader_.ReadKeysOfVersions(client_id, latest_number + 1, head.latest_number + 1);
  if (!versions.ok()) return versions.status();
  const auto of_replicas = reader_.ReadKeysOfReplicas(client_id);
  if (!of_replicas.ok()) return of_replicas.status();
  for (const std::string& key : *versions) Delete(key);
  // The days stay, because they show when the client was used.
  for (const std::string& key : *of_replicas) {
    if (!ParsePositionKey(client_id, key)) continue;
    const auto value = reader_.Read(key);
    if (!value.ok()) return value.status();
    const std::optional<uint64_t> number =
        value->has_value() ? DecodeNumber(**value) : std::nullopt;
    if (number && *number > latest_number) Put(key, EncodeNumber(latest_number));
  }
  const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
  if (snapshot && (remove_snapshot || snapshot->number > latest_number)) {
    RemoveSnapshotBytes(client_id, head);
    head.record.snapshot.reset();
  }
  // It was permitted to a replica with another history.
  head.record.accepts_diverged = false;
  head.latest_number = latest_number;
  head.latest_version_id = (*latest)->version_id;
  head.history_bytes = (*latest)->history_bytes;
  PutHead(client_id, head, /*is_new_client=*/false);
  reduced_clients_.push_back(client_id);
  return absl::OkStatus();
}

absl::Status BatchBuilder::RemoveClient(const Uuid& client_id, const ChainHead& head) {
  const absl::Status removed = RemoveHistory(client_id, head);
  if (!removed.ok()) return removed;
  RemoveUploads(client_id);
  Delete(ClientKey(client_id));
  changed_heads_[client_id] = std::nullopt;
  --totals_.clients;
  client_count_changed_ = true;
  return absl::OkStatus();
}

void BatchBuilder::PutTotals() {
  if (client_count_changed_) Put(ClientCountKey(), EncodeNumber(totals_.clients));
  const uint64_t before = totals_.live_bytes;
  for (const auto& [client_id, head] : changed_heads_) {
    const auto earlier = live_bytes_before_.find(client_id);
    const uint64_t removed = earlier == live_bytes_before_.end() ? 0 : earlier->second;
    totals_.live_bytes -= std::min(totals_.live_bytes, removed);
    if (head) totals_.live_bytes += head->live_bytes();
  }
  if (totals_.live_bytes != before) Put(LiveBytesKey(), EncodeNumber(totals_.live_bytes));
}

void BatchBuilder::PutRemovals() {
  if (!removes()) return;
  // Different for each removal, so that a compaction takes back only the notes that it began with.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string note = EncodeNumber(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
  for (const std::vector<Uuid>* const clients : {&reduced_clients_, &noted_clients_}) {
    for (const Uuid& client_id : *clients) {
      const bool is_erased = std::find(forgotten_clients_.begin(), forgotten_clients_.end(),
                                       client_id) != forgotten_clients_.end();
      Put(is_erased ? ErasedKey(client_id) : ShortenedKey(client_id), note);
    }
  }
}

void BatchBuilder::BeforeWrite() {
  PutTotals();
  PutRemovals();
  for (const Uuid& client_id : reduced_clients_) head_cache_.Invalidate(client_id);
}

void BatchBuilder::AfterWrite(bool written) {
  if (!written) {
    for (const Uuid& client_id : reduced_clients_) head_cache_.Forget(client_id);
    return;
  }
  for (const auto& [upload, bytes] : added_pieces_) {
    upload->bytes += bytes;
    ++upload->pieces;
  }
  for (const std::shared_ptr<UploadState>& upload : stored_uploads_) {
    upload->is_stored = true;
    uploads_.End(*upload);
  }
  for (const std::shared_ptr<UploadState>& upload : removed_uploads_) {
    upload->is_removed = true;
    uploads_.End(*upload);
  }
  for (const auto& [client_id, head] : changed_heads_) {
    if (head) {
      head_cache_.Publish(client_id, *head);
    } else {
      head_cache_.Forget(client_id);
    }
  }
}

}  // namespace tcsync::rocksdb_storage
