#include "access/device_register.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "access/read_devices.h"
#include "access/token.h"
#include "base/limits.h"

namespace tcsync::access {
namespace {

std::optional<DeviceGate> GateIfAny(const Uuid& client_id, const DeviceState& state) {
  if (!state.is_gated()) return std::nullopt;
  return GateOf(client_id, state.devices);
}

}  // namespace

DeviceRegister::DeviceRegister(AccessRecordStorage& storage, AccessTable& table,
                               const base::Clock& clock)
    : storage_(storage),
      table_(table),
      clock_(clock),
      worker_(std::make_unique<base::Worker>("tcsync-devices")) {}

DeviceRegister::~DeviceRegister() { Close(); }

void DeviceRegister::Close() {
  if (worker_ == nullptr) return;
  worker_.reset();
  // Without more than the days of the last second, a failure is no loss worth a wait.
  static_cast<void>(notes_.Flush(base::kDeviceNotesMax, storage_).ok());
}

int64_t DeviceRegister::NowSeconds() const { return absl::ToUnixSeconds(clock_.Now()); }

void DeviceRegister::NoteSeen(const DeviceCaller& caller) {
  notes_.Note(caller.client_id, caller.token, NowSeconds());
}

template <typename Result>
void DeviceRegister::Run(
    Callback<Result> done,
    absl::AnyInvocable<absl::StatusOr<std::variant<Result, DeviceRefusal>>()> work) {
  const auto shared_done = std::make_shared<Callback<Result>>(std::move(done));
  if (waiting_.fetch_add(1) >= base::kDeviceRequestsWaitingMax) {
    --waiting_;
    return (*shared_done)(absl::UnavailableError("too many requests about devices wait"));
  }
  const bool posted = worker_->Post([this, shared_done, work = std::move(work)]() mutable {
    auto result = work();
    --waiting_;
    (*shared_done)(std::move(result));
  });
  if (posted) return;
  --waiting_;
  (*shared_done)(absl::UnavailableError("the system has no further thread"));
}

absl::Status DeviceRegister::Change(const Uuid& client_id, bool may_use_reserve,
                                    DecideDevices decide) {
  absl::Status changed;
  const absl::Status applied =
      table_.UpdateGate(client_id, [&]() -> absl::StatusOr<std::optional<DeviceGate>> {
        std::optional<DeviceGate> gate;
        bool has_changed = false;
        changed = storage_.ChangeDevices(client_id, may_use_reserve,
                                         [&](DeviceState& state) -> absl::StatusOr<bool> {
                                           absl::StatusOr<bool> decided = decide(state);
                                           has_changed = decided.ok() && *decided;
                                           gate = GateIfAny(client_id, state);
                                           return decided;
                                         });
        if (changed.ok()) return gate;
        if (!has_changed) return changed;  // refused, and nothing was written
        // It may be stored nevertheless.
        const absl::StatusOr<DeviceState> state = storage_.ReadDevices(client_id);
        if (!state.ok()) return state.status();
        return GateIfAny(client_id, *state);
      });
  static_cast<void>(applied.ok());
  return changed;
}

absl::Status DeviceRegister::Reload(const Uuid& client_id) {
  notes_.Forget(client_id);
  return table_.UpdateGate(client_id, [&]() -> absl::StatusOr<std::optional<DeviceGate>> {
    const absl::StatusOr<DeviceState> state = ReadDevicesIfKept(storage_, client_id);
    if (!state.ok()) return state.status();
    return GateIfAny(client_id, *state);
  });
}

void DeviceRegister::Mint(const DeviceCaller& caller, std::string label,
                          Callback<MintedDevice> done) {
  using Outcome = std::variant<MintedDevice, DeviceRefusal>;
  Run<MintedDevice>(
      std::move(done),
      [this, caller, label = std::move(label), now = NowSeconds()]() -> absl::StatusOr<Outcome> {
        MintedDevice minted{.token = MakeToken()};
        const Device device{.digest = DigestOf(minted.token), .minted_by = {}, .label = {}};
        minted.device = device.id();
        std::optional<DeviceRefusal> refusal;
        const absl::Status status =
            Change(caller.client_id, /*may_use_reserve=*/false,
                   [&](DeviceState& state) -> absl::StatusOr<bool> {
                     refusal = access::Mint(caller.token, device.digest, label, now, state);
                     return !refusal.has_value();
                   });
        if (!status.ok()) return status;
        if (refusal) return *refusal;
        // Tokens that were noted in vain may count from now on.
        notes_.Forget(caller.client_id);
        return minted;
      });
}

void DeviceRegister::List(const DeviceCaller& caller, Callback<ListedDevices> done) {
  using Outcome = std::variant<ListedDevices, DeviceRefusal>;
  Run<ListedDevices>(std::move(done), [this, caller]() -> absl::StatusOr<Outcome> {
    // Best effort: the list is worth having without the last second's notes.
    static_cast<void>(notes_.FlushClient(caller.client_id, storage_).ok());
    absl::StatusOr<DeviceState> state = storage_.ReadDevices(caller.client_id);
    if (!state.ok()) return state.status();
    if (const auto refusal = RefusalOf(*state, caller.token)) return *refusal;
    ListedDevices listed{.devices = std::move(state->devices), .own = std::nullopt};
    if (caller.token) {
      const Device* const own = listed.devices.FindByDigest(*caller.token);
      if (own != nullptr) listed.own = own->id();
    }
    return listed;
  });
}

void DeviceRegister::Revoke(const DeviceCaller& caller, Revocation revocation,
                            Callback<RevokedDevices> done) {
  using Outcome = std::variant<RevokedDevices, DeviceRefusal>;
  Run<RevokedDevices>(
      std::move(done),
      [this, caller, revocation = std::move(revocation)]() -> absl::StatusOr<Outcome> {
        std::optional<DeviceRefusal> refusal;
        RevokedDevices revoked;
        const absl::Status status =
            Change(caller.client_id, /*may_use_reserve=*/true,
                   [&](DeviceState& state) -> absl::StatusOr<bool> {
                     std::vector<DeviceId> removed;
                     refusal = access::Revoke(caller.token, revocation, state, removed);
                     // An earlier call's change was stored, or somebody else made the same one.
                     if (refusal == DeviceRefusal::kNoSuchDevice && !revoked.devices.empty()) {
                       refusal.reset();
                       return false;
                     }
                     if (refusal) return false;
                     revoked.devices = std::move(removed);
                     return true;
                   });
        if (!status.ok()) return status;
        if (refusal) return *refusal;
        return revoked;
      });
}

}  // namespace tcsync::access
