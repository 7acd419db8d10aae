#include "storage/rocksdb/access_records.h"

#include <string>
#include <utility>

#include "storage/device_codec.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {

absl::StatusOr<std::optional<Invite>> ReadInvite(const ChainReader& reader,
                                                 const TokenDigest& digest) {
  const std::string key = InviteKey(digest);
  const absl::StatusOr<std::optional<std::string>> value = reader.Read(key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  std::optional<Invite> invite = DecodeInvite(key, **value);
  if (!invite) return absl::DataLossError("the record of an invite is malformed");
  return invite;
}

absl::StatusOr<AccessRecords> ReadAllAccessRecords(rocksdb::DB& database) {
  AccessRecords records;
  const auto add = [&records](absl::string_view key,
                              absl::string_view value) -> absl::StatusOr<bool> {
    if (std::optional<Ban> ban = DecodeBan(key, value)) {
      records.bans.push_back(*std::move(ban));
    } else if (std::optional<ClientToken> token = DecodeToken(key, value)) {
      records.tokens.push_back(*std::move(token));
    } else if (std::optional<Invite> invite = DecodeInvite(key, value)) {
      records.invites.push_back(*std::move(invite));
    } else {
      // Without this record, a client that the operator has banned would be admitted.
      return absl::DataLossError("a record of a ban, a token or an invite is malformed");
    }
    return true;
  };
  const absl::Status status = VisitKeys(database, {}, BanKey(Uuid()), ClientCountKey(), add,
                                        "read bans, tokens and invites from the database");
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<DeviceState> ReadDeviceState(const ChainReader& reader, const Uuid& client_id) {
  DeviceState state;
  const auto client = reader.Read(ClientKey(client_id));
  if (!client.ok()) return client.status();
  state.client_exists = client->has_value();
  const std::string token_key = TokenKey(client_id);
  const auto token = reader.Read(token_key);
  if (!token.ok()) return token.status();
  if (token->has_value()) {
    state.token = DecodeToken(token_key, **token);
    if (!state.token) return absl::DataLossError("the record of a client's token is malformed");
  }
  for (const std::string& key : {GatedDevicesKey(client_id), OpenDevicesKey(client_id)}) {
    const auto value = reader.Read(key);
    if (!value.ok()) return value.status();
    if (!value->has_value()) continue;
    std::optional<ClientDevices> devices = storage::DecodeDevices(**value);
    if (!devices) return storage::MalformedDevices();
    state.devices = *std::move(devices);
    break;
  }
  return state;
}

absl::StatusOr<std::vector<DeviceGate>> ReadAllDeviceGates(rocksdb::DB& database) {
  std::vector<DeviceGate> gates;
  const auto add = [&gates](absl::string_view key,
                            absl::string_view value) -> absl::StatusOr<bool> {
    const std::optional<Uuid> client_id = ParseGatedDevicesKey(key);
    const std::optional<ClientDevices> devices = storage::DecodeDevices(value);
    if (!client_id || !devices) return storage::MalformedDevices();
    gates.push_back(GateOf(*client_id, *devices));
    return true;
  };
  const absl::Status status =
      VisitKeys(database, {}, GatedDevicesKey(Uuid()), EndOfGatedDevicesKeys(), add,
                "read the devices of clients from the database");
  if (!status.ok()) return status;
  return gates;
}

void RemoveDevices(const Uuid& client_id, BatchBuilder& batch) {
  batch.Delete(OpenDevicesKey(client_id));
  batch.Delete(GatedDevicesKey(client_id));
}

void PutDeviceState(const Uuid& client_id, const DeviceState& state, BatchBuilder& batch) {
  if (state.token) {
    batch.Put(TokenKey(client_id), EncodeToken(*state.token));
  } else {
    batch.Delete(TokenKey(client_id));
  }
  RemoveDevices(client_id, batch);
  if (state.devices.is_empty()) return;
  batch.Put(state.is_gated() ? GatedDevicesKey(client_id) : OpenDevicesKey(client_id),
            storage::EncodeDevices(state.devices));
}

}  // namespace tcsync::rocksdb_storage
