// The commands `clients ...` that show clients and change their admission.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/concat.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

// 0 for null.
int64_t TimeOf(const Json& value) { return value.is_null() ? 0 : value.get<int64_t>(); }

// Storage records replicas by day.
std::string DayOf(const Json& value) { return HumanDay(TimeOf(value)); }

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
  if (client.at("accepts_diverged").get<bool>()) add("accepts diverged");
  if (!client.at("problem").is_null()) add("damaged");
  return notes;
}

// "3.4 MiB, 5 versions ago"
std::string SnapshotText(const Json& snapshot) {
  if (snapshot.is_null()) return "none";
  return Concat({HumanBytes(snapshot.at("bytes").get<uint64_t>()), ", ",
                 Counted(snapshot.at("versions_since").get<uint64_t>(), "version"), " ago"});
}

void PrintField(std::string_view name, std::string_view value) {
  std::printf("%-18.*s %s\n", static_cast<int>(name.size()), name.data(), OneLine(value).c_str());
}

// "2026-01-31 17:05:09 UTC (3 days)"
std::string TimeAndAge(const Json& value) {
  const int64_t time = TimeOf(value);
  if (time == 0) return "unknown";
  return Concat({HumanTime(time), " (", HumanAge(time), ")"});
}

// The meaning of a version ID's number, for a replica whose version this server lacks.
std::string_view PlaceText(const Json& replica) {
  const Json& place = replica.at("place");
  if (place == "left-out") return "; its version is older than the latest here";
  if (place == "foreign") return "; another server gave out its version, or the latest here";
  return "";
}

void PrintClient(const Json& client) {
  PrintField("client ID", client.at("client_id").get<std::string>());
  PrintField("in the log", TextOf(client.at("pseudonym")));
  if (!client.at("problem").is_null()) {
    return PrintField("damaged", Concat({client.at("problem").get<std::string>(),
                                         "; 'tcsync-server verify' says more"}));
  }
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
  // Older servers do not answer with it.
  const uint64_t devices = client.value("devices", uint64_t{0});
  if (devices > 0) {
    PrintField("devices", Concat({std::to_string(devices),
                                  devices == 1 ? " computer has a token of its own; "
                                               : " computers have a token of their own; ",
                                  client.value("requires_device", false)
                                      ? "requests without one are refused, since one was revoked"
                                      : "requests without one are served as well"}));
  }
  for (const Json& replica : client.at("replicas_ahead")) {
    PrintField("replica ahead",
               Concat({"at version ", replica.at("version_id").get<std::string>(), ", seen ",
                       HumanTime(TimeOf(replica.at("last_seen"))), PlaceText(replica)}));
  }
  if (client.at("accepts_diverged").get<bool>()) {
    PrintField("accepts diverged", "yes, once: the next replica that is ahead");
  }
}

// Posts to one client and prints the answer, or `sentence` after the ID.
Json PostToClient(const CommandLine& command_line, std::string_view verb, const Json& body,
                  std::string_view sentence) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  Json answer = client.Post(ClientTarget(command_line.admin.operands[0], verb), body);
  if (command_line.admin.Has("json")) {
    PrintJson(answer);
  } else if (!sentence.empty()) {
    std::printf("%s %.*s\n", answer.at("client_id").get<std::string>().c_str(),
                static_cast<int>(sentence.size()), sentence.data());
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
      });
  if (!as_json) table.Print();
}

void ShowClient(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json answer = client.Get(ClientTarget(command_line.admin.operands[0]));
  if (command_line.admin.Has("json")) return PrintJson(answer);
  PrintClient(answer);
}

void BanClient(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "/ban",
                                   {{"reason", command_line.admin.Value("reason")}}, "is banned");
  if (!answer.at("is_client").get<bool>() && !command_line.admin.Has("json")) {
    std::fputs("tcsync-server: note: there is no client of this ID (yet)\n", stderr);
  }
}

void UnbanClient(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "/unban", Json::object(), "is not banned");
  if (!answer.at("was_banned").get<bool>() && !command_line.admin.Has("json")) {
    std::fputs("tcsync-server: note: it was not banned before either\n", stderr);
  }
}

