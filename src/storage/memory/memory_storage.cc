#include "storage/memory/memory_storage.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "storage/client_limits.h"
#include "storage/replicas_ahead.h"
#include "storage/rewind_refusals.h"
#include "storage/version_numbers.h"

namespace tcsync::memory_storage {

// An upload with known limits.
class MemoryStorage::CollectedUpload final : public Upload {
 public:
  // The storage's mutex must be held.
  CollectedUpload(MemoryStorage& storage, const Uuid& client_id, uint64_t bytes_max)
      : storage_(storage), client_id_(client_id), bytes_max_(bytes_max) {
    storage_.uploads_[client_id_].push_back(this);
  }
  ~CollectedUpload() override {
    const std::lock_guard lock(storage_.mutex_);
    const auto it = storage_.uploads_.find(client_id_);
    it->second.erase(std::find(it->second.begin(), it->second.end(), this));
    if (it->second.empty()) storage_.uploads_.erase(it);
    storage_.upload_bytes_ -= counted_bytes_;
  }

  uint64_t bytes() const override { return bytes_.size(); }
  void Add(std::string piece, AddedCallback done) override {
    if (const absl::Status status = Check(); !status.ok()) return done(status);
    if (bytes_.size() + piece.size() > bytes_max_) {
      return done(absl::OutOfRangeError("the client has as much as its limits allow"));
    }
    bytes_ += piece;
    {
      const std::lock_guard lock(storage_.mutex_);
      counted_bytes_ += piece.size();
      storage_.upload_bytes_ += piece.size();
    }
    done(absl::OkStatus());
  }

  absl::Status Check() const {
    const std::lock_guard lock(storage_.mutex_);
    return is_removed_ ? absl::AbortedError("the client was deleted during the upload")
                       : absl::OkStatus();
  }
  // The client is deleted; the storage's mutex must be held.
  void Remove() { is_removed_ = true; }

  std::string TakeBytes() {
    const std::lock_guard lock(storage_.mutex_);
    storage_.upload_bytes_ -= std::exchange(counted_bytes_, 0);
    return std::move(bytes_);
  }

 private:
  MemoryStorage& storage_;
  const Uuid client_id_;
  const uint64_t bytes_max_;
  std::string bytes_;
  // Guarded by the storage's mutex:
  uint64_t counted_bytes_ = 0;
  bool is_removed_ = false;
};

// Reads bytes that are in memory in pieces.
class MemoryStorage::StoredSlices final : public PieceSource {
 public:
  StoredSlices(const MemoryStorage& storage, const Uuid& client_id, uint64_t number,
               const Uuid& version_id, uint64_t bytes)
      : storage_(storage),
        client_id_(client_id),
        number_(number),
        version_id_(version_id),
        bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }
  uint32_t pieces() const override {
    return static_cast<uint32_t>((bytes_ + base::kPieceBytesMax - 1) / base::kPieceBytesMax);
  }
  void Read(PieceCallback done) override {
    absl::StatusOr<std::string> piece = [&]() -> absl::StatusOr<std::string> {
      const std::lock_guard lock(storage_.mutex_);
      const std::string* const all = storage_.FindBytes(client_id_, number_, version_id_);
      if (all == nullptr || all->size() != bytes_) {
        return absl::AbortedError("it was removed or replaced while it was being read");
      }
      return all->substr(base::kPieceBytesMax * next_piece_++, base::kPieceBytesMax);
    }();
    done(std::move(piece));
  }
  void SkipTo(uint32_t piece) override { next_piece_ = piece; }

 private:
  const MemoryStorage& storage_;
  const Uuid client_id_;
  const uint64_t number_;  // 0: the snapshot
  const Uuid version_id_;
  const uint64_t bytes_;
  size_t next_piece_ = 0;
};

