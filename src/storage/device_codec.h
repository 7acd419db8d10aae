// The bytes of a client's devices in durable storage, which RocksDB's records and PostgreSQL's rows
// have in common (docs/storage-format.md):
//
//   devices   1(1) flags(1) tokenless day(4) devices(2) device... revoked(2) device ID(6)...
//             flags: 1 requires a token
//   device    digest(32) since(8) flags(1) minted by(6) last seen day(4) label bytes(2) label
//             flags: 1 was minted by a device
//
// Integers are big-endian; days are the seconds since 1970 divided by 86400, and 0 is never.
#ifndef TCSYNC_SRC_STORAGE_DEVICE_CODEC_H_
#define TCSYNC_SRC_STORAGE_DEVICE_CODEC_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tcsync/device_records.h"

namespace tcsync::storage {

inline constexpr char kDevicesForm = 1;
inline constexpr uint8_t kRequiresToken = 1;
inline constexpr uint8_t kWasMintedByDevice = 1;
inline constexpr int64_t kDeviceDaySeconds = 86'400;

class DeviceWriter {
 public:
  void Number(uint64_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      out_.push_back(static_cast<char>(number >> shift));
    }
  }
  void Day(int64_t unix_seconds) {
    Number(static_cast<uint64_t>(std::max<int64_t>(unix_seconds, 0) / kDeviceDaySeconds), 4);
  }
  template <typename Array>
  void Bytes(const Array& bytes) {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Each read beyond the end gives zeros, and is remembered.
class DeviceReader {
 public:
  explicit DeviceReader(absl::string_view bytes) : bytes_(bytes) {}

  uint64_t Number(int count) {
    uint64_t number = 0;
    for (const char byte : Take(static_cast<size_t>(count))) {
      number = number << 8 | static_cast<uint8_t>(byte);
    }
    return number;
  }
  int64_t Day() { return static_cast<int64_t>(Number(4)) * kDeviceDaySeconds; }
  template <typename Array>
  void Bytes(Array& array) {
    const absl::string_view taken = Take(array.size());
    std::copy(taken.begin(), taken.end(), array.begin());
  }
  std::string Text(size_t count) { return std::string(Take(count)); }
  bool has_failed() const { return has_failed_; }
  bool is_at_end() const { return bytes_.empty() && !has_failed_; }

 private:
  absl::string_view Take(size_t count) {
    if (bytes_.size() < count) {
      has_failed_ = true;
      bytes_ = {};
      return {};
    }
    const absl::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  absl::string_view bytes_;
  bool has_failed_ = false;
};

inline std::string EncodeDevices(const ClientDevices& devices) {
  DeviceWriter writer;
  writer.Number(static_cast<uint8_t>(kDevicesForm), 1);
  writer.Number(devices.requires_token ? kRequiresToken : 0, 1);
  writer.Day(devices.tokenless_last_seen_unix_seconds);
  writer.Number(devices.devices.size(), 2);
  for (const Device& device : devices.devices) {
    writer.Bytes(device.digest);
    writer.Number(static_cast<uint64_t>(device.since_unix_seconds), 8);
    writer.Number(device.minted_by ? kWasMintedByDevice : 0, 1);
    writer.Bytes(device.minted_by.value_or(DeviceId{}));
    writer.Day(device.last_seen_unix_seconds);
    writer.Number(device.label.size(), 2);
    writer.Bytes(device.label);
  }
  writer.Number(devices.revoked.size(), 2);
  for (const DeviceId& id : devices.revoked) writer.Bytes(id);
  return writer.Take();
}

// For malformed bytes: without them, a computer that its user has shut out would be admitted.
inline absl::Status MalformedDevices() {
  return absl::DataLossError("the record of a client's devices is malformed");
}

// nullopt for malformed bytes.
inline std::optional<ClientDevices> DecodeDevices(absl::string_view bytes) {
  DeviceReader reader(bytes);
  ClientDevices devices;
  if (reader.Number(1) != static_cast<uint64_t>(kDevicesForm)) return std::nullopt;
  const uint64_t flags = reader.Number(1);
  if ((flags & ~uint64_t{kRequiresToken}) != 0) return std::nullopt;
  devices.requires_token = (flags & kRequiresToken) != 0;
  devices.tokenless_last_seen_unix_seconds = reader.Day();
  const uint64_t count = reader.Number(2);
  for (uint64_t i = 0; i < count && !reader.has_failed(); ++i) {
    Device& device = devices.devices.emplace_back();
    reader.Bytes(device.digest);
    device.since_unix_seconds = static_cast<int64_t>(reader.Number(8));
    const bool was_minted_by_device = reader.Number(1) != 0;
    DeviceId minter{};
    reader.Bytes(minter);
    if (was_minted_by_device) device.minted_by = minter;
    device.last_seen_unix_seconds = reader.Day();
    device.label = reader.Text(static_cast<size_t>(reader.Number(2)));
  }
  const uint64_t revoked = reader.Number(2);
  for (uint64_t i = 0; i < revoked && !reader.has_failed(); ++i) {
    reader.Bytes(devices.revoked.emplace_back());
  }
  if (!reader.is_at_end()) return std::nullopt;
  return devices;
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_DEVICE_CODEC_H_
