// The commands `clients delete` and `compact`.
#include "server/administration/erasure_commands.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/concat.h"
#include "server/configuration.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

constexpr std::string_view kLeft =
    "removed data stays removed; a running server erases its bytes by itself within 10 minutes, "
    "and tcsync-server compact does it at once";

struct Deletion {
  std::vector<std::string> ids;
  uint64_t versions = 0;
  uint64_t bytes = 0;

  std::string Sentence() const {
    const std::string what =
        ids.size() == 1 ? Concat({"client ", ids.front()}) : Counted(ids.size(), "client");
    return Concat({what, " with ", Counted(versions, "version"), ", ", HumanBytes(bytes)});
  }
};

Deletion LookAt(AdminClient& client, const std::vector<std::string>& names) {
  Deletion deletion;
  for (const std::string& name : names) {
    const Json summary = client.Get(ClientTarget(name));
    const std::string id = summary.at("client_id").get<std::string>();
    if (std::find(deletion.ids.begin(), deletion.ids.end(), id) != deletion.ids.end()) continue;
    deletion.ids.push_back(id);
    deletion.versions += summary.at("versions").get<uint64_t>();
    deletion.bytes += summary.at("history_bytes").get<uint64_t>();
    if (!summary.at("snapshot").is_null()) {
      deletion.bytes += summary.at("snapshot").at("bytes").get<uint64_t>();
    }
  }
  return deletion;
}

// Backups that have one of the clients.
struct BackupsLeft {
  Json directories = Json::array();                         // the searched ones
  std::map<std::string, std::map<uint64_t, Json>> backups;  // by directory and number
  Json problems = Json::array();

  void Add(const Json& answer) {
    directories = answer.at("directories");
    problems = answer.at("problems");
    for (const Json& backup : answer.at("backups")) {
      backups[backup.at("directory").get<std::string>()][backup.at("backup").get<uint64_t>()] =
          backup;
    }
  }
  Json json() const {
    Json list = Json::array();
    for (const auto& [directory, numbers] : backups) {
      for (const auto& [number, backup] : numbers) list.push_back(backup);
    }
    return list;
  }
  static Json NumbersOf(const std::map<uint64_t, Json>& numbers) {
    Json list = Json::array();
    for (const auto& [number, backup] : numbers) list.push_back(number);
    return list;
  }
};

std::string Joined(const Json& numbers) {
  std::string text;
  for (const Json& number : numbers) {
    text += Concat({text.empty() ? "" : ",", std::to_string(number.get<uint64_t>())});
  }
  return text;
}

void Print(const BackupsLeft& left) {
  for (const Json& problem : left.problems) {
    std::printf("%s could not be looked into: %s\n",
                problem.at("directory").get<std::string>().c_str(),
                OneLine(problem.at("problem").get<std::string>()).c_str());
  }
  if (left.backups.empty()) {
    std::puts(left.directories.empty()
                  ? "No directory of backups is known; name one with --backups."
                  : "No backup that is known of has them.");
    return;
  }
  std::puts("These backups still have them:");
  Table table({{"DIRECTORY"}, {"BACKUP", true}, {"CREATED"}, {"PROBLEM"}});
  for (const auto& [directory, numbers] : left.backups) {
    for (const auto& [number, backup] : numbers) {
      const Json& problem = backup.at("problem");
      table.Add({directory, std::to_string(number), HumanTime(backup.at("created").get<int64_t>()),
                 problem.is_null() ? "" : problem.get<std::string>()});
    }
  }
  table.Print();
}

}  // namespace

Json AwaitCompaction(AdminClient& client, const Json& job) {
  if (job.is_null()) return nullptr;
  return client.AwaitJob(job.get<uint64_t>(), "compaction", kLeft);
}

std::string BeforeAndAfter(const Json& compaction) {
  return Concat({HumanBytes(compaction.at("bytes_before").get<uint64_t>()), " on the disk before, ",
                 HumanBytes(compaction.at("bytes_after").get<uint64_t>()), " after"});
}

void RemoveBackups(AdminClient& client, const std::string& directory, const Json& numbers) {
  for (const Json& number : numbers) {
    client.Post("backups/remove", {{"directory", directory}, {"backup", number}});
  }
}

void DeleteClients(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const bool as_json = arguments.Has("json");
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Deletion deletion = LookAt(client, arguments.operands);
  Confirm(arguments, Concat({"Delete ", deletion.Sentence(), ", for ever?"}));
  Json job;
  for (const std::string& id : deletion.ids) {
    const Json answer = client.Delete(ClientTarget(id));
    // Each waits for all earlier ones.
    if (!answer.at("job").is_null()) job = answer.at("job");
    if (!as_json) std::printf("%s is deleted\n", id.c_str());
  }
  std::fflush(stdout);
  const Json compaction = AwaitCompaction(client, job);
  if (!as_json && !compaction.is_null()) {
    std::printf("The server's files have nothing of it any more: %s.\n",
                BeforeAndAfter(compaction).c_str());
  }

  const bool is_in_postgres = EffectiveText(command_line.settings, "storage") == "postgres";
  if (!as_json && is_in_postgres) {
    std::puts(
        "PostgreSQL has the bytes in dead rows until it vacuums the tables, and keeps them in its "
        "archive of the log and in backups: docs/cluster.md.");
  }
  BackupsLeft left;
  const std::string directory = arguments.Value("backups");
  const std::string query =
      directory.empty() ? "" : Concat({"?directory=", PercentEncoded(AbsolutePath(directory))});
  for (const std::string& id : deletion.ids) {
    left.Add(client.Get(ClientTarget(id, Concat({"/backups", query}))));
  }
  // Those of PostgreSQL are not known here.
  if (!as_json && !(is_in_postgres && left.directories.empty())) Print(left);
  const bool removes = arguments.Has("remove-backups") && !left.backups.empty();
  if (removes) Confirm(arguments, "Remove these backups?");
  for (const auto& [path, numbers] : left.backups) {
    const Json list = BackupsLeft::NumbersOf(numbers);
    if (removes) {
      RemoveBackups(client, path, list);
      if (!as_json) std::printf("removed from %s: %s\n", path.c_str(), Joined(list).c_str());
    } else if (!as_json) {
      std::printf("Once there is a newer one: tcsync-server backups %s --remove %s\n", path.c_str(),
                  Joined(list).c_str());
    }
  }
  if (!as_json) return;
  PrintJson({{"deleted", deletion.ids},
             {"compaction", compaction},
             {"backups", left.json()},
             {"problems", left.problems},
             {"backups_removed", removes}});
}

void Compact(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json compaction =
      client.AwaitJob(client.Post("compact", {{"everything", true}}).at("job").get<uint64_t>(),
                      "compaction", "the rest is unchanged");
  if (command_line.admin.Has("json")) return PrintJson(compaction);
  std::printf("%s\n", BeforeAndAfter(compaction).c_str());
}

}  // namespace tcsync::server
