// The commands `stats`, `verify` and `prune`.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/erasure_commands.h"
#include "server/administration/verification.h"
#include "server/concat.h"
#include "server/configuration.h"

namespace tcsync::server {
namespace {

constexpr size_t kBiggestShown = 10;

// The totals of the list of clients.
struct ClientTotals {
  uint64_t clients = 0;
  uint64_t versions = 0;
  uint64_t history_bytes = 0;
  uint64_t snapshots = 0;
  uint64_t snapshot_bytes = 0;
  uint64_t with_replicas_ahead = 0;
  uint64_t banned = 0;
  struct Sized {
    uint64_t bytes = 0;
    uint64_t versions = 0;
    std::string client_id;
    Json pseudonym;
  };
  std::vector<Sized> biggest;  // the biggest first

  void Add(const Json& client) {
    ++clients;
    const uint64_t its_versions = client.at("versions").get<uint64_t>();
    uint64_t its_bytes = client.at("history_bytes").get<uint64_t>();
    versions += its_versions;
    history_bytes += its_bytes;
    if (const Json& snapshot = client.at("snapshot"); !snapshot.is_null()) {
      ++snapshots;
      snapshot_bytes += snapshot.at("bytes").get<uint64_t>();
      its_bytes += snapshot.at("bytes").get<uint64_t>();
    }
    if (!client.at("replicas_ahead").empty()) ++with_replicas_ahead;
    if (!client.at("ban").is_null()) ++banned;
    biggest.push_back({its_bytes, its_versions, client.at("client_id").get<std::string>(),
                       client.at("pseudonym")});
    std::sort(biggest.begin(), biggest.end(),
              [](const Sized& a, const Sized& b) { return a.bytes > b.bytes; });
    if (biggest.size() > kBiggestShown) biggest.pop_back();
  }

  Json json() const {
    Json list = Json::array();
    for (const Sized& client : biggest) {
      list.push_back({{"client_id", client.client_id},
                      {"pseudonym", client.pseudonym},
                      {"bytes", client.bytes},
                      {"versions", client.versions}});
    }
    return {{"clients", clients},
            {"versions", versions},
            {"history_bytes", history_bytes},
            {"snapshots", snapshots},
            {"snapshot_bytes", snapshot_bytes},
            {"clients_without_snapshot", clients - snapshots},
            {"clients_with_replicas_ahead", with_replicas_ahead},
            {"clients_banned", banned},
            {"biggest", std::move(list)}};
  }
};

// The retention options that were given as flags. (The server has its own from the environment.)
Json PruneBody(const Settings& flags, bool dry_run) {
  Json body = {{"dry_run", dry_run}};
  static constexpr std::pair<const char*, const char*> kOptions[] = {
      {"retention-days", "retention_days"},
      {"retention-versions", "retention_versions"},
      {"replica-seen-days", "replica_seen_days"},
      {"idle-client-days", "idle_client_days"}};
  for (const auto& [option, field] : kOptions) {
    const auto flag = flags.find(option);
    // As text: the library has checked that it is a number.
    if (flag != flags.end()) body[field] = flag->second;
  }
  return body;
}

struct PruneTotals {
  uint64_t examined = 0;
  uint64_t versions = 0;  // of the remaining clients
  uint64_t idle_clients = 0;
  uint64_t bytes = 0;
  uint64_t problems = 0;
  Json clients = Json::array();
  Json job;  // erases the removed bytes