const std::string* MemoryStorage::FindBytes(const Uuid& client_id, uint64_t number,
                                            const Uuid& version_id) const {
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return nullptr;
  const Client& client = it->second;
  if (number == 0) {
    const bool is_there = client.snapshot && client.snapshot->snapshot.version_id == version_id;
    return is_there ? &client.snapshot->snapshot.bytes : nullptr;
  }
  if (number < client.first_number || number > client.latest_number()) return nullptr;
  const Version& version = client.At(number).version;
  return version.version_id == version_id ? &version.segment : nullptr;
}

Version MemoryStorage::InPieces(const Uuid& client_id, const StoredVersion& stored) {
  const Version& version = stored.version;
  if (version.segment.size() <= base::kPieceBytesMax) return version;
  Version result{.version_id = version.version_id,
                 .parent_version_id = version.parent_version_id,
                 .segment = {}};
  result.pieces = std::make_shared<StoredSlices>(*this, client_id, stored.number,
                                                 version.version_id, version.segment.size());
  return result;
}

uint32_t MemoryStorage::DayOf(int64_t unix_seconds) {
  const int64_t day = std::max<int64_t>(unix_seconds, 0) / kSecondsOfDay;
  return static_cast<uint32_t>(std::min<int64_t>(day, std::numeric_limits<uint32_t>::max()));
}

std::optional<uint64_t> MemoryStorage::Client::NumberOf(const Uuid& version_id) const {
  if (chain.empty()) return std::nullopt;
  if (version_id == latest_version_id()) return latest_number();
  const auto child = number_by_parent.find(version_id);
  if (child == number_by_parent.end() || child->second == first_number) return std::nullopt;
  return child->second - 1;
}

std::optional<SnapshotSummary> MemoryStorage::Client::Summary() const {
  if (!snapshot) return std::nullopt;
  return SnapshotSummary{.version_id = snapshot->snapshot.version_id,
                         .stored_unix_seconds = snapshot->stored_unix_seconds,
                         .versions_since = latest_number() - snapshot->number};
}

void MemoryStorage::Client::Add(Version version, int64_t appended_unix_seconds) {
  const uint64_t number = latest_number() + 1;
  number_by_parent[version.parent_version_id] = number;
  history_bytes += version.segment.size();
  chain.push_back({.number = number,
                   .appended_unix_seconds = appended_unix_seconds,
                   .version = std::move(version)});
}

void MemoryStorage::Client::RemoveFirst() {
  const Version& version = chain.front().version;
  number_by_parent.erase(version.parent_version_id);
  history_bytes -= version.segment.size();
  chain.pop_front();
  ++first_number;
}

void MemoryStorage::Client::RemoveLast() {
  const Version& version = chain.back().version;
  number_by_parent.erase(version.parent_version_id);
  history_bytes -= version.segment.size();
  chain.pop_back();
}

std::optional<uint64_t> MemoryStorage::Client::NumberOrBase(const Uuid& version_id) const {
  if (version_id.IsNil() || chain.empty()) return std::nullopt;
  if (chain.front().version.parent_version_id == version_id) return first_number - 1;
  return NumberOf(version_id);
}

bool MemoryStorage::Client::TakeSnapshot(ImportRequest::ImportedSnapshot imported) {
  const std::optional<uint64_t> number = NumberOrBase(imported.snapshot.version_id);
  if (!number || (snapshot && snapshot->number >= *number)) return false;
  snapshot = StoredSnapshot{.snapshot = std::move(imported.snapshot),
                            .number = *number,
                            .stored_unix_seconds = imported.stored_unix_seconds};
  return true;
}

void MemoryStorage::Client::TakeReplicas(const ImportRequest::ImportedReplicas& imported,
                                         uint32_t today) {
  for (const ImportRequest::ImportedReplicas::Position& position : imported.positions) {
    const std::optional<uint64_t> number = NumberOrBase(position.version_id);
    if (!number) continue;
    const uint64_t kept = std::max(*number, first_number);
    const uint32_t day = std::min(DayOf(position.day_unix_seconds), today);
    uint64_t& oldest = positions.try_emplace(day, kept).first->second;
    oldest = std::min(oldest, kept);
  }
  // The oldest first, so that the latest is inserted at the front last.
  std::for_each(
      imported.ahead.rbegin(), imported.ahead.rend(),
      [this](const ReplicaAhead& replica) { storage::AddReplicaAhead(replica, replicas_ahead); });
  if (imported.accepts_diverged) accepts_diverged = true;
}

