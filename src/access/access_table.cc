#include "access/access_table.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tcsync::access {
namespace {

template <typename Map, typename Key>
std::optional<typename Map::mapped_type> Find(const Map& map, const Key& key) {
  const auto it = map.find(key);
  if (it == map.end()) return std::nullopt;
  return it->second;
}

}  // namespace

AccessTable::AccessTable() : records_(std::make_shared<const Records>()) {}

absl::Status AccessTable::Refresh(AccessRecordStorage& storage) {
  const std::lock_guard refresh_lock(refresh_mutex_);
  absl::StatusOr<AccessRecords> read = storage.ReadAccessRecords();
  if (!read.ok()) return read.status();
  auto records = std::make_shared<Records>();
  for (Ban& ban : read->bans) records->bans.emplace(ban.client_id, std::move(ban));
  for (ClientToken& token : read->tokens) records->tokens.emplace(token.client_id, token);
  for (Invite& invite : read->invites) records->invites.emplace(invite.digest, std::move(invite));
  absl::StatusOr<std::vector<DeviceGate>> read_gates = storage.ReadDeviceGates();
  if (!read_gates.ok()) return read_gates.status();
  absl::flat_hash_map<Uuid, std::shared_ptr<const DeviceGate>> gates;
  for (DeviceGate& gate : *read_gates) {
    const Uuid client_id = gate.client_id;
    gates[client_id] = std::make_shared<const DeviceGate>(std::move(gate));
  }
  const std::lock_guard lock(mutex_);
  records_ = std::move(records);
  gates_.swap(gates);
  return absl::OkStatus();
}

absl::Status AccessTable::UpdateGate(const Uuid& client_id, ReadGate read) {
  const std::lock_guard refresh_lock(refresh_mutex_);
  absl::StatusOr<std::optional<DeviceGate>> gate = read();
  if (!gate.ok()) return gate.status();
  const std::lock_guard lock(mutex_);
  if (gate->has_value()) {
    gates_[client_id] = std::make_shared<const DeviceGate>(**std::move(gate));
  } else {
    gates_.erase(client_id);
  }
  return absl::OkStatus();
}

std::shared_ptr<const DeviceGate> AccessTable::GateOf(const Uuid& client_id) const {
  const std::lock_guard lock(mutex_);
  const auto it = gates_.find(client_id);
  return it == gates_.end() ? nullptr : it->second;
}

std::shared_ptr<const AccessTable::Records> AccessTable::Current() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::optional<Ban> AccessTable::BanOf(const Uuid& client_id) const {
  return Find(Current()->bans, client_id);
}

std::optional<ClientToken> AccessTable::TokenOf(const Uuid& client_id) const {
  return Find(Current()->tokens, client_id);
}

std::optional<Invite> AccessTable::InviteOf(const TokenDigest& digest) const {
  return Find(Current()->invites, digest);
}

AccessTable::Counts AccessTable::counts() const {
  const std::shared_ptr<const Records> records = Current();
  return {.bans = records->bans.size(),
          .tokens = records->tokens.size(),
          .invites = records->invites.size()};
}

}  // namespace tcsync::access
