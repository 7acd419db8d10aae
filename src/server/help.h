// The text of --help.
#ifndef TCSYNC_SRC_SERVER_HELP_H_
#define TCSYNC_SRC_SERVER_HELP_H_

#include <string>

namespace tcsync::server {

// Lines of at most 80 columns, each ended by a newline.
std::string HelpText();

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_HELP_H_
