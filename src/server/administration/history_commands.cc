// The commands that show one client's history and return it to an earlier state: `clients
// versions`, `clients rewind` and `clients restore`. They save the removed part to a file first.
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/export_output.h"
#include "server/administration/import_file.h"
#include "server/administration/temporary_directory.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

constexpr size_t kUuidLength = 36;

// The number of exports of a client that changes meanwhile.
constexpr int kAttempts = 5;

struct VersionPlace {
  uint64_t number = 0;
  std::string id;
};

// Calls `each` with every version after number `after`, until it returns false.
template <typename Each>
void WalkVersions(AdminClient& client, const std::string& id, uint64_t after, Each each) {
  for (std::string next = std::to_string(after); !next.empty();) {
    const Json page = client.Get(ClientTarget(id, Concat({"/versions?after=", next})));
    for (const Json& version : page.at("versions")) {
      if (!each(version)) return;
    }
    next = page.at("next").is_null() ? "" : page.at("next").get<std::string>();
  }
}

// The version that a person names by its number or by its ID.
VersionPlace FindVersion(AdminClient& client, const std::string& id, const Json& summary,
                         const std::string& name) {
  const bool is_number =
      !name.empty() && name.size() < 16 && name.find_first_not_of("0123456789") == name.npos;
  std::optional<VersionPlace> found;
  WalkVersions(client, id, is_number && name != "0" ? std::stoull(name) - 1 : 0,
               [&](const Json& version) {
                 const uint64_t number = version.at("number").get<uint64_t>();
                 const std::string version_id = version.at("version_id").get<std::string>();
                 if (is_number ? std::to_string(number) == name : version_id == name) {
                   found = VersionPlace{number, version_id};
                 }
                 return !found && !is_number;
               });
  if (found) return *found;
  throw Failure(
      kExitFailure,
      Concat({"client ", id, " has no version ", name, "; it has numbers ",
              std::to_string(summary.at("first_number").get<uint64_t>()), " to ",
              std::to_string(summary.at("latest_number").get<uint64_t>()),
              ", which 'tcsync-server clients versions' lists. To remove all of them: ",
              "'tcsync-server clients export ", id, " --output FILE', and then 'clients delete'"}));
}

// Whether the oldest kept version follows another one.
bool BeginsInTheMiddle(AdminClient& client, const std::string& id) {
  bool has_parent = false;
  WalkVersions(client, id, 0, [&](const Json& version) {
    has_parent = version.at("parent_version_id") != "00000000-0000-0000-0000-000000000000";
    return false;
  });
  return has_parent;
}

std::string SnapshotVersionOf(const Json& summary) {
  const Json& snapshot = summary.at("snapshot");
  return snapshot.is_null() ? "" : snapshot.at("version_id").get<std::string>();
}

bool IsSameState(const Json& left, const Json& right) {
  return left.at("latest_version_id") == right.at("latest_version_id") &&
         left.at("first_number") == right.at("first_number") &&
         SnapshotVersionOf(left) == SnapshotVersionOf(right);
}

// Rewinds a client to a version in its list. The API's answer, or null when the client has changed
// since `summary`.
Json TryRewind(AdminClient& client, const std::string& id, const Json& summary,
               const std::string& version_id, bool remove_snapshot) {
  Json body = {{"version_id", version_id},
               {"latest_version_id", summary.at("latest_version_id")},
               {"remove_snapshot", remove_snapshot}};
  const std::string snapshot = SnapshotVersionOf(summary);
  if (!snapshot.empty()) body["snapshot_version_id"] = snapshot;
  const std::string target = ClientTarget(id);
  const AdminAnswer answer = client.Request("POST", Concat({target, "/rewind"}), JsonText(body));
  if (answer.status == 409 && !IsSameState(client.Get(target), summary)) return {};
  return answer.json();
}

void PrintWayOn(const std::string& file, bool new_computer_cannot_start) {
  std::printf("the earlier state is in %s, which 'clients import' reads\n", file.c_str());
  if (new_computer_cannot_start) {
    std::printf(
        "note: no new computer can start until one that is in use leaves a snapshot, which it is "
        "asked for when it next sends changes\n");
  }
}