void ResetToken(const CommandLine& command_line) {
  const Json answer = PostToClient(command_line, "/reset-token", Json::object(), "");
  if (command_line.admin.Has("json")) return;
  const std::string path = answer.at("path").get<std::string>();
  std::printf(
      "The URL of the client's replicas must now end with this path, behind the server's own:\n"
      "  %s\n"
      "It is shown this once. In taskrc: sync.server.url=https://HOST%s/\n",
      path.c_str(), path.c_str());
}

void ClearToken(const CommandLine& command_line) {
  PostToClient(command_line, "/clear-token", Json::object(), "is served without a token");
}

namespace {

// The reason why no diverged replica of the client is accepted automatically; empty: one is.
std::string WhyNotAccepted(const Json& client) {
  if (!client.at("problem").is_null()) {
    return Concat({"it is damaged: ", client.at("problem").get<std::string>()});
  }
  if (client.at("accepts_diverged").get<bool>()) return "it is accepted already";
  const Json& replicas = client.at("replicas_ahead");
  if (replicas.size() > 1) {
    return Concat({"its replicas are at ", std::to_string(replicas.size()),
                   " versions that are not here: ask its user which computer has everything"});
  }
  const Json& replica = replicas.at(0);
  if (replica.at("place") != "ahead") {
    return Concat({"its replica is not ahead", PlaceText(replica)});
  }
  if (TimeOf(client.at("latest_appended")) > TimeOf(replica.at("last_seen"))) {
    return "its history here has grown since its replica was seen to be ahead: accepting the "
           "replica would remove that";
  }
  return "";
}

// For each client with replicas ahead: accepts one if the choice is clear.
void AcceptAllDiverged(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  std::vector<std::string> clear;
  Json left_out = Json::array();
  client.WalkPages("GET", "clients?limit=1000", {}, "nothing was changed", [&](const Json& page) {
    for (const Json& entry : page.at("clients")) {
      if (entry.at("replicas_ahead").empty()) continue;
      const std::string id = entry.at("client_id").get<std::string>();
      const std::string why = WhyNotAccepted(entry);
      if (why.empty()) {
        clear.push_back(id);
      } else {
        left_out.push_back({{"client_id", id}, {"why", why}});
      }
    }
  });
  const bool is_dry_run = arguments.Has("dry-run");
  if (!is_dry_run && !clear.empty()) {
    Confirm(
        arguments,
        Concat({"Accept the one replica that is ahead, of ", Counted(clear.size(), "client"),
                "? The history here of each is removed when its replica sends its next changes."}));
    for (const std::string& id : clear) client.Post(ClientTarget(id, "/accept-diverged"));
  }
  if (arguments.Has("json")) {
    return PrintJson({{"dry_run", is_dry_run}, {"accepted", clear}, {"left_out", left_out}});
  }
  for (const std::string& id : clear) {
    std::printf("%s: %s\n", id.c_str(),
                is_dry_run ? "its replica would be accepted" : "its replica is accepted");
  }
  for (const Json& entry : left_out) {
    std::printf("%s is left out: %s\n", entry.at("client_id").get<std::string>().c_str(),
                OneLine(entry.at("why").get<std::string>()).c_str());
  }
  std::printf("%s %s, %zu left out\n", Counted(clear.size(), "client").c_str(),
              is_dry_run ? "would be changed" : "changed", left_out.size());
}

}  // namespace

void AcceptDiverged(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const bool for_all = arguments.Has("all-with-one-replica-ahead");
  if (arguments.operands.empty() != for_all) {
    throw Failure(kExitUsage,
                  "clients accept-diverged needs either a client or --all-with-one-replica-ahead");
  }
  if (for_all) return AcceptAllDiverged(command_line);
  if (arguments.Has("dry-run")) {
    throw Failure(kExitUsage, "--dry-run is for --all-with-one-replica-ahead");
  }
  PostToClient(command_line, "/accept-diverged", Json::object(),
               "accepts the next of its replicas that is ahead and has changes, once");
}

void RefuseDiverged(const CommandLine& command_line) {
  PostToClient(command_line, "/refuse-diverged", Json::object(),
               "accepts no diverged replica any more");
}

}  // namespace tcsync::server