  bool IsNothing() const { return versions == 0 && idle_clients == 0 && problems == 0; }
  std::string Sentence() const {
    return Concat({Counted(versions, "old version"), " and ", Counted(idle_clients, "idle client"),
                   ", ", HumanBytes(bytes)});
  }
  Json json(bool dry_run) const {
    return {{"dry_run", dry_run},   {"examined", examined},
            {"versions", versions}, {"idle_clients", idle_clients},
            {"bytes", bytes},       {"problems", problems},
            {"clients", clients}};
  }
};

PruneTotals RunPrune(AdminClient& client, const Settings& flags, bool dry_run) {
  PruneTotals totals;
  const uint64_t total = client.Get("stats").at("clients").get<uint64_t>();
  ProgressLine progress(dry_run ? "looking" : "removing");
  client.WalkPages(
      "POST", "prune", PruneBody(flags, dry_run),
      dry_run ? "nothing was removed" : "the next run removes the rest; everything is intact",
      [&](const Json& page) {
        totals.examined += page.at("examined").get<uint64_t>();
        for (const Json& entry : page.at("clients")) {
          totals.clients.push_back(entry);
          totals.bytes += entry.at("bytes").get<uint64_t>();
          if (!entry.at("problem").is_null()) {
            ++totals.problems;
          } else if (entry.at("whole_client").get<bool>()) {
            ++totals.idle_clients;
          } else {
            totals.versions += entry.at("versions").get<uint64_t>();
          }
        }
        if (page.contains("job")) totals.job = page.at("job");
        progress.Show(totals.examined, total);
      });
  return totals;
}

void PrintPruned(const PruneTotals& totals, bool dry_run) {
  Table table({{"CLIENT ID"}, {"VERSIONS", true}, {"BYTES", true}, {"WHAT"}});
  for (const Json& client : totals.clients) {
    const bool whole = client.at("whole_client").get<bool>();
    const Json& problem = client.at("problem");
    table.Add({client.at("client_id").get<std::string>(),
               std::to_string(client.at("versions").get<uint64_t>()),
               HumanBytes(client.at("bytes").get<uint64_t>()),
               !problem.is_null() ? Concat({"failed: ", problem.get<std::string>()})
               : whole            ? "the whole client: idle"
                                  : "old versions"});
  }
  if (!table.empty()) table.Print();
  std::printf("%s %s\n", totals.Sentence().c_str(), dry_run ? "would go" : "are gone");
}

}  // namespace

void ShowStats(const CommandLine& command_line) {
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  Json stats = client.Get("stats");
  ClientTotals totals;
  {
    ProgressLine progress("counting");
    client.WalkPages("GET", "clients?limit=1000", {}, "the figures are not complete",
                     [&](const Json& page) {
                       for (const Json& entry : page.at("clients")) totals.Add(entry);
                       progress.Show(totals.clients, stats.at("clients").get<uint64_t>());
                     });
  }
  if (command_line.admin.Has("json")) {
    stats["totals"] = totals.json();
    return PrintJson(stats);
  }
  const auto bytes = [&](const char* name) { return HumanBytes(stats.at(name).get<uint64_t>()); };
  std::printf("clients                %llu, %llu of them banned\n",
              static_cast<unsigned long long>(totals.clients),
              static_cast<unsigned long long>(totals.banned));
  std::printf("versions               %llu, %s\n", static_cast<unsigned long long>(totals.versions),
              HumanBytes(totals.history_bytes).c_str());
  std::printf("snapshots              %llu, %s; %s without\n",
              static_cast<unsigned long long>(totals.snapshots),
              HumanBytes(totals.snapshot_bytes).c_str(),
              Counted(totals.clients - totals.snapshots, "client").c_str());
  std::printf("with replicas ahead    %s\n", Counted(totals.with_replicas_ahead, "client").c_str());
  std::printf("data of clients        %s\n", bytes("live_bytes").c_str());
  if (stats.at("disk_bytes_total") == 0) {  // a database elsewhere, whose disk is not known here
    std::printf("in the database        %s, with indexes and dead rows\n",
                bytes("bytes_on_disk").c_str());
  } else {
    std::printf("on the disk            %s, %s of it dead or in the log; %s of %s free\n",
                bytes("bytes_on_disk").c_str(), bytes("dead_bytes").c_str(),
                bytes("disk_bytes_free").c_str(), bytes("disk_bytes_total").c_str());
  }
  std::printf("waiting writes         %llu, %s\n",
              static_cast<unsigned long long>(stats.at("queued_writes").get<uint64_t>()),
              bytes("queued_bytes").c_str());
  const Json& last_backup = stats.at("last_backup");
  std::printf("last backup            %s\n", last_backup.is_null()
                                                 ? "none that is known of"
                                                 : HumanTime(last_backup.get<int64_t>()).c_str());
  if (const Json& proxy = stats.at("unnamed_proxy"); !proxy.is_null()) {
    std::printf("unnamed proxy          %s: name it in trusted-proxy, if it is yours\n",
                proxy.get<std::string>().c_str());
  }
  if (totals.biggest.empty()) return;
  std::printf("\nThe biggest clients:\n");
  Table table({{"CLIENT ID"}, {"IN THE LOG"}, {"BYTES", true}, {"VERSIONS", true}});
  for (const ClientTotals::Sized& sized : totals.biggest) {
    table.Add({sized.client_id,
               sized.pseudonym.is_null() ? "-" : sized.pseudonym.get<std::string>(),
               HumanBytes(sized.bytes), std::to_string(sized.versions)});
  }
  table.Print();
}

void Verify(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const Verification verification =
      arguments.operands.empty() ? VerifyAll(client) : VerifyOne(client, arguments.operands[0]);
  if (arguments.Has("json")) {
    PrintJson(verification.json());
  } else {
    verification.Print();
  }
  if (verification.HasProblems()) throw Failure(kExitFailure, "verify found problems");
}

void Prune(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  const bool dry_run = arguments.Has("dry-run");
  if (!dry_run && !arguments.Has("yes")) {
    const PruneTotals looked = RunPrune(client, command_line.settings, /*dry_run=*/true);
    if (!looked.IsNothing()) {
      Confirm(arguments, Concat({"Remove ", looked.Sentence(), "?"}));
    }
  }
  const PruneTotals totals = RunPrune(client, command_line.settings, dry_run);
  AwaitCompaction(client, totals.job);
  if (arguments.Has("json")) {
    PrintJson(totals.json(dry_run));
  } else {
    PrintPruned(totals, dry_run);
  }
  if (totals.problems > 0) {
    throw Failure(kExitFailure,
                  Concat({Counted(totals.problems, "client"), " could not be pruned"}));
  }
}

void RepairLog(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.Has("acknowledge")) {
    AdminClient client(command_line.settings, DataDirectory::kMustExist);
    const Json answer = client.Post("acknowledge-log-losses");
    if (arguments.Has("json")) return PrintJson(answer);
    std::printf("no accepted damage of a log is told any more\n");
    return;
  }
  AdminClient client(command_line.settings, DataDirectory::kNone);
  const Json looked = client.Post("repair-log", {{"dry_run", true}});
  const std::string data_dir = EffectiveText(command_line.settings, "data-dir");
  const bool is_damaged = looked.at("damaged").get<bool>();
  if (!is_damaged || arguments.Has("dry-run")) {
    if (arguments.Has("json")) return PrintJson(looked);
    if (!is_damaged) {
      std::printf("the log of %s is whole; there is nothing to repair\n", data_dir.c_str());
      return;
    }
  }
  const auto sentence = [](const Json& loss) {
    return Concat({loss.at("description").get<std::string>(), ": ",
                   HumanBytes(loss.at("bytes").get<uint64_t>()), " with up to ",
                   Counted(loss.at("versions_max").get<uint64_t>(), "version")});
  };
  if (arguments.Has("dry-run")) {
    std::printf("%s would be lost\n", sentence(looked.at("loss")).c_str());
    return;
  }
  Confirm(arguments, Concat({"In ", data_dir, ", ", sentence(looked.at("loss")),
                             " cannot be read back. Continue without them?"}));
  const Json repaired = client.Post("repair-log", {{"dry_run", false}});
  if (arguments.Has("json")) return PrintJson(repaired);
  const Json& loss = repaired.at("loss");
  std::printf(
      "%s are lost; the damaged log is kept in %s/%s. The server starts again.\n"
      "Replicas that had sent the lost versions are now ahead of this server: `clients list` notes "
      "them as they come, and `clients accept-diverged` lets one continue.\n",
      sentence(loss).c_str(), data_dir.c_str(), loss.at("kept_in").get<std::string>().c_str());
}

}  // namespace tcsync::server