// The state of one client in a backup, in a file of its own.
class BackupState {
 public:
  BackupState(const CommandLine& command_line, const std::string& id)
      : directory_("tcsync-restore"), path_(Concat({directory_.path(), "/client.jsonl"})) {
    const AdminArguments& arguments = command_line.admin;
    Json body = {
        {"directory", AbsolutePath(arguments.Value("from"))}, {"client_id", id}, {"output", path_}};
    const uint64_t backup_id = arguments.Number("backup", 1, UINT32_MAX, 0);
    if (backup_id != 0) body["backup"] = backup_id;
    AdminClient offline(command_line.settings, DataDirectory::kNone);
    answer_ = offline.Post("backups/extract", body);
  }

  const std::string& path() const { return path_; }
  std::string Get(const char* name) const { return answer_.at(name).get<std::string>(); }
  std::string Sentence() const {
    return Concat({Counted(answer_.at("versions").get<uint64_t>(), "version"), ", the latest of ",
                   HumanTime(answer_.at("latest_appended").get<int64_t>())});
  }

 private:
  const TemporaryDirectory directory_;
  const std::string path_;
  Json answer_;
};

// Whether the backup's history is the beginning of the present one, so that rewinding leads to it.
bool IsBeginningOf(AdminClient& client, const std::string& id, const BackupState& backup) {
  bool begins_alike = false;
  bool has_latest = false;
  bool is_first = true;
  WalkVersions(client, id, 0, [&](const Json& version) {
    if (is_first) begins_alike = version.at("version_id") == backup.Get("first_version_id");
    is_first = false;
    has_latest = version.at("version_id") == backup.Get("latest_version_id");
    return begins_alike && !has_latest;
  });
  return begins_alike && has_latest;
}

// During a ban, no replica can begin the client anew.
class TemporaryBan {
 public:
  TemporaryBan(AdminClient& client, const std::string& id, bool is_banned)
      : client_(client), target_(ClientTarget(id)), is_needed_(!is_banned) {
    if (!is_needed_) return;
    client_.Post(Concat({target_, "/ban"}),
                 {{"reason", "is being restored from a backup; if that was cut short, repeat it"}});
  }
  void End() {
    if (is_needed_) client_.Post(Concat({target_, "/unban"}));
    is_needed_ = false;
  }

 private:
  AdminClient& client_;
  const std::string target_;
  bool is_needed_;
};

// Replaces the present state by the backup's; false when the present one has changed meanwhile.
bool Replace(AdminClient& client, const std::string& id, const Json& summary,
             const BackupState& backup, const std::string& file) {
  const std::string target = ClientTarget(id);
  TemporaryBan ban(client, id, !summary.at("ban").is_null());
  if (!IsSameState(client.Get(target), summary)) {
    ban.End();
    return false;
  }
  client.Delete(target);
  try {
    ImportFile(client, backup.path());
  } catch (const Failure& failure) {
    throw Failure(kExitFailure,
                  Concat({failure.what(),
                          ". The client is banned and not complete; its earlier state is "
                          "in ",
                          file,
                          ": repeat 'clients restore', or 'clients delete', 'clients import' "
                          "that file and 'clients unban'"}));
  }
  ban.End();
  return true;
}

}  // namespace

void ListVersions(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json summary = client.Get(ClientTarget(arguments.operands[0]));
  const std::string id = summary.at("client_id").get<std::string>();
  const uint64_t last = arguments.Number("last", 1, UINT32_MAX, 0);
  const uint64_t latest_number = summary.at("latest_number").get<uint64_t>();
  Table table({{"NUMBER", true}, {"VERSION ID"}, {"PARENT"}, {"APPENDED"}, {"SIZE", true}, {""}});
  WalkVersions(client, id, last == 0 || last > latest_number ? 0 : latest_number - last,
               [&](const Json& version) {
                 if (arguments.Has("json")) {
                   PrintJson(version);
                   return true;
                 }
                 const Json& appended = version.at("appended");
                 table.Add({std::to_string(version.at("number").get<uint64_t>()),
                            version.at("version_id").get<std::string>(),
                            version.at("parent_version_id").get<std::string>(),
                            HumanTime(appended.is_null() ? 0 : appended.get<int64_t>()),
                            HumanBytes(version.at("bytes").get<uint64_t>()),
                            version.at("snapshot").get<bool>() ? "snapshot" : ""});
                 return true;
               });
  if (!arguments.Has("json")) table.Print();
}

