#include "access/device_changes.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "base/limits.h"

namespace tcsync::access {
namespace {

constexpr int64_t kDaySeconds = 86'400;

bool Contains(const std::vector<DeviceId>& ids, const DeviceId& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

std::string ToText(const DeviceId& id) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(id.data()), id.size()));
}

std::optional<DeviceId> ParseDeviceId(absl::string_view text) {
  DeviceId id;
  const bool is_hex = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (text.size() != 2 * id.size() || !is_hex) return std::nullopt;
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

int64_t DayOf(int64_t unix_seconds) {
  return std::max<int64_t>(unix_seconds, 0) / kDaySeconds * kDaySeconds;
}

std::optional<DeviceRefusal> RefusalOf(const DeviceState& state,
                                       const std::optional<TokenDigest>& presented) {
  if (!state.client_exists) return DeviceRefusal::kNoSuchClient;
  if (!state.Admits(presented)) return DeviceRefusal::kNotAdmitted;
  return std::nullopt;
}

std::optional<DeviceRefusal> Mint(const std::optional<TokenDigest>& presented,
                                  const TokenDigest& digest, const std::string& label,
                                  int64_t now_unix_seconds, DeviceState& state) {
  if (const auto refusal = RefusalOf(state, presented)) return refusal;
  ClientDevices& devices = state.devices;
  if (devices.FindByDigest(digest) != nullptr) return std::nullopt;
  if (devices.devices.size() >= base::kDevicesMax) return DeviceRefusal::kTooMany;
  Device device{.digest = digest,
                .minted_by = std::nullopt,
                .since_unix_seconds = now_unix_seconds,
                .label = label};
  const Device* const minter = presented ? devices.FindByDigest(*presented) : nullptr;
  if (minter != nullptr) {
    device.minted_by = minter->id();
  } else {
    devices.tokenless_last_seen_unix_seconds = DayOf(now_unix_seconds);
  }
  devices.devices.push_back(std::move(device));
  return std::nullopt;
}

std::optional<DeviceRefusal> Revoke(const std::optional<TokenDigest>& presented,
                                    const Revocation& revocation, DeviceState& state,
                                    std::vector<DeviceId>& removed) {
  if (const auto refusal = RefusalOf(state, presented)) return refusal;
  ClientDevices& devices = state.devices;
  const Device* const own = presented ? devices.FindByDigest(*presented) : nullptr;
  if (own == nullptr) return DeviceRefusal::kNeedsOwnToken;
  const DeviceId own_id = own->id();
  if (own_id == revocation.device) return DeviceRefusal::kOwnDevice;
  if (devices.Find(revocation.device) == nullptr) return DeviceRefusal::kNoSuchDevice;
  // The descendants, kept ones included: these pass the removal on, and stay themselves.
  std::vector<DeviceId> found = {revocation.device};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const Device& device : devices.devices) {
      if (device.minted_by == found[i] && !Contains(found, device.id())) {
        found.push_back(device.id());
      }
    }
  }
  for (const DeviceId& id : found) {
    if (id != revocation.device && (id == own_id || Contains(revocation.keep, id))) continue;
    devices.NoteRevoked(id);
    removed.push_back(id);
  }
  devices.devices.erase(
      std::remove_if(devices.devices.begin(), devices.devices.end(),
                     [&](const Device& device) { return Contains(removed, device.id()); }),
      devices.devices.end());
  devices.requires_token = true;
  state.token.reset();
  return std::nullopt;
}

bool Merge(const ClientDevices& imported, ClientDevices& devices) {
  bool has_changed = false;
  const auto raise = [&](int64_t& mine, int64_t theirs) {
    if (theirs <= mine) return;
    mine = theirs;
    has_changed = true;
  };
  for (const DeviceId& id : imported.revoked) {
    if (Contains(devices.revoked, id)) continue;
    devices.NoteRevoked(id);
    has_changed = true;
  }
  for (const Device& device : imported.devices) {
    const auto present =
        std::find_if(devices.devices.begin(), devices.devices.end(),
                     [&](const Device& mine) { return mine.digest == device.digest; });
    if (present != devices.devices.end()) {
      raise(present->last_seen_unix_seconds, device.last_seen_unix_seconds);
    } else if (!Contains(devices.revoked, device.id())) {
      devices.devices.push_back(device);
      has_changed = true;
    }
  }
  const auto is_revoked = [&](const Device& device) {
    return Contains(devices.revoked, device.id());
  };
  const auto end = std::remove_if(devices.devices.begin(), devices.devices.end(), is_revoked);
  has_changed |= end != devices.devices.end();
  devices.devices.erase(end, devices.devices.end());
  raise(devices.tokenless_last_seen_unix_seconds, imported.tokenless_last_seen_unix_seconds);
  if (imported.requires_token && !devices.requires_token) {
    devices.requires_token = true;
    has_changed = true;
  }
  return has_changed;
}

}  // namespace tcsync::access
