// Access records that a test sets.
#ifndef TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_
#define TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_

#include <map>
#include <string>
#include <vector>

#include "tcsync/access_records.h"

namespace tcsync {

class ScriptedAccessRecords final : public AccessRecordStorage {
 public:
  absl::StatusOr<AccessRecords> ReadAccessRecords() override {
    if (!failure.ok()) return failure;
    return records;
  }
  absl::Status ChangeAccess(const AccessChange&) override {
    return absl::UnimplementedError("a test changes the records itself");
  }
  absl::StatusOr<std::string> PseudonymKey() override { return std::string(32, 'k'); }

  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override {
    std::vector<DeviceGate> gates;
    for (const auto& [client_id, state] : devices) {
      if (state.is_gated()) gates.push_back(GateOf(client_id, state.devices));
    }
    return gates;
  }
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override {
    if (!failure.ok()) return failure;
    return devices[client_id];
  }
  absl::Status ChangeDevices(const Uuid& client_id, bool, DecideDevices decide) override {
    if (!failure.ok()) return failure;
    DeviceState state = devices[client_id];
    const absl::StatusOr<bool> changed = decide(state);
    if (!changed.ok() || !*changed) return changed.status();
    devices[client_id] = state;
    ++device_changes;
    return absl::OkStatus();
  }

  AccessRecords records;
  std::map<Uuid, DeviceState> devices;
  int device_changes = 0;
  absl::Status failure;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_
