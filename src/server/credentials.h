// The command `credentials`: a new user's lines for taskrc.
#ifndef TCSYNC_SRC_SERVER_CREDENTIALS_H_
#define TCSYNC_SRC_SERVER_CREDENTIALS_H_

#include "server/command_line.h"

namespace tcsync::server {

// Prints three taskrc lines with new credentials on standard output. They exist nowhere else: the
// server learns the client ID at the first sync, and never the secret.
void PrintCredentials(const CommandLine& command_line);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_CREDENTIALS_H_
