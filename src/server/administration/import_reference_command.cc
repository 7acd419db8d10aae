// The command `import-reference`: imports the clients of a reference server's database, with the
// IDs of their versions, so that no replica notices the move.
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/import_pages.h"
#include "server/administration/interruption.h"
#include "server/administration/reference_database.h"
#include "server/concat.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

// Sends one client. Throws Failure when this server refuses it.
ImportTotals Move(const ReferenceClient& client, ReferenceDatabase& database, AdminClient& server) {
  ImportPages pages(server);
  const std::string where = Concat({"client ", client.client_id});
  pages.AddClient(JsonText({{"type", "client"}, {"client_id", client.client_id}}), where);
  for (const ReferenceVersion& version : client.chain) {
    pages.AddLine(JsonText({{"type", "version"},
                            {"version_id", version.version_id},
                            {"parent_version_id", version.parent_version_id},
                            {"segment", absl::Base64Escape(database.Segment(version.version_id))}}),
                  Concat({"version ", version.version_id, " of client ", client.client_id}));
  }
  if (client.snapshot) {
    pages.AddLine(
        JsonText({{"type", "snapshot"},
                  {"version_id", client.snapshot->version_id},
                  {"stored", client.snapshot->stored_unix_seconds},
                  {"snapshot", absl::Base64Escape(database.SnapshotBytes(client.client_id))}}),
        Concat({"the snapshot of client ", client.client_id}));
  }
  pages.Finish();
  return pages.totals();
}

// Reports on standard error the part of a client that is not imported, and returns whether there is
// one.
bool WarnOfMissing(const ReferenceClient& client) {
  const std::string shown_id = OneLine(client.client_id);
  const char* const id = shown_id.c_str();
  if (client.unreachable_versions > 0) {
    std::fprintf(stderr,
                 "client %s: left behind: %s that no replica can reach, because the chain of its "
                 "latest version begins after a version that the database does not have\n",
                 id, Counted(client.unreachable_versions, "version").c_str());
  }
  if (client.snapshot_is_unreachable) {
    std::fprintf(stderr,
                 "client %s: left behind: its snapshot, because the chain of its latest version "
                 "does not go on from there\n",
                 id);
  }
  if (!client.new_replica_can_start()) {
    std::fprintf(stderr,
                 "client %s: a new computer cannot start until one that is up to date has synced a "
                 "change here: it then leaves a snapshot\n",
                 id);
  }
  return client.unreachable_versions > 0 || client.snapshot_is_unreachable ||
         !client.new_replica_can_start();
}

// The reason why nothing of a client can be moved; empty: it can.
std::string ReasonNotToMove(const ReferenceClient& client) {
  if (!client.chain.empty()) return "";
  if (client.has_only_a_snapshot) {
    return "the database has its snapshot and none of its versions: let one of its computers sync "
           "a "
           "change with the reference server, and import again";
  }
  return "the database does not have its latest version";
}

void ReportNotMoved(const ReferenceClient& client, std::string_view why) {
  std::fprintf(stderr, "client %s: not moved: %s\n", OneLine(client.client_id).c_str(),
               OneLine(why).c_str());
}

}  // namespace

void ImportReference(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  // First: a mistyped path must not create a data directory.
  ReferenceDatabase database(arguments.operands[0]);
  if (!database.caution().empty()) {
    std::fprintf(stderr, "note: %s\n", database.caution().c_str());
  }
  AdminClient server(command_line.settings, DataDirectory::kMayBeNew);
  CatchInterruptions();
  ImportTotals totals;
  uint64_t examined = 0;
  uint64_t not_moved = 0;
  uint64_t moved_in_part = 0;
  uint64_t without_history = 0;
  ProgressLine progress("import");
  database.ForEachClient([&](const ReferenceClient& client) {
    EndIfInterrupted(
        Concat({"stored is ", totals.Sentence(), "; importing the same again adds the rest"}));
    progress.Show(examined++, database.client_count());
    if (!client.has_history) {
      ++without_history;
      return;
    }
    if (const std::string reason = ReasonNotToMove(client); !reason.empty()) {
      ++not_moved;
      ReportNotMoved(client, reason);
      return;
    }
    try {
      totals.Add(Move(client, database, server));
      if (WarnOfMissing(client)) ++moved_in_part;
    } catch (const Failure& failure) {
      ++not_moved;
      ReportNotMoved(client, failure.what());
    }
  });
  if (arguments.Has("json")) {
    Json result = totals.json();
    result["clients_not_moved"] = not_moved;
    result["clients_moved_in_part"] = moved_in_part;
    result["clients_without_history"] = without_history;
    PrintJson(result);
  } else {
    std::printf("%s\n", totals.Sentence().c_str());
    if (without_history > 0) {
      std::printf("%s without history: nothing to move, the first sync here begins it\n",
                  Counted(without_history, "client").c_str());
    }
  }
  if (not_moved == 0 && moved_in_part == 0) return;
  std::string failure;
  if (not_moved > 0) failure = Concat({Counted(not_moved, "client"), " could not be moved"});
  if (moved_in_part > 0) {
    failure += Concat(
        {failure.empty() ? "" : ", and ", Counted(moved_in_part, "client"), " moved in part"});
  }
  throw Failure(kExitFailure, failure);
}

}  // namespace tcsync::server
