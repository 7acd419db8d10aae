// The commands `backup`, `backups` and `restore`.
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
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
#include "server/administration/verification.h"
#include "server/concat.h"
#include "server/configuration.h"

namespace tcsync::server {
namespace {

std::string Described(const Json& backup) {
  return Concat({"backup ", std::to_string(backup.at("backup").get<uint64_t>()), ", ",
                 HumanTime(backup.at("created").get<int64_t>()), ", ",
                 HumanBytes(backup.at("bytes").get<uint64_t>())});
}

// A directory of this user's only, which is gone with all that is in it when this is.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code error;
    std::filesystem::path pattern = std::filesystem::temp_directory_path(error);
    if (error) pattern = "/tmp";
    path_ = (pattern / "tcsync-drill-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) {
      throw Failure(kExitFailure, Concat({"cannot make the directory ", path_, ": ",
                                          std::generic_category().message(errno)}));
    }
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    if (error) {
      std::fprintf(stderr, "tcsync-server: cannot remove %s: %s\n", path_.c_str(),
                   error.message().c_str());
    }
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Json BackupsIn(AdminClient& client, const std::string& directory) {
  return client.Get(Concat({"backups?directory=", QueryValue(directory)})).at("backups");
}

// How large the backup is that a restore asks for; 0 when it is not there.
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

// What the files below a directory add up to; what cannot be looked at counts as nothing.
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

// A restore is one request, which is answered at its end: how far it is shows in the directory that
// it fills.
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
  const TemporaryDirectory temporary;
  Settings flags = command_line.settings;
  flags["data-dir"] = Concat({temporary.path(), "/data"});
  flags["storage"] = "rocksdb";
  const Json backup = RestoreInto(flags, body);
  EndIfInterrupted("the drill is not complete; what it restored is removed");
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

// The numbers of "1,2,3". Throws Failure.
Json NumbersIn(const std::string& list) {
  Json numbers = Json::array();
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    AdminArguments one;
    one.values["remove"] = list.substr(begin, end - begin);
    numbers.push_back(one.Number("remove", 1, UINT32_MAX, 0));
    begin = end + 1;
  }
  return numbers;
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
      "come, and `clients allow-carry-on` lets one go on.\n",
      data_dir.c_str(), Described(backup).c_str());
}

}  // namespace tcsync::server
