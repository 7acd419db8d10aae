// The commands `top`, `options-in-force` and `log-level`: a view into the running server.
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/concat.h"
#include "server/configuration.h"

namespace tcsync::server {
namespace {

constexpr unsigned long long kPlacesMax = 64;
constexpr unsigned long long kPlaces = 10;

// For facts that only a running server knows.
void RequireServer(const AdminClient& client, const Settings& flags, std::string_view instead) {
  if (client.is_served()) return;
  throw Failure(kExitFailure, Concat({"no server is running with the data directory '",
                                      EffectiveText(flags, "data-dir"), "'", instead}));
}

void PrintRankings(const Json& rankings, const char* title, const char* name) {
  for (const auto& [key, places] : rankings.items()) {
    if (places.empty()) continue;
    const std::string measure = key;
    const auto text = [&measure](const Json& number) {
      const uint64_t count = number.get<uint64_t>();
      return measure == "bytes" ? HumanBytes(count) : std::to_string(count);
    };
    std::string heading = measure;
    for (char& letter : heading) {
      letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
    Table table({{title}, {heading, true}, {"AT LEAST", true}});
    for (const Json& place : places) {
      const Json& named = place.at(name);
      const bool is_sure = place.at("count") == place.at("count_min");
      table.Add({named.is_null() ? "-" : named.get<std::string>(), text(place.at("count")),
                 is_sure ? "" : text(place.at("count_min"))});
    }
    table.Print();
    std::printf("\n");
  }
}

}  // namespace

void ShowTop(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const unsigned long long limit = arguments.Number("limit", 1, kPlacesMax, kPlaces);
  AdminClient client(command_line.settings, DataDirectory::kServedOrNone);
  RequireServer(client, command_line.settings, ", so no client is served");
  const Json top = client.Get(Concat({"top?limit=", std::to_string(limit)}));
  if (arguments.Has("json")) return PrintJson(top);
  const uint64_t seconds = top.at("seconds").get<uint64_t>();
  if (top.at("sources").at("requests").empty()) {
    std::printf("no requests in the last %s\n", Counted(seconds, "second").c_str());
    return;
  }
  std::printf("The last %s:\n\n", Counted(seconds, "second").c_str());
  PrintRankings(top.at("sources"), "ADDRESS", "source");
  PrintRankings(top.at("clients"), "CLIENT", "client");
}

void ShowOptionsInForce(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kServedOrNone);
  Json list = client.Get("options").at("options");
  for (Json& option : list) {
    // The server was started by a command line, so its explicit settings came from flags.
    if (option.at("source") == "set") option["source"] = "flag";
  }
  if (command_line.admin.Has("json")) {
    for (const Json& option : list) PrintJson(option);
    return;
  }
  std::printf("%s\n\n",
              client.is_served()
                  ? "Of the running server:"
                  : "No server is running here; one that is started like this would have:");
  Table table({{"OPTION"}, {"VALUE"}, {"FROM"}});
  for (const Json& option : list) {
    std::string source = option.at("source").get<std::string>();
    if (!option.at("variable").is_null()) {
      source += Concat({" ", option.at("variable").get<std::string>()});
    }
    table.Add(
        {option.at("name").get<std::string>(), option.at("value").get<std::string>(), source});
  }
  table.Print();
}

void ChangeLogLevel(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  AdminClient client(command_line.settings, DataDirectory::kServedOrNone);
  RequireServer(client, command_line.settings, "; the option log-level is for one that is started");
  const Json answer = arguments.operands.empty()
                          ? client.Get("log-level")
                          : client.Post("log-level", {{"level", arguments.operands[0]}});
  if (arguments.Has("json")) return PrintJson(answer);
  if (arguments.operands.empty()) {
    std::printf("%s\n", answer.at("level").get<std::string>().c_str());
    return;
  }
  std::printf("the log level is %s, and was %s; a restart or SIGHUP brings back the option's\n",
              answer.at("level").get<std::string>().c_str(),
              answer.at("before").get<std::string>().c_str());
}

}  // namespace tcsync::server
