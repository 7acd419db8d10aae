// The commands `clients ...` that look at clients and change who may do what.
#include <cstdio>
#include <string>
#include <string_view>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

// 0 for null.
int64_t TimeOf(const Json& value) { return value.is_null() ? 0 : value.get<int64_t>(); }

// When a replica was seen is known to the day.
std::string DayOf(const Json& value) { return HumanTime(TimeOf(value)).substr(0, 10); }

std::string TextOf(const Json& value) { return value.is_null() ? "-" : value.get<std::string>(); }

std::string NotesOn(const Json& client) {
  std::string notes;
  const auto add = [&notes](std::string_view note) {
    if (!notes.empty()) notes += ", ";
    notes += note;
  };
  if (!client.at("ban").is_null()) add("banned");
  if (!client.at("token_since").is_null()) add("token");
  if (!client.at("replicas_ahead").empty()) add("replicas ahead");
  if (client.at("may_carry_on").get<bool>()) add("may carry on");
  return notes;
}

// "3.4 MiB, 5 versions ago"
std::string SnapshotText(const Json& snapshot) {
  if (snapshot.is_null()) return "none";
  return Concat({HumanBytes(snapshot.at("bytes").get<uint64_t>()), ", ",
                 Counted(snapshot.at("versions_since").get<uint64_t>(), "version"), " ago"});
}

void PrintField(std::string_view name, std::string_view value) {
  std::printf("%-18.*s %.*s\n", static_cast<int>(name.size()), name.data(),
              static_cast<int>(value.size()), value.data());
}

// "2026-01-31 17:05:09 UTC (3 days)"
std::string TimeAndAge(const Json& value) {
  const int64_t time = TimeOf(value);
  if (time == 0) return "unknown";
  return Concat({HumanTime(time), " (", HumanAge(time), ")"});
}

void PrintClient(const Json& client) {
  PrintField("client ID", client.at("client_id").get<std::string>());
  PrintField("in the log", TextOf(client.at("pseudonym")));
  PrintField("created", TimeAndAge(client.at("created")));
  PrintField("last seen", DayOf(client.at("last_seen")));
  PrintField("versions",
             Concat({std::to_string(client.at("versions").get<uint64_t>()), " (numbers ",
                     std::to_string(client.at("first_number").get<uint64_t>()), " to ",
                     std::to_string(client.at("latest_number").get<uint64_t>()), "), ",
                     HumanBytes(client.at("history_bytes").get<uint64_t>())}));
  PrintField("latest version", client.at("latest_version_id").get<std::string>());
  PrintField("appended", TimeAndAge(client.at("latest_appended")));
  const Json& snapshot = client.at("snapshot");
  PrintField("snapshot", SnapshotText(snapshot));
  if (!snapshot.is_null()) {
    PrintField("  of version", snapshot.at("version_id").get<std::string>());
    PrintField("  stored", TimeAndAge(snapshot.at("stored")));
  }
  const Json& ban = client.at("ban");
  if (!ban.is_null()) {
    const std::string reason = ban.at("reason").get<std::string>();
    PrintField("banned", Concat({"since ", HumanTime(TimeOf(ban.at("since"))),
                                 reason.empty() ? "" : ": ", reason}));
  }
  if (!client.at("token_since").is_null()) {
    PrintField("token", Concat({"since ", HumanTime(TimeOf(client.at("token_since")))}));
  }
  for (const Json& replica : client.at("replicas_ahead")) {
    PrintField("replica ahead", Concat({"at version ", replica.at("version_id").get<std::string>(),
                                        ", seen ", HumanTime(TimeOf(replica.at("last_seen")))}));
  }
  if (client.at("may_carry_on").get<bool>()) {
    PrintField("may carry on", "yes: the next replica that is ahead");
  }
}

