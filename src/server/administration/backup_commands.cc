// The commands `backup`, `backups`, `restore` and `salvage`.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <future>
#include <string>
#include <system_error>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/erasure_commands.h"
#include "server/administration/interruption.h"
#include "server/administration/temporary_directory.h"
#include "server/administration/verification.h"
#include "server/concat.h"
#include "server/configuration.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

std::string Described(const Json& backup) {
  return Concat({"backup ", std::to_string(backup.at("backup").get<uint64_t>()), ", ",
                 HumanTime(backup.at("created").get<int64_t>()), ", ",
                 HumanBytes(backup.at("bytes").get<uint64_t>())});
}

Json BackupsIn(AdminClient& client, const std::string& directory) {
  return client.Get(Concat({"backups?directory=", PercentEncoded(directory)})).at("backups");
}

// The size of the backup that a restore requests; 0 if there is none.
uint64_t BytesToRestore(AdminClient& client, const Json& body) {
  const Json backups = BackupsIn(client, body.at("directory").get<std::string>());
  uint64_t bytes = 0;
  for (const Json& backup : backups) {
    if (!body.contains("backup") || body.at("backup") == backup.at("backup")) {
      bytes = backup.at("bytes").get<uint64_t>();
    }
  }
  return bytes;
}

// The total size of the files below a directory; unreadable ones count as nothing.
uint64_t BytesBelow(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(directory, error);
  while (!error && entry != std::filesystem::recursive_directory_iterator()) {
    std::error_code has_no_size;
    const uintmax_t size = entry->file_size(has_no_size);
    if (!has_no_size) bytes += size;
    entry.increment(error);
  }
  return bytes;
}

// A restore is one request, which is answered at its end: its progress shows in the size of the
// directory that it fills.
Json RestoreInto(const Settings& flags, const Json& body) {
  constexpr std::chrono::milliseconds kLookInterval{200};
  AdminClient client(flags, DataDirectory::kNone);
  const std::string data_dir = EffectiveText(flags, "data-dir");
  const uint64_t total = BytesToRestore(client, body);
  std::future<Json> restored =
      std::async(std::launch::async, [&] { return client.Post("restore", body); });
  ProgressLine progress("restore");
  do {
    progress.Show(BytesBelow(data_dir), total);
  } while (restored.wait_for(kLookInterval) != std::future_status::ready);
  return restored.get();
}

void Drill(const CommandLine& command_line, const Json& body) {
  CatchInterruptions();
  const TemporaryDirectory temporary("tcsync-drill");
  Settings flags = command_line.settings;
  flags["data-dir"] = Concat({temporary.path(), "/data"});
  flags["storage"] = "rocksdb";
  const Json backup = RestoreInto(flags, body);
  EndIfInterrupted("the drill is not complete; its restored data is removed");
  Verification verification;
  {
    AdminClient client(flags, DataDirectory::kMustExist);
    verification = VerifyAll(client);
  }
  if (command_line.admin.Has("json")) {
    PrintJson({{"backup", backup}, {"verification", verification.json()}});
  } else {
    std::printf("restored %s\n", Described(backup).c_str());
    verification.Print();
  }
  if (verification.HasProblems()) throw Failure(kExitFailure, "the restored backup has problems");
}

// The numbers of "1,2,3", each once. Throws Failure.
Json NumbersIn(const std::string& list) {
  Json numbers = Json::array();
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    AdminArguments one;
    one.values["remove"] = list.substr(begin, end - begin);
    const Json number = one.Number("remove", 1, UINT32_MAX, 0);
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) {
      numbers.push_back(number);
    }
    begin = end + 1;
  }
  return numbers;
}

// Removes nothing if one of the numbers is a mistake.
void RequireBackups(AdminClient& client, const std::string& directory, const Json& numbers) {
  const Json backups = BackupsIn(client, directory);
  for (const Json& number : numbers) {
    const auto is_it = [&](const Json& backup) { return backup.at("backup") == number; };
    if (std::none_of(backups.begin(), backups.end(), is_it)) {
      throw Failure(kExitFailure, Concat({"there is no backup ", number.dump(), " in ", directory,
                                          ", and nothing was removed; 'tcsync-server backups ",
                                          directory, "' lists them"}));
    }
  }
}

}  // namespace

