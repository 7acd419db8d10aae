#include "server/administration/command_table.h"

#include <charconv>

#include "server/administration/commands.h"
#include "server/command_line.h"
#include "server/concat.h"
#include "server/handles.h"

namespace tcsync::server {
namespace {

constexpr AdminFlag kJson{"json", ""};
constexpr AdminFlag kYes{"yes", ""};

// More than anybody types, and fewer than a command line has room for.
constexpr size_t kClientsAtOnceMax = 1000;

}  // namespace

std::string AdminArguments::Value(const std::string& name) const {
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second;
}

unsigned long long AdminArguments::Number(const std::string& name, unsigned long long minimum,
                                          unsigned long long maximum,
                                          unsigned long long otherwise) const {
  const auto found = values.find(name);
  if (found == values.end()) return otherwise;
  const std::string& text = found->second;
  unsigned long long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < minimum ||
      number > maximum) {
    throw Failure(kExitUsage, Concat({"--", name, ": '", text, "' is not a whole number from ",
                                      std::to_string(minimum), " to ", std::to_string(maximum)}));
  }
  return number;
}

std::string AdminCommand::Name() const {
  return group.empty() ? std::string(verb) : Concat({group, " ", verb});
}

std::string AdminCommand::Usage() const {
  std::string usage = Name();
  if (!operands.empty()) usage += Concat({" ", operands});
  for (const AdminFlag& flag : flags) {
    usage +=
        Concat({" [--", flag.name, flag.placeholder.empty() ? "" : " ", flag.placeholder, "]"});
  }
  return usage;
}

