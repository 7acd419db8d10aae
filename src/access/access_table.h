// Bans, tokens, invites and the devices of gated clients in memory, so that no request waits for a
// read from the disk.
#ifndef TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_
#define TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/access_records.h"
#include "tcsync/uuid.h"

namespace tcsync::access {

// The records of admission in storage at the last Refresh(); empty before the first. Storage still
// decides on the uses of an invite: the `uses` here are a hint. Thread-safe.
class AccessTable {
 public:
  AccessTable();
  AccessTable(const AccessTable&) = delete;
  AccessTable& operator=(const AccessTable&) = delete;

  // Reads all records again. Every later lookup sees the changes that were made before the call. On
  // an error of storage, the earlier records stay in force. Blocks.
  absl::Status Refresh(AccessRecordStorage& storage);

  // Replaces the devices of one client by the result of `read`, nullopt for a client that is not
  // gated. `read` blocks, and may also change them in storage: no other reading overlaps it, so
  // that the later state stays. On an error nothing is changed.
  using ReadGate = absl::FunctionRef<absl::StatusOr<std::optional<DeviceGate>>()>;
  absl::Status UpdateGate(const Uuid& client_id, ReadGate read);

  std::optional<Ban> BanOf(const Uuid& client_id) const;
  std::optional<ClientToken> TokenOf(const Uuid& client_id) const;
  // Also an expired or used one.
  std::optional<Invite> InviteOf(const TokenDigest& digest) const;

  // Of a client whose requests need a token, and that has devices; otherwise null.
  std::shared_ptr<const DeviceGate> GateOf(const Uuid& client_id) const;

  struct Counts {
    size_t bans = 0;
    size_t tokens = 0;
    size_t invites = 0;
  };
  Counts counts() const;

 private:
  // Immutable, so that lookups continue while the next one is built.
  struct Records {
    absl::flat_hash_map<Uuid, Ban> bans;
    absl::flat_hash_map<Uuid, ClientToken> tokens;
    absl::flat_hash_map<TokenDigest, Invite> invites;
  };
  std::shared_ptr<const Records> Current() const;

  std::mutex refresh_mutex_;  // one reading at a time: the later one stays
  mutable std::mutex mutex_;
  std::shared_ptr<const Records> records_;  // under mutex_
  // Under mutex_. Users change them, so that one is replaced without a copy of the others.
  absl::flat_hash_map<Uuid, std::shared_ptr<const DeviceGate>> gates_;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_