Invite* MemoryStorage::UsableInvite(const TokenDigest& digest, int64_t now_unix_seconds) {
  const auto it = invites_.find(digest);
  if (it == invites_.end() || !MayCreateClient(it->second, now_unix_seconds)) return nullptr;
  return &it->second;
}

std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted> MemoryStorage::AllowedUpload(
    const UploadRequest& request) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  if (std::holds_alternative<UploadRequest::ForImport>(request.purpose)) return kAny;
  const auto it = clients_.find(request.client_id);
  const Client* const client = it == clients_.end() ? nullptr : &it->second;
  uint64_t kept_bytes = 0;
  uint64_t versions = 0;
  if (const auto* append = std::get_if<UploadRequest::ForAppend>(&request.purpose)) {
    if (client != nullptr) {
      const bool is_latest = client->latest_version_id() == append->expected_parent;
      if (!is_latest && !client->AcceptsDivergedAt(append->expected_parent)) {
        return Conflict{client->latest_version_id()};
      }
      if (is_latest) {
        kept_bytes = client->history_bytes + client->snapshot_bytes();
        versions = client->chain.size();
      }
    } else if (!append->create_client ||
               (append->invite &&
                UsableInvite(*append->invite, request.now_unix_seconds) == nullptr)) {
      return NoSuchClient{};
    }
    ++versions;
  } else {
    const auto& of_snapshot = std::get<UploadRequest::ForSnapshot>(request.purpose);
    if (client == nullptr) return NoSuchClient{};
    const std::optional<uint64_t> number = client->NumberOf(of_snapshot.version_id);
    if (!number || client->latest_number() - *number >= of_snapshot.recent_versions_max ||
        (client->snapshot && client->snapshot->number >= *number)) {
      return NotWanted{};
    }
    kept_bytes = client->history_bytes;
  }
  const ClientLimits& limits = request.limits;
  const uint64_t bytes = kept_bytes + std::max<uint64_t>(request.announced_bytes, 1);
  if (storage::IsOver(bytes, limits.bytes_max) || storage::IsOver(versions, limits.versions_max)) {
    return OverLimit{.bytes = bytes, .versions = versions};
  }
  return limits.bytes_max > 0 ? limits.bytes_max - kept_bytes : kAny;
}

void MemoryStorage::BeginUpload(UploadRequest request, BeginUploadCallback done) {
  absl::StatusOr<UploadOutcome> outcome = [&]() -> absl::StatusOr<UploadOutcome> {
    const std::lock_guard lock(mutex_);
    const auto allowed = AllowedUpload(request);
    if (const auto* conflict = std::get_if<Conflict>(&allowed)) return *conflict;
    if (const auto* over = std::get_if<OverLimit>(&allowed)) return *over;
    if (std::holds_alternative<NoSuchClient>(allowed)) return NoSuchClient{};
    if (std::holds_alternative<NotWanted>(allowed)) return NotWanted{};
    const auto others = uploads_.find(request.client_id);
    if (others != uploads_.end() && others->second.size() >= base::kUploadsPerClientMax) {
      return absl::UnavailableError(absl::StrCat("the client has ", base::kUploadsPerClientMax,
                                                 " large uploads in progress already"));
    }
    return std::make_unique<CollectedUpload>(*this, request.client_id, std::get<uint64_t>(allowed));
  }();
  done(std::move(outcome));
}

absl::Status MemoryStorage::TakeUploaded(Upload* upload, std::string& bytes) {
  if (upload == nullptr) return absl::OkStatus();
  auto* const collected = static_cast<CollectedUpload*>(upload);  // storage created it
  if (const absl::Status status = collected->Check(); !status.ok()) return status;
  bytes = collected->TakeBytes();
  if (bytes.empty()) return absl::InvalidArgumentError("nothing was added to the upload");
  return absl::OkStatus();
}

