// Makes a tcsync_config of the environment and the command line.
#ifndef TCSYNC_SRC_SERVER_CONFIGURATION_H_
#define TCSYNC_SRC_SERVER_CONFIGURATION_H_

#include <string>
#include <string_view>

#include "server/command_line.h"
#include "server/owned_handles.h"

namespace tcsync::server {

// Defaults, overridden by the environment, overridden by `flags`. A variable that a flag overrides
// is removed from the environment of this process, and its faults do not matter; so call this while
// there is one thread. Throws Failure for values that the library refuses.
Config MakeConfig(const Settings& flags);

// The effective text of option `name` after MakeConfig(flags): for the server's own log lines.
std::string EffectiveText(const Settings& flags, std::string_view name);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_CONFIGURATION_H_
