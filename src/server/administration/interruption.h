// SIGINT and SIGTERM while a command runs: it ends at the next place where everything is whole.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_

#include <string>

namespace tcsync::server {

// From here on a first signal is only remembered; a second one ends the process at once.
void CatchInterruptions();

bool IsInterrupted();

// Throws Failure, with 128 and the signal's number as the exit status, when there was a signal.
// `left` says what is done and what is not.
void EndIfInterrupted(const std::string& left);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_
