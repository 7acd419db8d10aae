#include "server/help.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "server/administration/command_table.h"
#include "server/concat.h"
#include "server/option_table.h"
#include "tcsync.h"

namespace tcsync::server {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kIndent = 8;

constexpr std::string_view kIntroduction =
    R"(: a TaskChampion sync server, for Taskwarrior and others

Usage:
  tcsync-server [serve] [OPTION]...
        Serve until SIGTERM or SIGINT; then finish the requests in flight and
        exit with status 0. A second signal exits at once.
  tcsync-server credentials [--url URL] [OPTION]...
        Print the three taskrc lines of a new user, and store nothing. URL is
        the server's address for that user's computers; the default is the first
        address on which a server with the same options listens.
  tcsync-server COMMAND [OPTION]...
        Run an operator's command; the commands are below.
  tcsync-server --help | --version

A flag overrules the environment variable, which overrules the default.
BYTES takes the suffixes K, M and G; MS is in milliseconds. Exit status: 1 when
the server cannot start, a command fails or verify finds problems, 2 when an
option is invalid, 128 plus the signal's number when a signal ended the command.
)";

constexpr std::string_view kCommandsIntroduction =
    R"(
An operator's commands. They work on the data directory, or on the database of
--postgres-url, through the server while one runs there. CLIENT is a client ID,
the first 8 or more characters of one, or its name in the log. --json prints
JSON, --yes confirms every question.
)";

// The words in lines that fit. The lines after the first have the indent of an explanation.
std::string Lines(const std::vector<std::string>& words, size_t first_indent) {
  std::string out(first_indent, ' ');
  size_t column = first_indent;
  bool begins_line = true;
  for (const std::string& word : words) {
    if (!begins_line && column + 1 + word.size() > kColumns) {
      out.append(1, '\n').append(kIndent, ' ');
      column = kIndent;
    } else if (!begins_line) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    begins_line = false;
  }
  out += '\n';
  return out;
}

// `text` as an explanation.
std::string Wrapped(std::string_view text) {
  return Lines(absl::StrSplit(std::string(text), ' '), kIndent);
}

std::string FlagsLine(const tcsync_option& option) {
  const std::string short_flag =
      option.short_flag == '\0' ? "" : Concat({"-", {&option.short_flag, 1}, ", "});
  const std::string rest =
      IsBoolean(option) ? Concat({", --no-", option.name}) : Concat({" ", Placeholder(option)});
  return Concat({"  ", short_flag, "--", option.name, rest, "\n"});
}

std::string Explanation(const tcsync_option& option) {
  std::string text = option.help;
  if (IsList(option)) text += " May be repeated.";
  std::string facts;
  if (*option.default_text != '\0') facts = Concat({"default ", option.default_text, ", "});
  return Concat(
      {Wrapped(text), Wrapped(Concat({"[", facts, "environment ", option.environment, "]"}))});
}

std::string CommandsText() {
  std::string text(kCommandsIntroduction);
  for (const AdminCommand& command : AdminCommands()) {
    text += Concat({Lines(command.UsageWords(), 2), Wrapped(command.help)});
  }
  return text;
}

}  // namespace

std::string HelpText() {
  std::string text = Concat({"tcsync-server ", tcsync_version(), kIntroduction, CommandsText()});
  for (const OptionGroup& group : GroupedOptions()) {
    text += Concat({"\n", group.heading, ":\n"});
    for (const tcsync_option& option : group.options) {
      text += Concat({FlagsLine(option), Explanation(option)});
    }
  }
  return text;
}

}  // namespace tcsync::server
