// Requests about devices: from the rules over storage to the table that admits by them.
#ifndef TCSYNC_SRC_ACCESS_DEVICE_REGISTER_H_
#define TCSYNC_SRC_ACCESS_DEVICE_REGISTER_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "access/access_table.h"
#include "access/device_changes.h"
#include "access/device_notes.h"
#include "base/clock.h"
#include "base/worker.h"
#include "tcsync/access_records.h"

namespace tcsync::access {

struct MintedDevice {
  DeviceId device{};
  std::string token;  // which is nowhere else
};
struct ListedDevices {
  ClientDevices devices;
  std::optional<DeviceId> own;  // of the request
};
struct RevokedDevices {
  std::vector<DeviceId> devices;
};

// The sender of a request, as far as devices need it.
struct DeviceCaller {
  Uuid client_id;
  std::optional<TokenDigest> token;  // of the one in the path
};

// Thread-safe. Storage is asked on a thread of its own, on which callbacks are called, once each;
// they are called before the call returns with kUnavailable when too many requests wait.
// kUnimplemented: storage keeps no devices. Other errors are storage's.
class DeviceRegister {
 public:
  template <typename Result>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<std::variant<Result, DeviceRefusal>>)>;

  // Borrows all.
  DeviceRegister(AccessRecordStorage& storage, AccessTable& table, const base::Clock& clock);
  // Calls Close().
  ~DeviceRegister();

  void Mint(const DeviceCaller& caller, std::string label, Callback<MintedDevice> done);
  void List(const DeviceCaller& caller, Callback<ListedDevices> done);
  void Revoke(const DeviceCaller& caller, Revocation revocation, Callback<RevokedDevices> done);

  // Of an admitted request. Cheap.
  void NoteSeen(const DeviceCaller& caller);
  // Stores some of the notes. Blocks.
  absl::Status FlushNotes(size_t clients_max) { return notes_.Flush(clients_max, storage_); }

  // To be called when the devices of a client were changed otherwise, as by its removal. Blocks.
  absl::Status Reload(const Uuid& client_id);

  // Waits for the requests under way, and stores the notes that are left. No call may follow.
  void Close();

 private:
  template <typename Result>
  void Run(Callback<Result> done,
           absl::AnyInvocable<absl::StatusOr<std::variant<Result, DeviceRefusal>>()> work);
  // Changes the devices and puts them into force. `decide` sets `refusal`, or changes the state.
  absl::Status Change(const Uuid& client_id, bool may_use_reserve, DecideDevices decide);
  int64_t NowSeconds() const;

  AccessRecordStorage& storage_;
  AccessTable& table_;
  const base::Clock& clock_;
  DeviceNotes notes_;
  std::atomic<int> waiting_{0};
  std::unique_ptr<base::Worker> worker_;  // last: its tasks use the members above
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_DEVICE_REGISTER_H_
