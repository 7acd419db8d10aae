// SIGINT and SIGTERM during a command: it ends at the next consistent state.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_

#include <string>

namespace tcsync::server {

// From here on a first signal is only recorded; a second one ends the process at once.
void CatchInterruptions();

bool IsInterrupted();

// Throws Failure, with 128 plus the signal's number as the exit status, after a signal. `left`
// tells the finished and the unfinished work.
void EndIfInterrupted(const std::string& left);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_INTERRUPTION_H_
