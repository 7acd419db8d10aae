// The records of admission in storage: bans, tokens, invites and devices, and the key of the log's
// pseudonyms.
//
// Every call here blocks, some for minutes, and belongs on a thread of its own. An absl::Status
// reports a failure of storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_ACCESS_RECORDS_H_
#define TCSYNC_ACCESS_RECORDS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/device_records.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync {

// The records of admission that operators make. Small enough to be held in memory.
struct Ban {
  Uuid client_id;
  std::string reason;  // the operator's words
  int64_t since_unix_seconds = 0;
};
struct Invite {
  TokenDigest digest{};
  std::string label;  // the operator's words
  int64_t created_unix_seconds = 0;
  int64_t expires_unix_seconds = 0;  // 0: never
  uint64_t uses_max = 0;             // clients that it may create; 0: any number
  uint64_t uses = 0;
};
// Whether the invite may create a client.
inline bool MayCreateClient(const Invite& invite, int64_t now_unix_seconds) {
  return (invite.expires_unix_seconds == 0 || now_unix_seconds < invite.expires_unix_seconds) &&
         (invite.uses_max == 0 || invite.uses < invite.uses_max);
}
struct AccessRecords {
  std::vector<Ban> bans;
  std::vector<ClientToken> tokens;
  std::vector<Invite> invites;
};
// One change: the record to keep, or the key of the one to remove. An invite that exists already
// keeps its counted uses if they are more. A new token of a client, and the removal of its token,
// removes the client's devices.
struct RemoveBan {
  Uuid client_id;
};
struct RemoveToken {
  Uuid client_id;
};
struct RemoveInvite {
  TokenDigest digest{};
};
using AccessChange = std::variant<Ban, ClientToken, Invite, RemoveBan, RemoveToken, RemoveInvite>;

// Thread-safe.
class AccessRecordStorage {
 public:
  virtual ~AccessRecordStorage() = default;

  virtual absl::StatusOr<AccessRecords> ReadAccessRecords() = 0;
  // Durable when it returns. Removing an absent record is no error.
  virtual absl::Status ChangeAccess(const AccessChange& change) = 0;

  // The devices of clients are the users' records, and may be many. A storage that cannot keep them
  // does not override these functions.

  // Those of all clients that are gated, without their labels.
  virtual absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() {
    return std::vector<DeviceGate>();
  }
  virtual absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) {
    static_cast<void>(client_id);
    return absl::UnimplementedError("this storage keeps no devices");
  }
  // Reads, decides and stores in one atomic step, durably. `may_use_reserve`: also on a full disk,
  // for a change that does not make the client's records longer.
  virtual absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                                     DecideDevices decide) {
    static_cast<void>(client_id), static_cast<void>(may_use_reserve), static_cast<void>(decide);
    return absl::UnimplementedError("this storage keeps no devices");
  }

  // 32 random bytes, the same for the whole life of the stored data: the key with which a log turns
  // client IDs into pseudonyms. Generated, and made durable, at the first call.
  virtual absl::StatusOr<std::string> PseudonymKey() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_ACCESS_RECORDS_H_
