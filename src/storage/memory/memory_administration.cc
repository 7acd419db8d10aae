#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "storage/chain_notes.h"
#include "storage/memory/memory_storage.h"

namespace tcsync::memory_storage {
namespace {

constexpr size_t kPseudonymKeyBytes = 32;

}  // namespace

ClientSummary MemoryStorage::Summarize(const Uuid& client_id, const Client& client) {
  ClientSummary summary{.client_id = client_id,
                        .created_unix_seconds = client.created_unix_seconds,
                        .first_number = client.first_number,
                        .latest_number = client.latest_number(),
                        .latest_version_id = client.latest_version_id(),
                        .history_bytes = client.history_bytes,
                        .snapshot = client.Summary(),
                        .snapshot_number = client.snapshot ? client.snapshot->number : 0,
                        .snapshot_bytes = client.snapshot_bytes(),
                        .replicas_ahead = client.replicas_ahead,
                        .accepts_diverged = client.accepts_diverged};
  if (!client.chain.empty()) {
    summary.latest_appended_unix_seconds = client.chain.back().appended_unix_seconds;
  }
  if (!client.positions.empty()) {
    summary.last_seen_unix_seconds = client.positions.rbegin()->first * kSecondsOfDay;
  }
  return summary;
}

absl::StatusOr<std::vector<ClientSummary>> MemoryStorage::ListClients(
    const std::optional<Uuid>& after, size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<ClientSummary> clients;
  auto it = after ? clients_.upper_bound(*after) : clients_.begin();
  for (; it != clients_.end() && clients.size() < limit; ++it) {
    clients.push_back(Summarize(it->first, it->second));
  }
  return clients;
}

absl::StatusOr<std::optional<ClientSummary>> MemoryStorage::FindClient(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return std::nullopt;
  return Summarize(client_id, it->second);
}

absl::StatusOr<std::vector<StoredVersion>> MemoryStorage::ReadVersions(const Uuid& client_id,
                                                                       uint64_t after_number,
                                                                       uint64_t bytes_max) {
  const std::lock_guard lock(mutex_);
  std::vector<StoredVersion> versions;
  const auto it = clients_.find(client_id);
  if (it == clients_.end() || after_number >= it->second.latest_number()) return versions;
  Client& client = it->second;
  uint64_t bytes = 0;
  for (uint64_t number = std::max(client.first_number, after_number + 1);
       number <= client.latest_number(); ++number) {
    const StoredVersion& version = client.At(number);
    bytes += version.version.segment.size();
    if (!versions.empty() && bytes > bytes_max) break;
    versions.push_back({.number = number,
                        .appended_unix_seconds = version.appended_unix_seconds,
                        .version = InPieces(client_id, version)});
  }
  return versions;
}

absl::StatusOr<std::vector<VersionSummary>> MemoryStorage::ListVersions(const Uuid& client_id,
                                                                        uint64_t after_number,
                                                                        size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<VersionSummary> versions;
  const auto it = clients_.find(client_id);
  if (it == clients_.end() || after_number >= it->second.latest_number()) return versions;
  const Client& client = it->second;
  for (uint64_t number = std::max(client.first_number, after_number + 1);
       number <= client.latest_number() && versions.size() < limit; ++number) {
    const StoredVersion& stored = client.At(number);
    versions.push_back({.number = number,
                        .version_id = stored.version.version_id,
                        .parent_version_id = stored.version.parent_version_id,
                        .appended_unix_seconds = stored.appended_unix_seconds,
                        .bytes = stored.version.segment.size()});
  }
  return versions;
}

absl::StatusOr<std::vector<ReplicaPosition>> MemoryStorage::ReadPositions(
    const Uuid& client_id, int64_t since_unix_seconds) {
  const std::lock_guard lock(mutex_);
  std::vector<ReplicaPosition> positions;
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return positions;
  const int64_t first_day = std::max<int64_t>(since_unix_seconds, 0) / kSecondsOfDay;
  for (const auto& [day, number] : it->second.positions) {
    if (day >= first_day) {
      positions.push_back({.day_unix_seconds = day * kSecondsOfDay, .oldest_number = number});
    }
  }
  return positions;
}

uint64_t MemoryStorage::LiveBytesLocked() const {
  uint64_t bytes = upload_bytes_;
  for (const auto& [client_id, client] : clients_) bytes += client.live_bytes();
  return bytes;
}

uint64_t MemoryStorage::LiveBytes() {
  const std::lock_guard lock(mutex_);
  return LiveBytesLocked();
}

absl::StatusOr<StorageStats> MemoryStorage::ReadStats() {
  const std::lock_guard lock(mutex_);
  StorageStats stats;
  stats.live_bytes = LiveBytesLocked();
  uint64_t history_bytes = 0;
  uint64_t snapshot_bytes = 0;
  for (const auto& [client_id, client] : clients_) {
    history_bytes += client.history_bytes;
    snapshot_bytes += client.snapshot_bytes();
  }
  stats.clients = clients_.size();
  stats.backend = {{"memory_history_bytes", static_cast<double>(history_bytes)},
                   {"memory_snapshot_bytes", static_cast<double>(snapshot_bytes)}};
  return stats;
}

absl::StatusOr<ChainReport> MemoryStorage::VerifyChain(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return absl::NotFoundError("there is no such client");
  const Client& client = it->second;
  ChainReport report;
  report.versions = client.chain.size();
  report.bytes = client.snapshot_bytes();
  for (size_t i = 0; i < client.chain.size(); ++i) {
    const StoredVersion& version = client.chain[i];
    report.bytes += version.version.segment.size();
    if (i > 0 && version.version.parent_version_id != client.chain[i - 1].version.version_id) {
      report.problems.push_back(
          absl::StrCat("the parent of version ", version.number, " is not the version before it"));
    }
  }
  if (!client.chain.empty() && !client.chain.front().version.parent_version_id.IsNil() &&
      !client.snapshot) {
    report.new_replica_cannot_start = true;
    report.notes.push_back(storage::CannotStartNote(absl::StrCat("version ", client.first_number)));
  }
  if (!client.replicas_ahead.empty()) {
    report.notes.push_back(storage::ReplicasAheadNote(client.replicas_ahead.size()));
  }
  return report;
}

absl::Status MemoryStorage::VerifyFiles(Progress) { return absl::OkStatus(); }  // there are none

absl::StatusOr<BackupInfo> MemoryStorage::Backup(const BackupRequest&, Progress) {
  return absl::UnimplementedError(
      "storage in memory cannot be backed up: run the server with storage=rocksdb");
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
          DeviceState state = DevicesLocked(record.client_id);
          if (!state.token || state.token->digest != record.digest) state.devices.Clear();
          state.token = record;
          StoreDevicesLocked(record.client_id, std::move(state));
        } else if constexpr (std::is_same_v<Record, Invite>) {
          Invite& invite = invites_[record.digest];
          const uint64_t uses = std::max(invite.uses, record.uses);
          invite = record;
          invite.uses = uses;
        } else if constexpr (std::is_same_v<Record, RemoveBan>) {
          bans_.erase(record.client_id);
        } else if constexpr (std::is_same_v<Record, RemoveToken>) {
          DeviceState state = DevicesLocked(record.client_id);
          state.token.reset();
          state.devices.Clear();
          StoreDevicesLocked(record.client_id, std::move(state));
        } else {
          invites_.erase(record.digest);
        }
      },
      change);
  return absl::OkStatus();
}