const std::vector<AdminCommand>& AdminCommands() {
  static const std::vector<AdminCommand> commands = {
      {"clients",
       "list",
       "",
       0,
       0,
       {{"banned", ""}, kJson},
       "Every client: how much it has, and when a replica of it was last seen. With --banned the "
       "banned ones, also those that have nothing here.",
       ListClients},
      {"clients", "show", "CLIENT", 1, 1, {kJson}, "All that is known of one client.", ShowClient},
      {"clients",
       "ban",
       "CLIENT",
       1,
       1,
       {{"reason", "TEXT"}, kJson},
       "Refuse all requests of a client from now on. Its data stays.",
       BanClient},
      {"clients", "unban", "CLIENT", 1, 1, {kJson}, "Serve a client again.", UnbanClient},
      {"clients",
       "delete",
       "CLIENT...",
       1,
       kClientsAtOnceMax,
       {{"backups", "DIR"}, {"remove-backups", ""}, kYes, kJson},
       "Remove clients with all their data: when it returns, no file of the server has anything of "
       "it, and the backups that still do are named, those that were made here and those in DIR. "
       "With --remove-backups they are removed, too. Bans and tokens stay.",
       DeleteClients},
      {"clients",
       "export",
       "[CLIENT]",
       0,
       1,
       {{"all", ""}, {"skip-damaged", ""}, {"output", "FILE"}},
       "Write a client, or with --all every client, to standard output or FILE, sealed as it is. "
       "With --skip-damaged those that are whole, and say of the others what is wrong.",
       ExportClients},
      {"clients",
       "import",
       "[FILE]",
       0,
       1,
       {kYes, kJson},
       "Add the clients of an export, from FILE or standard input, with the IDs of their versions, "
       "so that no replica notices the move. An import that was cut short can be repeated.",
       ImportClients},
      {"clients",
       "reset-token",
       "CLIENT",
       1,
       1,
       {kJson},
       "Give a client a new token: its replicas must then have it in their URL, and an older one "
       "does not count any more. Shown this once.",
       ResetToken},
      {"clients",
       "clear-token",
       "CLIENT",
       1,
       1,
       {kJson},
       "Serve a client without a token in its URL again.",
       ClearToken},
      {"clients",
       "versions",
       "CLIENT",
       1,
       1,
       {{"last", "N"}, kJson},
       "The versions of a client, or the last N of them: numbers, IDs, parents, times and sizes.",
       ListVersions},
      {"clients",
       "rewind",
       "CLIENT",
       1,
       1,
       {{"to", "VERSION"}, {"remove-snapshot", ""}, {"output", "FILE"}, kYes, kJson},
       "Remove the versions after VERSION (a number or an ID), and a snapshot of one of them, once "
       "they are in FILE. With --remove-snapshot the snapshot in any case.",
       RewindClient},
      {"clients",
       "restore",
       "CLIENT",
       1,
       1,
       {{"from", "DIR"}, {"backup", "N"}, {"output", "FILE"}, kYes, kJson},
       "Put the state of one client from the last backup in DIR, or from backup N, in the place of "
       "what is here, once that is in FILE.",
       RestoreClient},
      {"clients",
       "allow-carry-on",
       "[CLIENT]",
       0,
       1,
       {{"all-with-one-replica-ahead", ""}, {"dry-run", ""}, kYes, kJson},
       "After an older backup was restored: let the client's replica that knows more carry on, "
       "once. With --all-with-one-replica-ahead in place of CLIENT, of every client of which it is "
       "clear which replica that is.",
       AllowCarryOn},
      {"clients", "disallow-carry-on", "CLIENT", 1, 1, {kJson}, "Take that back.", DisallowCarryOn},
      {"invites",
       "list",
       "",
       0,
       0,
       {kJson},
       "Every invite, and how often it was used.",
       ListInvites},
      {"invites",
       "create",
       "",
       0,
       0,
       {{"label", "TEXT"}, {"uses", "N"}, {"expires-days", "N"}, kJson},
       "Make an invite: a path that a server with invite-only creates clients for, N times (1 "
       "without --uses; 0: any number). Shown this once.",
       CreateInvite},
      {"invites",
       "revoke",
       "INVITE",
       1,
       1,
       {kJson},
       "Let an invite create no further clients. Those that it created stay.",
       RevokeInvite},
      {"",
       "stats",
       "",
       0,
       0,
       {kJson},
       "The whole server in figures, and its biggest clients.",
       ShowStats},
      {"",
       "top",
       "",
       0,
       0,
       {{"limit", "N"}, kJson},
       "Who keeps the running server busy: the network addresses and the clients with the most "
       "requests, bytes and refusals in the last 5 to 10 minutes, N of each (10).",
       ShowTop},
      {"",
       "options-in-force",
       "",
       0,
       0,
       {kJson},
       "Every option with the value that the running server has, or that a server started with the "
       "same flags and environment would have, and where it comes from.",
       ShowOptionsInForce},
      {"",
       "log-level",
       "[LEVEL]",
       0,
       1,
       {kJson},
       "Show the log level of the running server, or let it be debug, info, warning or error, "
       "until "
       "a restart or SIGHUP.",
       ChangeLogLevel},
      {"",
       "verify",
       "[CLIENT]",
       0,
       1,
       {kJson},
       "Read every client's history, or one client's, and check that it is complete, intact and "
       "can be reached; then compare all files with their checksums.",
       Verify},
      {"",
       "prune",
       "",
       0,
       0,
       {{"dry-run", ""}, kYes, kJson},
       "Remove what the retention options say: old versions, and idle clients. With --dry-run say "
       "what would go.",
       Prune},
      {"",
       "repair-log",
       "",
       0,
       0,
       {{"dry-run", ""}, {"acknowledge", ""}, kYes, kJson},
       "Accept what was lost with a damaged log that a server refuses to start with: the damaged "
       "log is kept aside, and the server starts with what was before. With --dry-run say what "
       "would be lost. What was lost is told by verify, /health and the metrics until "
       "--acknowledge ends that.",
       RepairLog},
      {"",
       "import-reference",
       "FILE",
       1,
       1,
       {kJson},
       "Add the clients of the reference server's database (taskchampion-sync-server.sqlite3), "
       "with "
       "the IDs of their versions, so that no replica notices the move. Stop that server first. An "
       "import that was cut short can be repeated.",
       ImportReference},
      {"",
       "backup",
       "DIR",
       1,
       1,
       {{"keep", "N"}, kJson},
       "Add a backup to those in DIR: what is new since the last one. With --keep only the last N "
       "stay.",
       MakeBackup},
      {"",
       "compact",
       "",
       0,
       0,
       {kJson},
       "Write all files anew without what is removed or replaced, so that the disk gets back what "
       "that took. Clients are served meanwhile.",
       Compact},
      {"",
       "backups",
       "DIR",
       1,
       1,
       {{"remove", "N,..."}, kYes, kJson},
       "The backups in DIR. With --remove those of these numbers are removed.",
       ListBackups},
      {"",
       "restore",
       "DIR",
       1,
       1,
       {{"backup", "N"}, {"drill", ""}, kYes, kJson},
       "Fill the data directory, which must be empty or not there, from the last backup in DIR, or "
       "from backup N. With --drill restore into a temporary directory, verify everything there, "
       "and remove it.",
       Restore},
      {"",
       "salvage",
       "DIR",
       1,
       1,
       {{"output", "FILE"}, kJson},
       "Read what can be read of a damaged data directory, which is not changed, and write every "
       "client that is whole to FILE, as an export.",
       Salvage},
  };
  return commands;
}

void RunAdminCommand(const CommandLine& command_line) {
  for (const AdminCommand& command : AdminCommands()) {
    if (command.Name() == command_line.admin.name) return command.run(command_line);
  }
  throw Failure(kExitFailure, Concat({"there is no command ", command_line.admin.name}));
}

}  // namespace tcsync::server
