// The command line of tcsync-server: parsed into a request, without executing it.
//
// An option NAME of the library's table is the flag --NAME VALUE (or --NAME=VALUE). A list is given
// by repeating the flag, or with commas. A boolean is --NAME, --NAME=false or --no-NAME. If an
// option is given twice and is not a list, the last one counts, so that a user can override a
// script's flags.
#ifndef TCSYNC_SRC_SERVER_COMMAND_LINE_H_
#define TCSYNC_SRC_SERVER_COMMAND_LINE_H_

#include <map>
#include <string>

#include "server/administration/command_table.h"

namespace tcsync::server {

enum class Command {
  kServe,
  kCredentials,
  kAdminister,
  kOptionsPage,
  kHelp,
  kVersion,
};

// Option names with their values, as tcsync_config_set takes them.
using Settings = std::map<std::string, std::string>;

struct CommandLine {
  Command command = Command::kServe;
  Settings settings;
  std::string url;       // of `credentials`; empty if absent
  AdminArguments admin;  // of kAdminister
};

// Throws Failure with kExitUsage for an invalid command line. Values are not checked here: the
// library does that.
CommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_COMMAND_LINE_H_