DeviceState MemoryStorage::DevicesLocked(const Uuid& client_id) const {
  DeviceState state;
  state.client_exists = clients_.find(client_id) != clients_.end();
  if (const auto token = tokens_.find(client_id); token != tokens_.end()) {
    state.token = token->second;
  }
  if (const auto devices = devices_.find(client_id); devices != devices_.end()) {
    state.devices = devices->second;
  }
  return state;
}

void MemoryStorage::StoreDevicesLocked(const Uuid& client_id, DeviceState state) {
  if (state.token) {
    tokens_[client_id] = *state.token;
  } else {
    tokens_.erase(client_id);
  }
  if (state.devices.is_empty()) {
    devices_.erase(client_id);
  } else {
    devices_[client_id] = std::move(state.devices);
  }
}

absl::StatusOr<std::vector<DeviceGate>> MemoryStorage::ReadDeviceGates() {
  const std::lock_guard lock(mutex_);
  std::vector<DeviceGate> gates;
  for (const auto& [client_id, devices] : devices_) {
    if (devices.requires_token || tokens_.find(client_id) != tokens_.end()) {
      gates.push_back(GateOf(client_id, devices));
    }
  }
  return gates;
}

absl::StatusOr<DeviceState> MemoryStorage::ReadDevices(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  return DevicesLocked(client_id);
}

absl::Status MemoryStorage::ChangeDevices(const Uuid& client_id, bool /*may_use_reserve*/,
                                          DecideDevices decide) {
  const std::lock_guard lock(mutex_);
  DeviceState state = DevicesLocked(client_id);
  const absl::StatusOr<bool> changed = decide(state);
  if (changed.ok() && *changed) StoreDevicesLocked(client_id, std::move(state));
  return changed.status();
}

absl::StatusOr<std::string> MemoryStorage::PseudonymKey() {
  const std::lock_guard lock(mutex_);
  if (pseudonym_key_.empty()) pseudonym_key_ = base::RandomBytes(kPseudonymKeyBytes);
  return pseudonym_key_;
}

}  // namespace tcsync::memory_storage