AppendOutcome MemoryStorage::AppendLocked(AppendRequest request) {
  const auto it = clients_.find(request.client_id);
  const bool is_new_client = it == clients_.end();
  if (is_new_client && !request.create_client) return NoSuchClient{};
  Invite* invite = nullptr;
  if (is_new_client && request.invite) {
    invite = UsableInvite(*request.invite, request.now_unix_seconds);
    if (invite == nullptr) return NoSuchClient{};
  }

  Client created(request.now_unix_seconds, storage::FirstNumberAfter(request.expected_parent, 0));
  Client& client = is_new_client ? created : it->second;
  bool carries_on = false;
  if (!is_new_client && client.latest_version_id() != request.expected_parent) {
    carries_on = client.AcceptsDivergedAt(request.expected_parent);
    if (!carries_on) return Conflict{client.latest_version_id()};
  }
  const OverLimit usage{.bytes = (carries_on ? 0 : client.history_bytes + client.snapshot_bytes()) +
                                 request.segment.size(),
                        .versions = (carries_on ? 0 : client.chain.size()) + 1};
  if (storage::IsOver(usage.bytes, request.limits.bytes_max) ||
      storage::IsOver(usage.versions, request.limits.versions_max)) {
    return usage;
  }

  if (invite != nullptr) ++invite->uses;
  if (carries_on) {
    client = Client(client.created_unix_seconds,
                    storage::FirstNumberAfter(request.expected_parent, client.latest_number()));
  }
  const Uuid version_id = base::RandomUuidWithNumber(client.latest_number() + 1);
  client.Add({version_id, request.expected_parent, std::move(request.segment)},
             request.now_unix_seconds);
  const Appended appended{
      .version_id = version_id, .snapshot = client.Summary(), .created_client = is_new_client};
  if (is_new_client) clients_.emplace(request.client_id, std::move(created));
  return appended;
}

void MemoryStorage::Append(AppendRequest request, AppendCallback done) {
  const std::shared_ptr<Upload> upload = std::move(request.upload);
  const absl::Status taken = TakeUploaded(upload.get(), request.segment);
  if (!taken.ok()) return done(taken);
  AppendOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return AppendLocked(std::move(request));
  }();
  done(std::move(outcome));
}

StoreSnapshotOutcome MemoryStorage::StoreSnapshotLocked(StoreSnapshotRequest request) {
  const auto it = clients_.find(request.client_id);
  if (it == clients_.end()) return StoreSnapshotOutcome::kNoSuchClient;
  Client& client = it->second;
  const std::optional<uint64_t> number = client.NumberOf(request.version_id);
  if (!number || client.latest_number() - *number >= request.recent_versions_max ||
      (client.snapshot && client.snapshot->number >= *number)) {
    return StoreSnapshotOutcome::kNotWanted;
  }
  if (storage::IsOver(client.history_bytes + request.bytes.size(), request.limits.bytes_max)) {
    return StoreSnapshotOutcome::kOverLimit;
  }
  client.snapshot = StoredSnapshot{.snapshot = {request.version_id, std::move(request.bytes)},
                                   .number = *number,
                                   .stored_unix_seconds = request.now_unix_seconds};
  return StoreSnapshotOutcome::kStored;
}

void MemoryStorage::StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) {
  const std::shared_ptr<Upload> upload = std::move(request.upload);
  const absl::Status taken = TakeUploaded(upload.get(), request.bytes);
  if (!taken.ok()) return done(taken);
  const StoreSnapshotOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return StoreSnapshotLocked(std::move(request));
  }();
  done(outcome);
}

