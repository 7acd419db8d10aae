// The commands `storage check` and `storage upgrade`, for a storage in PostgreSQL.
#include <cstdint>
#include <cstdio>
#include <string>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/concat.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

std::string NumberOf(const Json& version) { return std::to_string(version.get<int64_t>()); }

std::string Tables(const Json& state) {
  const std::string tables = state.at("tables").get<std::string>();
  if (tables == "none") return "none";
  if (tables == "unreadable") return "there are some, whose version this role may not read";
  const std::string release = NumberOf(state.at("release_tables_version"));
  return Concat({"version ", NumberOf(state.at("tables_version")),
                 tables == "current" ? ", that of this release"
                                     : Concat({", ", tables, " than this release's ", release})});
}

void PrintLine(const char* name, const std::string& text) {
  std::printf("%-22s %s\n", name, OneLine(text).c_str());
}

void PrintState(const Json& state) {
  PrintLine("PostgreSQL", state.at("server_version").get<std::string>());
  PrintLine("role", state.at("role").get<std::string>());
  PrintLine("tables", Tables(state));
  for (const Json& warning : state.at("warnings")) {
    PrintLine("warning", warning.get<std::string>());
  }
}

}  // namespace

void CheckStorage(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kNone);
  const Json state = client.Get("storage");
  const Json& problem = state.at("problem");
  if (command_line.admin.Has("json")) {
    PrintJson(state);
  } else {
    PrintState(state);
    if (problem.is_null()) PrintLine("a server", "can start with these options");
  }
  if (!problem.is_null()) throw Failure(kExitFailure, problem.get<std::string>());
}

void UpgradeStorage(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kNone);
  const Json state = client.Post("storage/upgrade");
  if (command_line.admin.Has("json")) return PrintJson(state);
  PrintState(state);
  const std::string before = state.at("tables_before").get<std::string>();
  if (before == "none") {
    PrintLine("upgrade",
              "the tables were made; docs/cluster.md has the rights that the role of a "
              "server needs on them");
  } else if (before == "older") {
    PrintLine("upgrade", Concat({"from version ", NumberOf(state.at("tables_version_before")),
                                 " of the tables"}));
  } else {
    PrintLine("upgrade", "nothing was left to do");
  }
}

}  // namespace tcsync::server