void MakeBackup(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const std::string directory = AbsolutePath(arguments.operands[0]);
  const Json body = {{"directory", directory},
                     {"keep", arguments.Number("keep", 1, UINT32_MAX, 0)}};
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json backup = client.RunJob("backups", body, "backup");
  if (arguments.Has("json")) return PrintJson(backup);
  std::printf("%s, in %s\n", Described(backup).c_str(), directory.c_str());
}

void ListBackups(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const Json removed = NumbersIn(arguments.Value("remove"));
  AdminClient client(command_line.settings, DataDirectory::kNone);
  if (!removed.empty()) {
    const std::string directory = AbsolutePath(arguments.operands[0]);
    RequireBackups(client, directory, removed);
    Confirm(arguments, Concat({"Remove ", Counted(removed.size(), "backup"), " in ", directory,
                               " for ever?"}));
    RemoveBackups(client, directory, removed);
  }
  Table table({{"BACKUP", true}, {"CREATED"}, {"SIZE", true}, {"FILES", true}, {"PROBLEM"}});
  for (const Json& backup : BackupsIn(client, AbsolutePath(arguments.operands[0]))) {
    if (arguments.Has("json")) {
      PrintJson(backup);
      continue;
    }
    const Json& problem = backup.at("problem");
    table.Add({std::to_string(backup.at("backup").get<uint64_t>()),
               HumanTime(backup.at("created").get<int64_t>()),
               HumanBytes(backup.at("bytes").get<uint64_t>()),
               std::to_string(backup.at("files").get<uint64_t>()),
               problem.is_null() ? "" : problem.get<std::string>()});
  }
  if (!arguments.Has("json")) table.Print();
}

void Restore(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  Json body = {{"directory", AbsolutePath(arguments.operands[0])}};
  const uint64_t backup_id = arguments.Number("backup", 1, UINT32_MAX, 0);
  if (backup_id != 0) body["backup"] = backup_id;
  if (arguments.Has("drill")) return Drill(command_line, body);
  const std::string data_dir = EffectiveText(command_line.settings, "data-dir");
  Confirm(arguments, Concat({"Restore ",
                             backup_id == 0 ? "the last backup"
                                            : Concat({"backup ", std::to_string(backup_id)}),
                             " in ", body["directory"].get<std::string>(), " to ", data_dir, "?"}));
  const Json backup = RestoreInto(command_line.settings, body);
  if (arguments.Has("json")) return PrintJson(backup);
  std::printf(
      "restored to %s: %s\n"
      "Replicas that synced since then are ahead of this server: `clients list` notes them as they "
      "come, and `clients accept-diverged` lets one continue.\n",
      data_dir.c_str(), Described(backup).c_str());
}

void Salvage(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.Value("output").empty()) {
    throw Failure(kExitUsage, "salvage needs --output FILE, the file for the intact clients");
  }
  AdminClient client(command_line.settings, DataDirectory::kNone);
  const Json report = client.Post("salvage", {{"directory", AbsolutePath(arguments.operands[0])},
                                              {"output", AbsolutePath(arguments.Value("output"))}});
  const Json& skipped = report.at("skipped");
  const Json& damage = report.at("damage");
  if (arguments.Has("json")) {
    PrintJson(report);
  } else {
    for (const Json& sentence : damage) {
      std::printf("damage: %s\n", OneLine(sentence.get<std::string>()).c_str());
    }
    for (const Json& entry : skipped) {
      for (const Json& sentence : entry.at("problems")) {
        std::printf("skipped %s: %s\n", entry.at("client_id").get<std::string>().c_str(),
                    OneLine(sentence.get<std::string>()).c_str());
      }
    }
    std::printf("%s with %s: whole, and in %s, which 'clients import' reads\n",
                Counted(report.at("clients").get<uint64_t>(), "client").c_str(),
                Counted(report.at("versions").get<uint64_t>(), "version").c_str(),
                arguments.Value("output").c_str());
  }
  if (skipped.empty() && damage.empty()) return;
  throw Failure(kExitFailure,
                Concat({"the directory is damaged, and ", Counted(skipped.size(), "client"),
                        skipped.size() == 1 ? " is" : " are", " not whole"}));
}

}  // namespace tcsync::server