ChildOutcome MemoryStorage::GetChildLocked(const Uuid& client_id, const Uuid& parent_version_id) {
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return NoSuchClient{};
  const Client& client = it->second;
  const auto child = client.number_by_parent.find(parent_version_id);
  if (child != client.number_by_parent.end()) return InPieces(client_id, client.At(child->second));
  const Uuid latest = client.latest_version_id();
  return NoChild{.latest_version_id = latest,
                 .accepts_diverged =
                     latest != parent_version_id && client.AcceptsDivergedAt(parent_version_id)};
}

void MemoryStorage::GetChild(const Uuid& client_id, const Uuid& parent_version_id,
                             ChildCallback done) {
  ChildOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return GetChildLocked(client_id, parent_version_id);
  }();
  done(std::move(outcome));
}

std::optional<Snapshot> MemoryStorage::GetSnapshotLocked(const Uuid& client_id) {
  const auto it = clients_.find(client_id);
  if (it == clients_.end() || !it->second.snapshot) return std::nullopt;
  const Snapshot& snapshot = it->second.snapshot->snapshot;
  if (snapshot.bytes.size() <= base::kPieceBytesMax) return snapshot;
  Snapshot result{.version_id = snapshot.version_id, .bytes = {}};
  result.pieces = std::make_shared<StoredSlices>(*this, client_id, /*number=*/0,
                                                 snapshot.version_id, snapshot.bytes.size());
  return result;
}

void MemoryStorage::GetSnapshot(const Uuid& client_id, SnapshotCallback done) {
  std::optional<Snapshot> snapshot = [&] {
    const std::lock_guard lock(mutex_);
    return GetSnapshotLocked(client_id);
  }();
  done(std::move(snapshot));
}

void MemoryStorage::NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id,
                                    int64_t now_unix_seconds) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return;
  const std::optional<uint64_t> number = it->second.NumberOf(version_id);
  if (!number) return;
  uint64_t& oldest =
      it->second.positions.try_emplace(DayOf(now_unix_seconds), *number).first->second;
  oldest = std::min(oldest, *number);
}

void MemoryStorage::NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id,
                                     int64_t now_unix_seconds) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  // A replica at the nil version has nothing of the history, and is ahead of nobody.
  if (it == clients_.end() || version_id.IsNil()) return;
  storage::AddReplicaAhead({version_id, now_unix_seconds}, it->second.replicas_ahead);
}

absl::StatusOr<bool> MemoryStorage::DeleteClient(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  const auto uploads = uploads_.find(client_id);
  if (uploads != uploads_.end()) {
    for (CollectedUpload* const upload : uploads->second) upload->Remove();
  }
  devices_.erase(client_id);
  return clients_.erase(client_id) > 0;
}

