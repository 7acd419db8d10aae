// Bans, tokens and invites in memory, so that no request waits for a read from the disk.
#ifndef TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_
#define TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
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

  std::optional<Ban> BanOf(const Uuid& client_id) const;
  std::optional<ClientToken> TokenOf(const Uuid& client_id) const;
  // Also an expired or used one.
  std::optional<Invite> InviteOf(const TokenDigest& digest) const;

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

  std::mutex refresh_mutex_;  // one Refresh() at a time: the later reading stays
  mutable std::mutex mutex_;
  std::shared_ptr<const Records> records_;  // under mutex_
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_
