// The devices of a client, also in a storage that keeps none.
#ifndef TCSYNC_SRC_ACCESS_READ_DEVICES_H_
#define TCSYNC_SRC_ACCESS_READ_DEVICES_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/access_records.h"

namespace tcsync::access {

// Like AccessRecordStorage::ReadDevices, but empty where the storage keeps no devices. Blocks.
inline absl::StatusOr<DeviceState> ReadDevicesIfKept(AccessRecordStorage& storage,
                                                     const Uuid& client_id) {
  absl::StatusOr<DeviceState> state = storage.ReadDevices(client_id);
  if (absl::IsUnimplemented(state.status())) return DeviceState();
  return state;
}

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_READ_DEVICES_H_
