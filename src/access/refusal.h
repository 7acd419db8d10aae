// Why a request is refused: one list for the answer, the log and the counters. refusal.cc has the
// table of what each reason means for them.
#ifndef TCSYNC_SRC_ACCESS_REFUSAL_H_
#define TCSYNC_SRC_ACCESS_REFUSAL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/log.h"

namespace tcsync::access {

enum class RefusalReason : uint8_t {
  // The request is not one of the protocol's.
  kBadRequest,
  kNoSuchPath,
  kMethod,
  kTooLarge,
  kContentCoding,
  // Who asks may not.
  kNotAllowed,  // the option allow-client-id
  kBanned,
  kToken,
  kInvite,
  kNoSuchClient,
  // Who asks has had enough.
  kClientRate,
  kAddressRate,
  kNewClients,
  kClientFull,
  // The server has.
  kTotalBytes,
  kDiskFloor,
  kDiskFull,
  kOverloaded,
  kDataDirectory,  // it is not in its place
  kStorageFailed,
  // The replica is at a version that is not here: one that was here once or came from here, one
  // that is newer than any here, one of another server.
  kVersionGone,
  kReplicaAhead,
  kForeignVersion,
};

inline constexpr size_t kRefusalReasonCount =
    static_cast<size_t>(RefusalReason::kForeignVersion) + 1;

// As logs and counters name it, such as "client-rate". Names stay what they are.
absl::string_view NameOf(RefusalReason reason);

// The HTTP status that it is answered with.
int StatusOf(RefusalReason reason);

LogLevel LogLevelOf(RefusalReason reason);

// How many log lines of it may come at once; after them there is one in each second.
int LogLinesAtOnce(RefusalReason reason);

struct Refusal {
  RefusalReason reason;
  std::string sentence;            // for the person behind the client: what is wrong, what to do
  int retry_after_seconds = 0;     // 0: trying again does not help
  std::string operator_note = {};  // more, for the log alone
  std::string source = {};         // the network that is too much, for the log; personal data, so
                                   // only where an operator needs it to stop an abuse
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_REFUSAL_H_
