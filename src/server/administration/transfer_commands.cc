// The commands `clients export` and `clients import`.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/export_output.h"
#include "server/administration/import_file.h"
#include "server/administration/interruption.h"
#include "server/concat.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

// Asks once whether versions may be added to existing clients.
class ExistingClients {
 public:
  ExistingClients(AdminClient& client, const AdminArguments& arguments)
      : client_(client), arguments_(arguments) {}

  void Check(const std::string& id) {
    // Each page of an export begins with the line again, once its first versions exist.
    if (is_agreed_ || arguments_.Has("yes") || id == last_id_) return;
    last_id_ = id;
    if (client_.Request("GET", ClientTarget(id)).status != 200) return;
    Confirm(arguments_, Concat({"Client ", id,
                                " is here already. Add the missing versions of it, and of "
                                "other existing clients?"}));
    is_agreed_ = true;
  }

 private:
  AdminClient& client_;
  const AdminArguments& arguments_;
  std::string last_id_;
  bool is_agreed_ = false;
};

// The records of admission: of one client, or with an empty ID all of the server's.
void ExportAccess(AdminClient& client, const std::string& id, ExportOutput& output) {
  const AdminAnswer answer =
      client.Request("GET", Concat({"access/export", id.empty() ? "" : "?client=", id}));
  if (answer.status >= 300) throw Failure(kExitFailure, answer.error());
  output.Write(answer.body);
  output.Keep();
}

void ExportNamingCure(AdminClient& client, const std::string& id, ExportOutput& output) {
  try {
    ExportClient(client, id, "", output);
  } catch (const ClientNotExported& failure) {
    throw Failure(kExitFailure, Concat({failure.what(), " (--skip-damaged exports the others)"}));
  }
}

void ReportSkipped(const std::string& id, const std::string& why) {
  std::fprintf(stderr, "skipped %s: %s\n", id.c_str(), OneLine(why).c_str());
}

// Exports a client without damage; otherwise reports the damage, and returns false.
bool ExportIfWhole(AdminClient& client, const std::string& id, ExportOutput& output) {
  output.Keep();
  const AdminAnswer checked = client.Request("POST", Concat({"verify?client_id=", id}));
  if (checked.status == 404) return true;  // deleted since the list was read
  const Json problems = checked.json().at("problems");
  for (const Json& problem : problems) {
    for (const Json& sentence : problem.at("problems")) {
      ReportSkipped(id, sentence.get<std::string>());
    }
  }
  if (!problems.empty()) return false;
  try {
    ExportClient(client, id, "", output);
  } catch (const ClientNotExported& failure) {
    output.TakeBack();
    ReportSkipped(id, failure.what());
    return false;
  }
  output.Keep();
  return true;
}

}  // namespace

void ExportClients(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.operands.empty() != arguments.Has("all")) {
    throw Failure(kExitUsage, "clients export needs either a client or --all");
  }
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  std::string only;
  if (!arguments.Has("all")) {
    // Reports an unknown client before a file is created.
    only = client.Get(ClientTarget(arguments.operands[0])).at("client_id").get<std::string>();
  }
  const bool skips_damaged = arguments.Has("skip-damaged");
  if (skips_damaged && !only.empty()) {
    throw Failure(kExitUsage, "--skip-damaged is for --all: one client is exported or not");
  }
  ExportOutput output(arguments.Value("output"), skips_damaged);
  CatchInterruptions();
  if (!only.empty()) {
    ExportClient(client, only, "", output);
    ExportAccess(client, only, output);
    return output.Finish();
  }
  const uint64_t total = client.Get("stats").at("clients").get<uint64_t>();
  uint64_t done = 0;
  uint64_t skipped = 0;
  {
    ProgressLine progress("export");
    client.WalkPages("GET", "clients", {}, "the export is not complete", [&](const Json& page) {
      for (const Json& entry : page.at("clients")) {
        const std::string id = entry.at("client_id").get<std::string>();
        if (!skips_damaged) {
          ExportNamingCure(client, id, output);
        } else if (!ExportIfWhole(client, id, output)) {
          ++skipped;
        }
        progress.Show(++done, total);
      }
    });
  }
  ExportAccess(client, "", output);
  output.Finish();
  if (skipped == 0) return;
  throw Failure(kExitFailure,
                Concat({Counted(skipped, "client"), skipped == 1 ? " was" : " were",
                        " skipped, and ", Counted(done - skipped, "client"), " exported"}));
}

void ImportClients(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const std::string path = arguments.operands.empty() ? "-" : arguments.operands[0];
  std::ifstream file;
  uint64_t bytes_total = 0;
  if (path != "-") {
    std::error_code error;
    const bool is_directory = std::filesystem::is_directory(path, error);
    file.open(path, std::ios::binary);
    if (is_directory || !file) {
      throw Failure(kExitFailure, Concat({"cannot read ", path, ": ",
                                          is_directory ? "it is a directory"
                                                       : std::generic_category().message(errno)}));
    }
    bytes_total = std::filesystem::file_size(path, error);
    if (error) bytes_total = 0;
  }
  std::istream& input = path == "-" ? std::cin : file;
  const std::string name = path == "-" ? "standard input" : path;

  AdminClient client(command_line.settings, DataDirectory::kMayBeNew);
  ExistingClients existing(client, arguments);
  const ImportTotals totals = ImportLines(client, input, name, bytes_total,
                                          [&](const std::string& id) { existing.Check(id); });
  if (arguments.Has("json")) return PrintJson(totals.json());
  std::printf("%s\n", totals.Sentence().c_str());
}

}  // namespace tcsync::server
