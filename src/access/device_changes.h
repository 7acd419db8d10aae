// The rules of devices, decided over the state that storage has: who may make one, which ones a
// revocation removes, and which states two exports make together. No I/O.
#ifndef TCSYNC_SRC_ACCESS_DEVICE_CHANGES_H_
#define TCSYNC_SRC_ACCESS_DEVICE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tcsync/access_records.h"

namespace tcsync::access {

// The reasons to refuse a request about devices.
enum class DeviceRefusal {
  kNoSuchClient,
  kNotAdmitted,  // by the tokens that storage has now
  kTooMany,      // the client has as many devices as it may
  kNoSuchDevice,
  kNeedsOwnToken,  // a revocation without a token of its own would shut its own computer out
  kOwnDevice,
};

// 12 hexadecimal digits, in lower case.
std::string ToText(const DeviceId& id);
// nullopt for any other text.
std::optional<DeviceId> ParseDeviceId(absl::string_view text);

// The beginning of the day, in UTC.
int64_t DayOf(int64_t unix_seconds);

// `presented` is the digest of the token in the path of the request.

// The refusal that all requests about devices have in common.
std::optional<DeviceRefusal> RefusalOf(const DeviceState& state,
                                       const std::optional<TokenDigest>& presented);

// Adds a device with that digest, unless there is one.
std::optional<DeviceRefusal> Mint(const std::optional<TokenDigest>& presented,
                                  const TokenDigest& digest, const std::string& label,
                                  int64_t now_unix_seconds, DeviceState& state);

struct Revocation {
  DeviceId device{};
  std::vector<DeviceId> keep;
};
// Removes the device and those that were minted by it, by one of those, and so on, except the one
// that asks and those to keep; adds the removed ones to `removed`. From then on the client requires
// a token of a device, and a token that the operator had given out is no longer one.
std::optional<DeviceRefusal> Revoke(const std::optional<TokenDigest>& presented,
                                    const Revocation& revocation, DeviceState& state,
                                    std::vector<DeviceId>& removed);

// Adds what another server had to the present state. Devices that either has revoked are removed,
// so that neither an older export nor a repeated one brings them back. Whether anything changed.
bool Merge(const ClientDevices& imported, ClientDevices& devices);

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_DEVICE_CHANGES_H_
