// The reasons for refusing a request: one list for the answer, the log and the counters. refusal.cc
// has the table of their consequences there.
#ifndef TCSYNC_SRC_ACCESS_REFUSAL_H_
#define TCSYNC_SRC_ACCESS_REFUSAL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/log.h"

namespace tcsync::access {

enum class RefusalReason : uint8_t {
  // The request is outside the protocol.
  kBadRequest,
  kNoSuchPath,
  kMethod,
  kTooLarge,
  kContentCoding,
  // The client or its address may not sync.
  kNotAllowed,  // the option allow-client-id
  kBanned,
  kToken,
  kInvite,
  kNoSuchClient,
  // The client or its address has reached a limit.
  kClientRate,
  kAddressRate,
  kNewClients,
  kClientFull,
  // The server has reached a limit.
  kTotalBytes,
  kDiskFloor,
  kDiskFull,
  kOverloaded,
  kDataDirectory,  // it is missing or has been replaced
  kStorageFailed,
  // The replica is at a version that storage lacks: one that was removed or came from here, one
  // that is newer than any here, or one of another server.
  kVersionGone,
  kReplicaAhead,
  kForeignVersion,
  // A request about the client's devices.
  kNoSuchDevice,
  kDeviceRule,  // it would shut its own computer out
};

inline constexpr size_t kRefusalReasonCount = static_cast<size_t>(RefusalReason::kDeviceRule) + 1;

// The name in logs and counters, such as "client-rate". Names never change.
absl::string_view NameOf(RefusalReason reason);

// The HTTP status of its answer.
int StatusOf(RefusalReason reason);

LogLevel LogLevelOf(RefusalReason reason);

// The number of log lines that may come at once; after them there is one in each second.
int LogLinesAtOnce(RefusalReason reason);

struct Refusal {
  RefusalReason reason;
  std::string sentence;            // for the person behind the client: the fault and its remedy
  int retry_after_seconds = 0;     // 0: trying again does not help
  std::string operator_note = {};  // more, for the log alone
  std::string source = {};         // the network that is too much, for the log; personal data, so
                                   // only where an operator needs it to stop an abuse
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_REFUSAL_H_