absl::StatusOr<ImportOutcome> MemoryStorage::Import(ImportRequest request) {
  std::vector<std::shared_ptr<Upload>> uploads;  // destroyed after the mutex is released
  for (StoredVersion& stored : request.versions) {
    const absl::Status taken = TakeUploaded(stored.upload.get(), stored.version.segment);
    if (!taken.ok()) return taken;
    uploads.push_back(std::move(stored.upload));
  }
  if (request.snapshot) {
    const absl::Status taken =
        TakeUploaded(request.snapshot->upload.get(), request.snapshot->snapshot.bytes);
    if (!taken.ok()) return taken;
    uploads.push_back(std::move(request.snapshot->upload));
  }
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(request.client_id);
  if (it == clients_.end() && request.versions.empty()) return Imported{};
  const Uuid first_parent =
      request.versions.empty() ? Uuid() : request.versions.front().version.parent_version_id;
  const Client empty(request.created_unix_seconds, storage::FirstNumberAfter(first_parent, 0));
  const Client& client = it == clients_.end() ? empty : it->second;

  // The part is checked first; then it is added as a whole or not at all.
  Imported imported;
  Uuid latest = client.latest_version_id();
  bool chain_is_empty = client.chain.empty();
  absl::flat_hash_set<Uuid> taken;  // parents of versions here, and versions of the part
  for (const auto& [parent, number] : client.number_by_parent) taken.insert(parent);
  for (const StoredVersion& stored : request.versions) {
    const Version& version = stored.version;
    const std::optional<uint64_t> present = client.NumberOf(version.version_id);
    if (present && imported.versions_added == 0 &&
        client.At(*present).version.parent_version_id == version.parent_version_id) {
      ++imported.versions_present;
      continue;
    }
    if (present || (!chain_is_empty && version.parent_version_id != latest)) {
      return DoesNotContinue{.latest_version_id = client.latest_version_id(),
                             .first_version_id = version.version_id,
                             .parent_version_id = version.parent_version_id};
    }
    if (chain_is_empty) taken.insert(version.parent_version_id);
    if (version.version_id.IsNil() || !taken.insert(version.version_id).second) {
      return absl::InvalidArgumentError(absl::StrCat("version ", version.version_id.ToString(),
                                                     " comes twice in the imported history"));
    }
    chain_is_empty = false;
    latest = version.version_id;
    ++imported.versions_added;
  }

  Client& target = clients_.try_emplace(request.client_id, empty).first->second;
  for (size_t i = imported.versions_present; i < request.versions.size(); ++i) {
    StoredVersion& stored = request.versions[i];
    target.Add(std::move(stored.version), stored.appended_unix_seconds);
  }
  const bool is_new_client = it == clients_.end();
  if (request.snapshot)
    imported.snapshot_stored = target.TakeSnapshot(*std::move(request.snapshot));
  bool is_position_known = !is_new_client || request.replicas_follow;
  if (request.replicas) {
    target.TakeReplicas(*request.replicas, DayOf(request.now_unix_seconds));
    is_position_known = !target.positions.empty();
  }
  if (!is_position_known) {
    target.positions[DayOf(request.now_unix_seconds)] = target.first_number;
  }
  return imported;
}

absl::StatusOr<uint64_t> MemoryStorage::RemoveVersions(const Uuid& client_id,
                                                       uint64_t first_number) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return absl::NotFoundError("there is no such client");
  Client& client = it->second;
  if (first_number <= client.first_number) return 0;
  if (!client.snapshot || client.snapshot->number + 1 < first_number) {
    return absl::FailedPreconditionError(
        absl::StrCat("the client has no snapshot at version ", first_number - 1,
                     " or later, so a new replica could not start from what would be left"));
  }
  const uint64_t bytes_before = client.history_bytes;
  const uint64_t end = std::min({first_number, client.snapshot->number, client.latest_number()});
  while (client.first_number < end) client.RemoveFirst();
  return bytes_before - client.history_bytes;
}

absl::StatusOr<Rewound> MemoryStorage::Rewind(const RewindRequest& request) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(request.client_id);
  if (it == clients_.end()) return storage::NoClientToRewind();
  Client& client = it->second;
  const std::optional<Uuid> snapshot_version_id =
      client.snapshot ? std::optional(client.snapshot->snapshot.version_id) : std::nullopt;
  if (client.latest_version_id() != request.latest_version_id ||
      snapshot_version_id != request.snapshot_version_id) {
    return storage::ClientChangedBeforeRewind(request);
  }
  const std::optional<uint64_t> number = client.NumberOf(request.version_id);
  if (!number) return storage::NoVersionToRewindTo(request);
  Rewound rewound;
  const uint64_t bytes_before = client.history_bytes;
  while (client.latest_number() > *number) {
    client.RemoveLast();
    ++rewound.versions_removed;
  }
  rewound.bytes_removed = bytes_before - client.history_bytes;
  if (client.snapshot && (request.remove_snapshot || client.snapshot->number > *number)) {
    rewound.snapshot_removed = true;
    rewound.bytes_removed += client.snapshot_bytes();
    client.snapshot.reset();
  }
  client.accepts_diverged = false;
  for (auto& [day, position] : client.positions) position = std::min(position, *number);
  return rewound;
}

absl::StatusOr<bool> MemoryStorage::AcceptDiverged(const Uuid& client_id, bool allow) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return false;
  it->second.accepts_diverged = allow;
  return true;
}

}  // namespace tcsync::memory_storage
