#include "access/device_notes.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "access/device_changes.h"
#include "access/read_devices.h"
#include "base/limits.h"

namespace tcsync::access {
namespace {

bool Contains(const std::vector<TokenDigest>& digests, const TokenDigest& digest) {
  return std::find(digests.begin(), digests.end(), digest) != digests.end();
}

}  // namespace

void DeviceNotes::Note(const Uuid& client_id, const std::optional<TokenDigest>& presented,
                       int64_t now_unix_seconds) {
  const int64_t day = DayOf(now_unix_seconds);
  const std::lock_guard lock(mutex_);
  if (day > day_) {
    day_ = day;
    for (auto it = notes_.begin(); it != notes_.end();) {
      const auto here = it++;
      if (!here->second.is_queued) notes_.erase(here);
    }
  }
  auto it = notes_.find(client_id);
  if (it == notes_.end()) {
    if (notes_.size() >= base::kDeviceNotesMax) return;
    it = notes_.try_emplace(client_id).first;
  }
  Noted& noted = it->second;
  if (noted.day < day) {  // a later day replaces an earlier one
    const bool is_queued = noted.is_queued;
    noted = Noted();
    noted.day = day;
    noted.is_queued = is_queued;
  }
  if (!presented) {
    if (noted.tokenless_stored || noted.tokenless_unstored) return;
    noted.tokenless_unstored = true;
  } else {
    if (Contains(noted.stored, *presented) || Contains(noted.unstored, *presented)) return;
    if (noted.stored.size() + noted.unstored.size() >= base::kNotedTokensMax) return;
    noted.unstored.push_back(*presented);
  }
  if (!std::exchange(noted.is_queued, true)) queue_.push_back(client_id);
}

void DeviceNotes::Forget(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  const auto it = notes_.find(client_id);
  if (it == notes_.end()) return;
  it->second.tokenless_stored = false;
  it->second.stored.clear();
}

absl::Status DeviceNotes::FlushClient(const Uuid& client_id, AccessRecordStorage& storage) {
  Noted noted;
  {
    const std::lock_guard lock(mutex_);
    const auto it = notes_.find(client_id);
    if (it == notes_.end()) return absl::OkStatus();
    noted = it->second;
  }
  if (noted.unstored.empty() && !noted.tokenless_unstored) return absl::OkStatus();
  // Whether the state lacks something of it, which is then in the state.
  const auto apply = [&](DeviceState& state) {
    bool has_news = false;
    const auto raise = [&](int64_t& day) {
      if (day >= noted.day) return;
      day = noted.day;
      has_news = true;
    };
    bool has_tokenless = noted.tokenless_unstored;
    for (const TokenDigest& token : noted.unstored) {
      const auto device =
          std::find_if(state.devices.devices.begin(), state.devices.devices.end(),
                       [&](const Device& candidate) { return candidate.digest == token; });
      if (device != state.devices.devices.end()) {
        raise(device->last_seen_unix_seconds);
      } else {
        has_tokenless = true;  // an invite's token, or the operator's
      }
    }
    if (has_tokenless && !state.devices.requires_token && !state.devices.devices.empty()) {
      raise(state.devices.tokenless_last_seen_unix_seconds);
    }
    return has_news;
  };
  absl::StatusOr<DeviceState> state = ReadDevicesIfKept(storage, client_id);
  if (!state.ok()) return state.status();
  // Most clients have no devices, and most notes are no news.
  if (apply(*state)) {
    absl::Status changed = storage.ChangeDevices(
        client_id, /*may_use_reserve=*/false,
        [&](DeviceState& current) -> absl::StatusOr<bool> { return apply(current); });
    if (!changed.ok()) return changed;
  }
  const std::lock_guard lock(mutex_);
  const auto it = notes_.find(client_id);
  if (it == notes_.end() || it->second.day != noted.day) return absl::OkStatus();
  Noted& now = it->second;
  for (const TokenDigest& token : noted.unstored) {
    const auto place = std::find(now.unstored.begin(), now.unstored.end(), token);
    if (place == now.unstored.end()) continue;  // another thread stored it as well
    now.unstored.erase(place);
    now.stored.push_back(token);
  }
  if (noted.tokenless_unstored && std::exchange(now.tokenless_unstored, false)) {
    now.tokenless_stored = true;
  }
  return absl::OkStatus();
}

absl::Status DeviceNotes::Flush(size_t clients_max, AccessRecordStorage& storage) {
  for (size_t i = 0; i < clients_max; ++i) {
    Uuid client_id;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return absl::OkStatus();
      client_id = queue_.front();
      queue_.pop_front();
      // Before the notes are read: a later one queues the client again.
      if (const auto it = notes_.find(client_id); it != notes_.end()) it->second.is_queued = false;
    }
    if (absl::Status status = FlushClient(client_id, storage); !status.ok()) {
      const std::lock_guard lock(mutex_);
      const auto it = notes_.find(client_id);
      if (it != notes_.end() && !std::exchange(it->second.is_queued, true)) {
        queue_.push_back(client_id);
      }
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace tcsync::access
