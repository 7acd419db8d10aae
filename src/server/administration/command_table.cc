#include "server/administration/command_table.h"

#include <charconv>

#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "server/administration/commands.h"
#include "server/command_line.h"
#include "server/concat.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

constexpr AdminFlag kJson{"json", ""};
constexpr AdminFlag kYes{"yes", ""};

// More than anyone types, and fewer than a command line has room for.
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

std::vector<std::string> AdminCommand::UsageWords() const {
  std::vector<std::string> words = {Name()};
  if (!operands.empty()) words.emplace_back(operands);
  for (const AdminFlag& flag : flags) {
    words.push_back(
        Concat({"[--", flag.name, flag.placeholder.empty() ? "" : " ", flag.placeholder, "]"}));
  }
  return words;
}

std::string AdminCommand::Usage() const { return absl::StrJoin(UsageWords(), " "); }

const std::vector<AdminCommand>& AdminCommands() {
  static const std::vector<AdminCommand> commands = {
      {"clients",
       "list",
       "",
       0,
       0,
       {{"banned", ""}, kJson},
       "List every client, with its size and the last time that a replica of it was seen. With "
       "--banned list the banned clients, including those without data here.",
       ListClients},
      {"clients",
       "show",
       "CLIENT",
       1,
       1,
       {kJson},
       "Show everything that the server knows about one client.",
       ShowClient},
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
       "Remove clients with all their data. On return no file of the server holds any of it, and "
       "the backups that still do are named: those that were made here and those in DIR. With "
       "--remove-backups these are removed as well. Bans and tokens stay.",
       DeleteClients},
      {"clients",
       "export",
       "[CLIENT]",
       0,
       1,
       {{"all", ""}, {"skip-damaged", ""}, {"output", "FILE"}},
       "Write a client, or with --all every client, to standard output or FILE, sealed as "
       "stored. With --skip-damaged write the intact ones, and report the fault of each of the "
       "others.",
       ExportClients},
      {"clients",
       "import",
       "[FILE]",
       0,
       1,
       {kYes, kJson},
       "Add the clients of an export, from FILE or standard input, with the IDs of their "
       "versions, so that no replica notices the move. An interrupted import can be repeated.",
       ImportClients},
      {"clients",
       "reset-token",
       "CLIENT",
       1,
       1,
       {kJson},
       "Give a client a new token, which its replicas must then have in their URL. An older "
       "token becomes invalid. The token is shown only once.",
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
       "List the versions of a client, or the last N of them: numbers, IDs, parents, times and "
       "sizes.",
       ListVersions},
      {"clients",
       "rewind",
       "CLIENT",
       1,
       1,
       {{"to", "VERSION"}, {"remove-snapshot", ""}, {"output", "FILE"}, kYes, kJson},
       "Remove the versions after VERSION (a number or an ID), and a snapshot of one of them, "
       "after saving them to FILE. With --remove-snapshot remove the snapshot in any case.",
       RewindClient},
      {"clients",
       "restore",
       "CLIENT",
       1,
       1,
       {{"from", "DIR"}, {"backup", "N"}, {"output", "FILE"}, kYes, kJson},
       "Replace the state of one client by that of the last backup in DIR, or of backup N, after "
       "saving the present state to FILE.",
       RestoreClient},
      {"clients",
       "accept-diverged",
       "[CLIENT]",
       0,
       1,
       {{"all-with-one-replica-ahead", ""}, {"dry-run", ""}, kYes, kJson},
       "After the restore of an older backup: accept the client's replica that is ahead, once. "
       "With "
       "--all-with-one-replica-ahead instead of CLIENT, do so for every client that has exactly "
       "one such candidate.",
       AcceptDiverged},
      {"clients",
       "refuse-diverged",
       "CLIENT",
       1,
       1,
       {kJson},
       "Undo accept-diverged.",
       RefuseDiverged},
      {"invites",
       "list",
       "",
       0,
       0,
       {kJson},
       "List every invite, and how often it was used.",
       ListInvites},
      {"invites",
       "create",
       "",
       0,
       0,
       {{"label", "TEXT"}, {"uses", "N"}, {"expires-days", "N"}, kJson},
       "Create an invite: a path with which a server with invite-only creates up to N clients (1 "
       "without --uses; 0: any number). The path is shown only once.",
       CreateInvite},
      {"invites",
       "revoke",
       "INVITE",
       1,
       1,
       {kJson},
       "Stop an invite from creating further clients. Clients that it created stay.",
       RevokeInvite},
      {"storage",
       "check",
       "",
       0,
       0,
       {kJson},
       "Tell whether a server with the same options can use the database of --postgres-url: its "
       "release, its tables, the rights of the role, and risky settings. Nothing is changed. Exit "
       "status 1, with the remedy, when a server could not start.",
       CheckStorage},
      {"storage",
       "upgrade",
       "",
       0,
       0,
       {kJson},
       "Make the tables in the database of --postgres-url, or upgrade those of an earlier release, "
       "as a role that may make tables. It can be repeated.",
       UpgradeStorage},
      {"",
       "stats",
       "",
       0,
       0,
       {kJson},
       "Show figures of the whole server, and its biggest clients.",
       ShowStats},
      {"",
       "top",
       "",
       0,
       0,
       {{"limit", "N"}, kJson},
       "Show the busiest network addresses and clients of the running server: those with the "
       "most requests, bytes and refusals in the last 5 to 10 minutes, N of each (10).",
       ShowTop},
      {"",
       "options-in-force",
       "",
       0,
       0,
       {kJson},
       "Show every option with its value in the running server, or in a server started with the "
       "same flags and environment, and the source of that value.",
       ShowOptionsInForce},
      {"",
       "log-level",
       "[LEVEL]",
       0,
       1,
       {kJson},
       "Show the log level of the running server, or set it to debug, info, warning or error "
       "until a restart or SIGHUP.",
       ChangeLogLevel},
      {"",
       "verify",
       "[CLIENT]",
       0,
       1,
       {kJson},
       "Read every client's history, or one client's, and check that it is complete, intact and "
       "reachable; then compare all files with their checksums.",
       Verify},
      {"",
       "prune",
       "",
       0,
       0,
       {{"dry-run", ""}, kYes, kJson},
       "Apply the retention options: remove old versions and idle clients. With --dry-run only "
       "report what would go.",
       Prune},
      {"",
       "repair-log",
       "",
       0,
       0,
       {{"dry-run", ""}, {"acknowledge", ""}, kYes, kJson},
       "Accept the loss from a damaged log with which a server refuses to start: the damaged log "
       "is kept aside, and the server starts with the data before the damage. With --dry-run "
       "only report the loss. verify, /health and the metrics report it until --acknowledge.",
       RepairLog},
      {"",
       "import-reference",
       "FILE",
       1,
       1,
       {kJson},
       "Add the clients of the reference server's database (taskchampion-sync-server.sqlite3), "
       "with the IDs of their versions, so that no replica notices the move. Stop that server "
       "first. An interrupted import can be repeated.",
       ImportReference},
      {"",
       "backup",
       "DIR",
       1,
       1,
       {{"keep", "N"}, kJson},
       "Add an incremental backup to those in DIR. With --keep retain only the last N.",
       MakeBackup},
      {"",
       "compact",
       "",
       0,
       0,
       {kJson},
       "Rewrite all files without removed and replaced data, so that its space returns to the "
       "disk. Clients are served meanwhile.",
       Compact},
      {"",
       "backups",
       "DIR",
       1,
       1,
       {{"remove", "N,..."}, kYes, kJson},
       "List the backups in DIR. With --remove remove the backups of these numbers.",
       ListBackups},
      {"",
       "restore",
       "DIR",
       1,
       1,
       {{"backup", "N"}, {"drill", ""}, kYes, kJson},
       "Fill the data directory, which must be empty or absent, from the last backup in DIR, or "
       "from backup N. With --drill restore into a temporary directory, verify everything there, "
       "and remove it.",
       Restore},
      {"",
       "salvage",
       "DIR",
       1,
       1,
       {{"output", "FILE"}, kJson},
       "Extract the intact clients of a damaged data directory to FILE, as an export. The "
       "directory is not changed.",
       Salvage},
  };
  return commands;
}

void RunAdminCommand(const CommandLine& command_line) {
  for (const AdminCommand& command : AdminCommands()) {
    if (command.Name() != command_line.admin.name) continue;
    try {
      return command.run(command_line);
    } catch (const nlohmann::json::exception& exception) {
      throw Failure(kExitFailure, Concat({"the server's answer is not as expected (",
                                          exception.what(), "): is it of another release?"}));
    }
  }
  throw Failure(kExitFailure, Concat({"there is no command ", command_line.admin.name}));
}

}  // namespace tcsync::server
