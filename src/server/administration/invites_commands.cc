// The commands `invites ...`.
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

constexpr unsigned long long kDaysMax = 36'500;

std::string ExpiryText(const Json& expires) {
  return expires.is_null() ? "never" : HumanDay(expires.get<int64_t>());
}

std::string UsesText(const Json& invite) {
  const Json& maximum = invite.at("uses_max");
  return Concat({std::to_string(invite.at("uses").get<uint64_t>()), " of ",
                 maximum.is_null() ? "any" : std::to_string(maximum.get<uint64_t>())});
}

}  // namespace

void ListInvites(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json answer = client.Get("invites");
  Table table({{"INVITE"}, {"STATE"}, {"USES"}, {"CREATED", true}, {"EXPIRES"}, {"LABEL"}});
  for (const Json& invite : answer.at("invites")) {
    if (command_line.admin.Has("json")) {
      PrintJson(invite);
      continue;
    }
    table.Add({invite.at("invite").get<std::string>(), invite.at("state").get<std::string>(),
               UsesText(invite), HumanAge(invite.at("created").get<int64_t>()),
               ExpiryText(invite.at("expires")), invite.at("label").get<std::string>()});
  }
  if (!command_line.admin.Has("json")) table.Print();
}

void CreateInvite(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const Json body = {{"label", arguments.Value("label")},
                     {"uses_max", arguments.Number("uses", 0, UINT32_MAX, 1)},
                     {"expires_days", arguments.Number("expires-days", 0, kDaysMax, 0)}};
  AdminClient client(command_line.settings, DataDirectory::kMayBeNew);
  if (client.made_data_directory()) {
    std::fprintf(stderr,
                 "note: there was no data directory at '%s', so one was made; a server that uses "
                 "another one does not know this invite\n",
                 EffectiveText(command_line.settings, "data-dir").c_str());
  }
  const Json answer = client.Post("invites", body);
  if (arguments.Has("json")) return PrintJson(answer);
  std::printf(
      "Invite %s: the URL that it gives ends with this path, behind the server's own:\n"
      "  %s\n"
      "It is shown this once. In taskrc: sync.server.url=https://HOST%s/\n",
      answer.at("invite").get<std::string>().c_str(), answer.at("path").get<std::string>().c_str(),
      answer.at("path").get<std::string>().c_str());
}

void RevokeInvite(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Json answer =
      client.Delete(Concat({"invites/", PercentEncoded(command_line.admin.operands[0])}));
  if (command_line.admin.Has("json")) return PrintJson(answer);
  std::printf("%s is revoked\n", answer.at("invite").get<std::string>().c_str());
}

}  // namespace tcsync::server
