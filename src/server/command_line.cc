#include "server/command_line.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "server/administration/command_table.h"
#include "server/concat.h"
#include "server/option_table.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

[[noreturn]] void Refuse(std::initializer_list<std::string_view> message) {
  throw Failure(kExitUsage, Concat({Concat(message), "; see tcsync-server --help"}));
}

// The arguments in reverse order, as CLI11 wants them. CLI11 takes the next argument for the value
// of "--NAME=", so that form becomes a flag and an empty value.
std::vector<std::string> ReversedArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int index = 1; index < argc; ++index) {
    std::string argument = argv[index];
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      argument.pop_back();
      arguments.push_back(argument);
      argument.clear();
    }
    arguments.push_back(argument);
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

// The flag or flags of one option.
struct OptionFlags {
  const tcsync_option* option;
  CLI::Option* flag;
  CLI::Option* negation;  // --no-NAME; null unless the option is a boolean
};

OptionFlags AddFlags(const tcsync_option& option, CLI::App& app) {
  std::string names = Concat({"--", option.name});
  if (option.short_flag != '\0') names += Concat({",-", {&option.short_flag, 1}});
  if (IsBoolean(option)) {
    return {&option, app.add_flag(names), app.add_flag(Concat({"--no-", option.name}))};
  }
  CLI::Option* const flag = app.add_option(names);
  flag->type_size(1)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return {&option, flag, nullptr};
}

// A value as given, checked for the mistakes that only a command line can have.
std::string CheckedValue(const tcsync_option& option, const std::string& value) {
  // An empty list would mean "all" for some options: an unset shell variable should not do that.
  if (value.empty() && IsList(option)) Refuse({"--", option.name, " needs a value"});
  if (value.starts_with("--")) {
    Refuse({"--", option.name, " needs a value, not the flag '", value, "'"});
  }
  return value;
}

std::string SettingText(const OptionFlags& flags, const std::vector<CLI::Option*>& parse_order) {
  if (flags.negation != nullptr) {
    const CLI::Option* last = nullptr;
    for (const CLI::Option* option : parse_order) {
      if (option == flags.flag || option == flags.negation) last = option;
    }
    if (last != flags.negation) return flags.flag->results().back();
    if (flags.negation->results().back() != "true") {
      Refuse({"--no-", flags.option->name, " takes no value"});
    }
    return "false";
  }
  if (!IsList(*flags.option)) return CheckedValue(*flags.option, flags.flag->results().back());
  std::string list;
  for (const std::string& item : flags.flag->results()) {
    if (!list.empty()) list += ',';
    list += CheckedValue(*flags.option, item);
  }
  return list;
}

// An operator's command in CLI11's terms.
struct AdminCommandFlags {
  const AdminCommand* command;
  CLI::App* app;
  CLI::Option* operands;
  std::vector<std::pair<const AdminFlag*, CLI::Option*>> flags;
};

void MakeSubcommand(CLI::App& command) {
  command.set_help_flag();
  command.fallthrough();
  command.allow_extras();
}

std::vector<AdminCommandFlags> AddAdminCommands(CLI::App& app) {
  std::map<std::string_view, CLI::App*> groups;
  std::vector<AdminCommandFlags> all;
  for (const AdminCommand& command : AdminCommands()) {
    CLI::App* parent = &app;
    if (!command.group.empty()) {
      CLI::App*& group = groups[command.group];
      if (group == nullptr) {
        group = app.add_subcommand(std::string(command.group));
        MakeSubcommand(*group);
        group->require_subcommand(0, 1);
      }
      parent = group;
    }
    AdminCommandFlags added{
        &command, parent->add_subcommand(std::string(command.verb)), nullptr, {}};
    MakeSubcommand(*added.app);
    if (command.operands_max > 0) {
      added.operands = added.app->add_option("operands");
      // (A missing one is found below.)
      added.operands->type_size(1)->expected(1, static_cast<int>(command.operands_max));
      added.operands->allow_extra_args(command.operands_max > 1);
    }
    for (const AdminFlag& flag : command.flags) {
      const std::string name = Concat({"--", flag.name});
      CLI::Option* const option =
          flag.placeholder.empty() ? added.app->add_flag(name) : added.app->add_option(name);
      if (!flag.placeholder.empty()) option->type_size(1)->expected(1);
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
      added.flags.emplace_back(&flag, option);
    }
    all.push_back(std::move(added));
  }
  return all;
}

