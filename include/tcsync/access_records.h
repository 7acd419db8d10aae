// The records of admission in storage: bans, tokens and invites, and the key of the log's
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
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync {

// All records of admission. Small enough to be held in memory.
struct Ban {
  Uuid client_id;
  std::string reason;  // the operator's words
  int64_t since_unix_seconds = 0;
};
struct ClientToken {
  Uuid client_id;
  TokenDigest digest{};  // of the token that its requests must have in their path
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
// keeps its counted uses if they are more.
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

  // 32 random bytes, the same for the whole life of the stored data: the key with which a log turns
  // client IDs into pseudonyms. Generated, and made durable, at the first call.
  virtual absl::StatusOr<std::string> PseudonymKey() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_ACCESS_RECORDS_H_
