// The command `import-reference`: brings the clients of a reference server's database here, with
// the IDs of their versions, so that no replica notices the move.
#include <cstdio>
#include <string>

#include "absl/strings/escaping.h"
#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/import_pages.h"
#include "server/administration/interruption.h"
#include "server/administration/reference_database.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

// Sends one client. Throws Failure when this server does not take it.
ImportTotals Move(const ReferenceClient& client, ReferenceDatabase& database, AdminClient& server) {
  ImportPages pages(server);
  const std::string where = Concat({"client ", client.client_id});
  pages.AddClient(Json{{"type", "client"}, {"client_id", client.client_id}}.dump(), where);
  for (const ReferenceVersion& version : client.chain) {
    pages.AddLine(Json{{"type", "version"},
                       {"version_id", version.version_id},
                       {"parent_version_id", version.parent_version_id},
                       {"segment", absl::Base64Escape(database.Segment(version.version_id))}}
                      .dump(),
                  Concat({"version ", version.version_id, " of client ", client.client_id}));
  }
  if (client.snapshot) {
    pages.AddLine(Json{{"type", "snapshot"},
                       {"version_id", client.snapshot->version_id},
                       {"stored", client.snapshot->stored_unix_seconds},
                       {"snapshot", absl::Base64Escape(database.SnapshotBytes(client.client_id))}}
                      .dump(),
                  Concat({"the snapshot of client ", client.client_id}));
  }
  pages.Finish();
  return pages.totals();
}

// Says on standard error what of a client does not come along although the rest of it does.
void WarnOfUnreachable(const ReferenceClient& client) {
  if (client.unreachable_versions > 0) {
    std::fprintf(stderr,
                 "client %s: left behind: %s that no replica can reach, because its chain does not "
                 "lead there\n",
                 client.client_id.c_str(), Counted(client.unreachable_versions, "version").c_str());
  }
  if (client.snapshot_is_unreachable) {
    std::fprintf(stderr,
                 "client %s: left behind: its snapshot, which is of no version of its chain\n",
                 client.client_id.c_str());
  }
}

}  // namespace

void ImportReference(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  // First: a mistyped path must not make a data directory.
  ReferenceDatabase database(arguments.operands[0]);
  AdminClient server(command_line.settings, DataDirectory::kMayBeNew);
  CatchInterruptions();
  ImportTotals totals;
  uint64_t examined = 0;
  uint64_t not_moved = 0;
  ProgressLine progress("import");
  database.ForEachClient([&](const ReferenceClient& client) {
    EndIfInterrupted(
        Concat({"stored is ", totals.Sentence(), "; importing the same again adds the rest"}));
    progress.Show(examined++, database.client_count());
    if (client.chain.empty()) {
      ++not_moved;
      std::fprintf(stderr, "client %s: not moved: the database does not have its latest version\n",
                   client.client_id.c_str());
      return;
    }
    try {
      totals.Add(Move(client, database, server));
      WarnOfUnreachable(client);
    } catch (const Failure& failure) {
      ++not_moved;
      std::fprintf(stderr, "client %s: not moved: %s\n", client.client_id.c_str(), failure.what());
    }
  });
  if (arguments.Has("json")) {
    Json result = totals.json();
    result["clients_not_moved"] = not_moved;
    PrintJson(result);
  } else {
    std::printf("%s\n", totals.Sentence().c_str());
  }
  if (not_moved > 0) {
    throw Failure(kExitFailure, Concat({Counted(not_moved, "client"), " could not be moved"}));
  }
}

}  // namespace tcsync::server