AdminArguments AdminArgumentsOf(const AdminCommandFlags& flags) {
  AdminArguments arguments;
  arguments.name = flags.command->Name();
  if (flags.operands != nullptr) arguments.operands = flags.operands->results();
  if (arguments.operands.size() < flags.command->operands_min) {
    Refuse({"an argument is missing: the command is ", flags.command->Usage()});
  }
  for (const auto& [flag, option] : flags.flags) {
    if (option->count() == 0) continue;
    const std::string name(flag->name);
    const std::string value = option->results().back();
    if (!flag->placeholder.empty()) {
      if (value.empty() || value.starts_with("--")) Refuse({"--", name, " needs a value"});
      arguments.values[name] = value;
    } else if (value == "true") {
      arguments.switches.insert(name);
    } else {
      Refuse({"--", name, " takes no value"});
    }
  }
  return arguments;
}

// The names of a group's commands, for a command line without one.
std::string VerbsOf(std::string_view group) {
  std::string verbs;
  for (const AdminCommand& command : AdminCommands()) {
    if (command.group == group) verbs += Concat({verbs.empty() ? "" : ", ", command.verb});
  }
  return verbs;
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app;
  // --help is ours: CLI11's knows neither environment variables nor the width of a terminal.
  app.set_help_flag();
  app.allow_extras();
  app.require_subcommand(0, 1);
  const CLI::Option* const help = app.add_flag("-h,--help");
  const CLI::Option* const version = app.add_flag("-V,--version");
  CLI::App* const serve = app.add_subcommand("serve");
  CLI::App* const credentials = app.add_subcommand("credentials");
  CLI::App* const options = app.add_subcommand("options");
  for (CLI::App* const command : {serve, credentials, options}) {
    MakeSubcommand(*command);
  }
  const std::vector<AdminCommandFlags> admin_commands = AddAdminCommands(app);
  CLI::Option* const url = credentials->add_option("--url");
  url->type_size(1)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  std::vector<OptionFlags> all_flags;
  for (const tcsync_option& option : AllOptions()) all_flags.push_back(AddFlags(option, app));

  std::vector<std::string> arguments = ReversedArguments(argc, argv);
  try {
    app.parse(arguments);
  } catch (const CLI::ArgumentMismatch& mismatch) {
    // "--data-dir: 1 required TEXT missing"
    const std::string_view text = mismatch.what();
    Refuse({text.substr(0, text.find(':')), " needs a value"});
  } catch (const CLI::ParseError& error) {
    Refuse({error.what()});
  }

  CommandLine result;
  if (help->count() > 0) {
    result.command = Command::kHelp;
    return result;
  }
  if (version->count() > 0) {
    result.command = Command::kVersion;
    return result;
  }
  // Before leftover words: a flag that took the next one for its value leaves over that one's.
  for (const OptionFlags& flags : all_flags) {
    const bool given =
        flags.flag->count() > 0 || (flags.negation != nullptr && flags.negation->count() > 0);
    if (given) result.settings[flags.option->name] = SettingText(flags, app.parse_order());
  }
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  for (const AdminCommandFlags& flags : admin_commands) {
    if (!flags.app->parsed() || unknown.empty() || unknown[0].starts_with("-")) continue;
    Refuse({"unexpected argument '", unknown[0], "': the command is ", flags.command->Usage()});
  }
  if (!unknown.empty()) {
    Refuse({unknown[0].starts_with("-") ? "unknown flag '" : "unknown command '", unknown[0], "'"});
  }
  if (credentials->parsed()) result.command = Command::kCredentials;
  if (options->parsed()) result.command = Command::kOptionsPage;
  for (const AdminCommandFlags& flags : admin_commands) {
    if (!flags.app->parsed()) continue;
    result.command = Command::kAdminister;
    result.admin = AdminArgumentsOf(flags);
  }
  if (result.command == Command::kServe) {
    for (const std::string group : {"clients", "invites", "storage"}) {
      if (!app.got_subcommand(group)) continue;
      Refuse({"the command '", group, "' needs one of ", VerbsOf(group), " after it"});
    }
  }
  if (url->count() > 0) {
    result.url = url->results().back();
    if (result.url.empty()) Refuse({"--url needs a value"});
  }
  if (result.command == Command::kOptionsPage && !result.settings.empty()) {
    Refuse({"the command 'options' takes no flags"});
  }
  return result;
}

}  // namespace tcsync::server
