// Bans, tokens and invites in memory, so that a request is not held up by a read from the disk.
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

// Who is admitted, as storage had it at the last Refresh(); empty before the first. Storage stays
// the one that decides how often an invite may be used: the `uses` here are a hint. Thread-safe.
class AccessTable {
 public:
  AccessTable();
  AccessTable(const AccessTable&) = delete;
  AccessTable& operator=(const AccessTable&) = delete;

  // Reads everything anew. Changes that were made before the call are seen by every lookup after
  // it. On error, which is storage's, what was known before stays in force. Blocks.
  absl::Status Refresh(AccessRecordStorage& storage);

  std::optional<Ban> BanOf(const Uuid& client_id) const;
  std::optional<ClientToken> TokenOf(const Uuid& client_id) const;
  // Also one that has expired or been used up.
  std::optional<Invite> InviteOf(const TokenDigest& digest) const;

  struct Counts {
    size_t bans = 0;
    size_t tokens = 0;
    size_t invites = 0;
  };
  Counts counts() const;

 private:
  // Never changed once it is here, so that lookups go on while the next one is made.
  struct Records {
    absl::flat_hash_map<Uuid, Ban> bans;
    absl::flat_hash_map<Uuid, ClientToken> tokens;
    absl::flat_hash_map<TokenDigest, Invite> invites;
  };
  std::shared_ptr<const Records> Current() const;

  std::mutex refresh_mutex_;  // one Refresh() at a time: what is read later is kept
  mutable std::mutex mutex_;
  std::shared_ptr<const Records> records_;  // under mutex_
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_ACCESS_TABLE_H_