void RewindClient(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.Value("to").empty()) {
    throw Failure(kExitUsage, "clients rewind needs --to VERSION: the one that becomes the latest");
  }
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  Json summary = client.Get(ClientTarget(arguments.operands[0]));
  const std::string id = summary.at("client_id").get<std::string>();
  const std::string file = arguments.Value("output").empty() ? ExportFileName(id, "before-rewind")
                                                             : arguments.Value("output");
  CheckIsNew(file);
  const bool remove_snapshot = arguments.Has("remove-snapshot");
  const VersionPlace place = FindVersion(client, id, summary, arguments.Value("to"));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const uint64_t count = summary.at("latest_number").get<uint64_t>() - place.number;
    const Json& snapshot = summary.at("snapshot");
    const bool snapshot_goes =
        !snapshot.is_null() &&
        (remove_snapshot || snapshot.at("number").get<uint64_t>() > place.number);
    if (count == 0 && !snapshot_goes) {
      throw Failure(kExitFailure, Concat({"version ", place.id, " is the latest of client ", id,
                                          " already, and nothing is to be removed"}));
    }
    const bool cannot_start =
        (snapshot_goes || snapshot.is_null()) && BeginsInTheMiddle(client, id);
    if (attempt == 0) {
      Confirm(arguments,
              Concat({"Remove ", Counted(count, "version"), " after version ",
                      std::to_string(place.number), snapshot_goes ? " and the snapshot" : "",
                      " of client ", id, ", which go to ", file, "?"}));
    }
    ExportToNewFile(client, id, std::to_string(place.number), file);
    const Json answer = TryRewind(client, id, summary, place.id, remove_snapshot);
    if (answer.is_null()) {
      // A replica came meanwhile: its versions belong in the file as well.
      std::remove(file.c_str());
      summary = client.Get(ClientTarget(id));
      continue;
    }
    if (arguments.Has("json")) {
      Json all = answer;
      all["exported_to"] = file;
      all["new_replica_cannot_start"] = cannot_start;
      return PrintJson(all);
    }
    std::printf("%s: %s removed%s; the latest is version %llu (%s)\n", id.c_str(),
                Counted(count, "version").c_str(), snapshot_goes ? ", and the snapshot" : "",
                static_cast<unsigned long long>(place.number), place.id.c_str());
    PrintWayOn(file, cannot_start);
    return;
  }
  throw Failure(kExitFailure, Concat({"client ", id, " changes all the time: ban it first"}));
}

void RestoreClient(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.Value("from").empty()) {
    throw Failure(kExitUsage, "clients restore needs --from DIR: the directory of backups");
  }
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const std::string& name = arguments.operands[0];
  const AdminAnswer here = client.Request("GET", ClientTarget(name));
  // An unknown client has no other name than its ID.
  const bool is_here = here.status != 404 || name.size() != kUuidLength;
  const std::string id = is_here ? here.json().at("client_id").get<std::string>() : name;
  const std::string target = ClientTarget(id);
  const std::string file = arguments.Value("output").empty() ? ExportFileName(id, "before-restore")
                                                             : arguments.Value("output");
  CheckIsNew(file);
  const BackupState backup(command_line, id);
  if (is_here) {
    Confirm(arguments, Concat({"Put the backup's state of client ", id, " (", backup.Sentence(),
                               ") in the place of the present one, which goes to ", file, "?"}));
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (client.Request("GET", target).status == 404) {
      ImportFile(client, backup.path());
      if (arguments.Has("json")) {
        return PrintJson({{"client_id", id},
                          {"latest_version_id", backup.Get("latest_version_id")},
                          {"exported_to", nullptr}});
      }
      std::printf("%s is restored: %s; there was nothing of it here\n", id.c_str(),
                  backup.Sentence().c_str());
      return;
    }
    const Json summary = client.Get(target);
    ExportToNewFile(client, id, "", file);
    bool is_done = false;
    if (IsBeginningOf(client, id, backup)) {
      is_done = !TryRewind(client, id, summary, backup.Get("latest_version_id"),
                           /*remove_snapshot=*/false)
                     .is_null();
      // Restores its snapshot if the present one was removed.
      if (is_done) ImportFile(client, backup.path());
    } else {
      is_done = Replace(client, id, summary, backup, file);
    }
    if (!is_done) {
      std::remove(file.c_str());
      continue;
    }
    if (arguments.Has("json")) {
      return PrintJson({{"client_id", id},
                        {"latest_version_id", backup.Get("latest_version_id")},
                        {"exported_to", file}});
    }
    std::printf("%s is restored: %s\n", id.c_str(), backup.Sentence().c_str());
    PrintWayOn(file, false);
    return;
  }
  throw Failure(kExitFailure, Concat({"client ", id, " changes all the time: ban it first"}));
}

}  // namespace tcsync::server
