#include "storage/memory/memory_storage.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/random.h"
#include "storage/replicas_ahead.h"

namespace tcsync {
namespace {

constexpr size_t kPseudonymKeyBytes = 32;

bool IsOver(uint64_t amount, uint64_t max) { return max > 0 && amount > max; }

}  // namespace

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
  // The oldest first, so that the latest comes to the front last.
  std::for_each(imported.ahead.rbegin(), imported.ahead.rend(),
                [this](const ReplicaAhead& replica) { AddReplicaAhead(replica, replicas_ahead); });
  if (imported.may_carry_on) may_carry_on = true;
}

Invite* MemoryStorage::UsableInvite(const TokenDigest& digest, int64_t now_unix_seconds) {
  const auto it = invites_.find(digest);
  if (it == invites_.end() || !MayCreateClient(it->second, now_unix_seconds)) return nullptr;
  return &it->second;
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

  Client created(request.now_unix_seconds);
  Client& client = is_new_client ? created : it->second;
  bool carries_on = false;
  if (!is_new_client && client.latest_version_id() != request.expected_parent) {
    carries_on = client.MayCarryOnFrom(request.expected_parent);
    if (!carries_on) return Conflict{client.latest_version_id()};
  }
  const OverLimit usage{.bytes = (carries_on ? 0 : client.history_bytes + client.snapshot_bytes()) +
                                 request.segment.size(),
                        .versions = (carries_on ? 0 : client.chain.size()) + 1};
  if (IsOver(usage.bytes, request.limits.bytes_max) ||
      IsOver(usage.versions, request.limits.versions_max)) {
    return usage;
  }

  if (invite != nullptr) ++invite->uses;
  if (carries_on) {
    client = Client(client.created_unix_seconds, client.latest_number() + 1);
  }
  const Uuid version_id = Uuid::RandomWithNumber(client.latest_number() + 1);
  client.Add({version_id, request.expected_parent, std::move(request.segment)},
             request.now_unix_seconds);
  const Appended appended{
      .version_id = version_id, .snapshot = client.Summary(), .created_client = is_new_client};
  if (is_new_client) clients_.emplace(request.client_id, std::move(created));
  return appended;
}

void MemoryStorage::Append(AppendRequest request, AppendCallback done) {
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
  if (IsOver(client.history_bytes + request.bytes.size(), request.limits.bytes_max)) {
    return StoreSnapshotOutcome::kOverLimit;
  }
  client.snapshot = StoredSnapshot{.snapshot = {request.version_id, std::move(request.bytes)},
                                   .number = *number,
                                   .stored_unix_seconds = request.now_unix_seconds};
  return StoreSnapshotOutcome::kStored;
}

void MemoryStorage::StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) {
  const StoreSnapshotOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return StoreSnapshotLocked(std::move(request));
  }();
  done(outcome);
}

ChildOutcome MemoryStorage::GetChildLocked(const Uuid& client_id,
                                           const Uuid& parent_version_id) const {
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return NoSuchClient{};
  const Client& client = it->second;
  const auto child = client.number_by_parent.find(parent_version_id);
  if (child != client.number_by_parent.end()) return client.At(child->second).version;
  const Uuid latest = client.latest_version_id();
  return NoChild{
      .latest_version_id = latest,
      .may_carry_on = latest != parent_version_id && client.MayCarryOnFrom(parent_version_id)};
}

void MemoryStorage::GetChild(const Uuid& client_id, const Uuid& parent_version_id,
                             ChildCallback done) {
  ChildOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return GetChildLocked(client_id, parent_version_id);
  }();
  done(std::move(outcome));
}

std::optional<Snapshot> MemoryStorage::GetSnapshotLocked(const Uuid& client_id) const {
  const auto it = clients_.find(client_id);
  if (it == clients_.end() || !it->second.snapshot) return std::nullopt;
  return it->second.snapshot->snapshot;
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
  // A replica at the nil version is empty, and ahead of nobody.
  if (it == clients_.end() || version_id.IsNil()) return;
  AddReplicaAhead({version_id, now_unix_seconds}, it->second.replicas_ahead);
}

absl::StatusOr<bool> MemoryStorage::DeleteClient(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  return clients_.erase(client_id) > 0;
}

absl::StatusOr<ImportOutcome> MemoryStorage::Import(ImportRequest request) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(request.client_id);
  if (it == clients_.end() && request.versions.empty()) return Imported{};
  const Client empty(request.created_unix_seconds);
  const Client& client = it == clients_.end() ? empty : it->second;

  // First what the part is worth; then it is added as a whole or not at all.
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
                                                     " comes twice in the imported history of ",
                                                     request.client_id.ToString()));
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
  if (it == clients_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no client ", client_id.ToString()));
  }
  Client& client = it->second;
  if (first_number <= client.first_number) return 0;
  if (!client.snapshot || client.snapshot->number + 1 < first_number) {
    return absl::FailedPreconditionError(absl::StrCat(
        "client ", client_id.ToString(), " has no snapshot at version ", first_number - 1,
        " or later, so a new replica could not start from what would be left"));
  }
  const uint64_t bytes_before = client.history_bytes;
  const uint64_t end = std::min({first_number, client.snapshot->number, client.latest_number()});
  while (client.first_number < end) client.RemoveFirst();
  return bytes_before - client.history_bytes;
}

absl::StatusOr<bool> MemoryStorage::LetReplicaCarryOn(const Uuid& client_id, bool allow) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return false;
  it->second.may_carry_on = allow;
  return true;
}

absl::StatusOr<AccessRecords> MemoryStorage::ReadAccessRecords() {
  const std::lock_guard lock(mutex_);
  AccessRecords records;
  for (const auto& [client_id, ban] : bans_) records.bans.push_back(ban);
  for (const auto& [client_id, token] : tokens_) records.tokens.push_back(token);
  for (const auto& [digest, invite] : invites_) records.invites.push_back(invite);
  return records;
}

absl::Status MemoryStorage::ChangeAccess(const AccessChange& change) {
  const std::lock_guard lock(mutex_);
  std::visit(
      [this](const auto& record) {
        using Record = std::decay_t<decltype(record)>;
        if constexpr (std::is_same_v<Record, Ban>) {
          bans_[record.client_id] = record;
        } else if constexpr (std::is_same_v<Record, ClientToken>) {
          tokens_[record.client_id] = record;
        } else if constexpr (std::is_same_v<Record, Invite>) {
          Invite& invite = invites_[record.digest];
          const uint64_t uses = std::max(invite.uses, record.uses);
          invite = record;
          invite.uses = uses;
        } else if constexpr (std::is_same_v<Record, RemoveBan>) {
          bans_.erase(record.client_id);
        } else if constexpr (std::is_same_v<Record, RemoveToken>) {
          tokens_.erase(record.client_id);
        } else {
          invites_.erase(record.digest);
        }
      },
      change);
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryStorage::PseudonymKey() {
  const std::lock_guard lock(mutex_);
  if (pseudonym_key_.empty()) pseudonym_key_ = RandomBytes(kPseudonymKeyBytes);
  return pseudonym_key_;
}

}  // namespace tcsync