// Posts to one client and prints the answer, or `sentence` with the ID in front.
Json PostToClient(const CommandLine& command_line, std::string_view verb, const Json& body,
                  std::string_view sentence) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const std::string id = ResolveClient(client, command_line.admin.operands[0]);
  Json answer = client.Post(Concat({"clients/", id, "/", verb}), body);
  if (command_line.admin.Has("json")) {
    PrintJson(answer);
  } else if (!sentence.empty()) {
    std::printf("%s %.*s\n", id.c_str(), static_cast<int>(sentence.size()), sentence.data());
  }
  return answer;
}

void ListBans(AdminClient& client, bool as_json) {
  const Json answer = client.Get("bans");
  Table table({{"CLIENT ID"}, {"IN THE LOG"}, {"BANNED", true}, {"REASON"}});
  for (const Json& ban : answer.at("bans")) {
    if (as_json) PrintJson(ban);
    table.Add({ban.at("client_id").get<std::string>(), TextOf(ban.at("pseudonym")),
               HumanAge(TimeOf(ban.at("since"))), ban.at("reason").get<std::string>()});
  }
  if (!as_json) table.Print();
}

}  // namespace

void ListClients(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const bool as_json = command_line.admin.Has("json");
  if (command_line.admin.Has("banned")) return ListBans(client, as_json);
  Table table({{"CLIENT ID"},
               {"IN THE LOG"},
               {"VERSIONS", true},
               {"HISTORY", true},
               {"SNAPSHOT"},
               {"APPENDED", true},
               {"SEEN"},
               {"NOTES"}});
  client.WalkPages(
      "GET", "clients?limit=1000", {}, "the list is not complete", [&](const Json& page) {
        for (const Json& entry : page.at("clients")) {
          if (as_json) {
            PrintJson(entry);
            continue;
          }
          table.Add({entry.at("client_id").get<std::string>(), TextOf(entry.at("pseudonym")),
                     std::to_string(entry.at("versions").get<uint64_t>()),
                     HumanBytes(entry.at("history_bytes").get<uint64_t>()),
                     SnapshotText(entry.at("snapshot")),
                     HumanAge(TimeOf(entry.at("latest_appended"))), DayOf(entry.at("last_seen")),
                     NotesOn(entry)});
        }
        return true;
      });
  if (!as_json) table.Print();
}

void ShowClient(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const std::string id = ResolveClient(client, command_line.admin.operands[0]);
  const Json answer = client.Get(Concat({"clients/", id}));
  if (command_line.admin.Has("json")) return PrintJson(answer);
  PrintClient(answer);
}

void BanClient(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "ban",
                                   {{"reason", command_line.admin.Value("reason")}}, "is banned");
  if (!answer.at("is_client").get<bool>() && !command_line.admin.Has("json")) {
    std::fputs("tcsync-server: note: there is no client of this ID (yet)\n", stderr);
  }
}

void UnbanClient(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "unban", Json::object(), "is not banned");
  if (!answer.at("was_banned").get<bool>() && !command_line.admin.Has("json")) {
    std::fputs("tcsync-server: note: it was not banned before either\n", stderr);
  }
}

void ResetToken(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "reset-token", Json::object(), "");
  if (command_line.admin.Has("json")) return;
  const std::string path = answer.at("path").get<std::string>();
  std::printf(
      "The URL of the client's replicas must now end with this path, behind the server's own:\n"
      "  %s\n"
      "It is shown this once. In taskrc: sync.server.url=https://HOST%s\n",
      path.c_str(), path.c_str());
}

void ClearToken(const CommandLine& command_line) {
  PostToClient(command_line, "clear-token", Json::object(), "is served without a token");
}

void AllowCarryOn(const CommandLine& command_line) {
  PostToClient(command_line, "allow-carry-on", Json::object(),
               "may carry on: the next of its replicas that is ahead and has changes");
}

void DisallowCarryOn(const CommandLine& command_line) {
  PostToClient(command_line, "disallow-carry-on", Json::object(), "may not carry on any more");
}

}  // namespace tcsync::server
