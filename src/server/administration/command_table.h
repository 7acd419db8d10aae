// An operator's commands, such as `clients list`: their names, operands and flags. Their work is
// done in the other files of this directory.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_COMMAND_TABLE_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_COMMAND_TABLE_H_

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tcsync::server {

struct CommandLine;

// A command with its arguments.
struct AdminArguments {
  std::string name;                           // "clients list"; empty: not an operator's command
  std::vector<std::string> operands;          // as many as the command takes
  std::map<std::string, std::string> values;  // of flags with a value, without their dashes
  std::set<std::string> switches;             // flags without one

  bool Has(const std::string& name) const { return switches.contains(name); }
  // Empty if absent.
  std::string Value(const std::string& name) const;
  // Throws Failure with kExitUsage for anything but a whole number from `minimum` to `maximum`.
  unsigned long long Number(const std::string& name, unsigned long long minimum,
                            unsigned long long maximum, unsigned long long otherwise) const;
};

// A flag that belongs to commands, not to the library's options.
struct AdminFlag {
  std::string_view name;
  std::string_view placeholder;  // empty for one without a value
};

struct AdminCommand {
  std::string_view group;     // "clients", or "" for a command of one word
  std::string_view verb;      // "list"
  std::string_view operands;  // as help shows them: "CLIENT", "[FILE]"
  size_t operands_min;
  size_t operands_max;
  std::vector<AdminFlag> flags;
  std::string_view help;
  void (*run)(const CommandLine&);

  std::string Name() const;
  // "clients ban", "CLIENT", "[--reason TEXT]", "[--json]": a line may end between them.
  std::vector<std::string> UsageWords() const;
  // "clients ban CLIENT [--reason TEXT] [--json]"
  std::string Usage() const;
};

const std::vector<AdminCommand>& AdminCommands();

// Runs the command of `command_line.admin`. Throws Failure.
void RunAdminCommand(const CommandLine& command_line);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_COMMAND_TABLE_H_
