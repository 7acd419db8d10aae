// Turns answers outside the protocol into errors with advice.
#ifndef TCSYNC_SRC_REMOTE_ANSWER_FAULT_H_
#define TCSYNC_SRC_REMOTE_ANSWER_FAULT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "remote/connection.h"
#include "tcsync/remote_server.h"

namespace tcsync::remote {

// For an answer with a status that the protocol does not have for that request. `request` names it,
// such as "GET https://host/v1/client/snapshot".
RemoteError UnexpectedStatus(const Answer& answer, const std::string& request);

// For an answer that breaks the protocol otherwise: `problem` completes "the answer to ...".
RemoteError BrokenAnswer(const std::string& request, absl::string_view problem);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_ANSWER_FAULT_H_
