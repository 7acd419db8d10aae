// The devices of a client: those of its computers that have a token of their own in the path of
// the server's URL, so that one of them can be shut out.
#ifndef TCSYNC_DEVICE_RECORDS_H_
#define TCSYNC_DEVICE_RECORDS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync {

// The name of a device: the beginning of its token's digest.
using DeviceId = std::array<uint8_t, 6>;

struct Device {
  TokenDigest digest{};
  // The device whose token was in the path of the request that made this one; nullopt: none was.
  std::optional<DeviceId> minted_by;
  int64_t since_unix_seconds = 0;
  int64_t last_seen_unix_seconds = 0;  // the beginning of a day in UTC; 0: never
  std::string label;                   // sealed by the user's programs

  DeviceId id() const {
    DeviceId id;
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
  }
};

struct ClientDevices {
  // Whether a token of a device is all that admits a request of the client: since the first
  // revocation.
  bool requires_token = false;
  // The beginning of the day of the last request without a token of a device, while there were
  // devices; 0: none.
  int64_t tokenless_last_seen_unix_seconds = 0;
  std::vector<Device> devices;  // in the order in which they were made
  // Those that were removed, the latest last, as many as are remembered: an import of an older
  // export does not bring them back.
  std::vector<DeviceId> revoked;

  bool is_empty() const { return !requires_token && devices.empty() && revoked.empty(); }
  const Device* Find(const DeviceId& id) const {
    for (const Device& device : devices) {
      if (device.id() == id) return &device;
    }
    return nullptr;
  }
  const Device* FindByDigest(const TokenDigest& digest) const {
    for (const Device& device : devices) {
      if (device.digest == digest) return &device;
    }
    return nullptr;
  }
  // How many removed devices are remembered.
  static constexpr size_t kRevokedMax = 128;
  void NoteRevoked(const DeviceId& id) {
    if (std::find(revoked.begin(), revoked.end(), id) != revoked.end()) return;
    if (revoked.size() >= kRevokedMax) revoked.erase(revoked.begin());
    revoked.push_back(id);
  }
  // Removes all devices, and requires no token of one any more.
  void Clear() {
    for (const Device& device : devices) NoteRevoked(device.id());
    devices.clear();
    requires_token = false;
    tokenless_last_seen_unix_seconds = 0;
  }
};

// The token that an operator has given to a client. While no token of a device is required, it, or
// one of a device, must be in the path of the client's requests.
struct ClientToken {
  Uuid client_id;
  TokenDigest digest{};
  int64_t since_unix_seconds = 0;
};

// All that storage keeps about the tokens of one client.
struct DeviceState {
  bool client_exists = false;
  std::optional<ClientToken> token;
  ClientDevices devices;

  // Whether only some tokens admit a request of the client.
  bool is_gated() const { return token.has_value() || devices.requires_token; }
  // Whether a request with this token in its path, or without one, is admitted.
  bool Admits(const std::optional<TokenDigest>& presented) const {
    if (!is_gated()) return true;
    if (!presented) return false;
    if (devices.FindByDigest(*presented) != nullptr) return true;
    return !devices.requires_token && token->digest == *presented;
  }
};

// The devices of one client that is gated.
struct DeviceGate {
  Uuid client_id;
  bool requires_token = false;
  std::vector<TokenDigest> digests;
};
inline DeviceGate GateOf(const Uuid& client_id, const ClientDevices& devices) {
  DeviceGate gate{.client_id = client_id, .requires_token = devices.requires_token, .digests = {}};
  for (const Device& device : devices.devices) gate.digests.push_back(device.digest);
  return gate;
}

// Decides a change of `token` and `devices`; the result is whether there is one to be stored. After
// an error nothing is changed. It may be called several times, with later states, of which the last
// counts: a call may find what an earlier one has done.
using DecideDevices = absl::FunctionRef<absl::StatusOr<bool>(DeviceState& state)>;

}  // namespace tcsync

#endif  // TCSYNC_DEVICE_RECORDS_H_
