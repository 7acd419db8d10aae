// The command `serve`: the server's life from its options to its end.
#ifndef TCSYNC_SRC_SERVER_SERVE_H_
#define TCSYNC_SRC_SERVER_SERVE_H_

#include "server/command_line.h"

namespace tcsync::server {

// Returns after a stop signal, when everything is closed. Throws Failure when the server cannot
// start; then nothing was changed, except that a missing data directory may have been created.
void Serve(const CommandLine& command_line);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_SERVE_H_
