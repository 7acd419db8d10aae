// Clients: listing them, showing and removing one, and accepting a diverged replica.
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/json.h"
#include "base/limits.h"
#include "sync/replica_place.h"

namespace tcsync::admin {
namespace {

// Bans and tokens by client.
struct Admission {
  explicit Admission(const AccessRecords& records) {
    for (const tcsync::Ban& ban : records.bans) bans[ban.client_id] = &ban;
    for (const ClientToken& token : records.tokens) tokens[token.client_id] = &token;
  }
  std::map<Uuid, const tcsync::Ban*> bans;
  std::map<Uuid, const ClientToken*> tokens;
};

// Seconds since 1970; null if unknown.
Json TimeOf(int64_t unix_seconds) { return unix_seconds == 0 ? Json() : Json(unix_seconds); }

const char* NameOf(sync::ReplicaPlace place) {
  switch (place) {
    case sync::ReplicaPlace::kStart:
      return "start";
    case sync::ReplicaPlace::kForeign:
      return "foreign";
    case sync::ReplicaPlace::kAhead:
      return "ahead";
    case sync::ReplicaPlace::kLeftOut:
      return "left-out";
  }
  return "";
}

Json SnapshotOf(const ClientSummary& client) {
  if (!client.snapshot) return nullptr;
  return {{"version_id", client.snapshot->version_id.ToString()},
          {"number", client.snapshot_number},
          {"stored", client.snapshot->stored_unix_seconds},
          {"bytes", client.snapshot_bytes},
          {"versions_since", client.snapshot->versions_since}};
}

Json Describe(const ClientSummary& client, Json pseudonym, const Admission& admission) {
  Json replicas_ahead = Json::array();
  for (const ReplicaAhead& replica : client.replicas_ahead) {
    replicas_ahead.push_back(
        {{"version_id", replica.version_id.ToString()},
         {"last_seen", replica.last_seen_unix_seconds},
         {"place", NameOf(sync::PlaceOf(replica.version_id, client.latest_version_id))}});
  }
  Json ban;
  if (const auto found = admission.bans.find(client.client_id); found != admission.bans.end()) {
    ban = {{"reason", found->second->reason}, {"since", found->second->since_unix_seconds}};
  }
  Json token_since;
  if (const auto found = admission.tokens.find(client.client_id); found != admission.tokens.end()) {
    token_since = found->second->since_unix_seconds;
  }
  return {{"client_id", client.client_id.ToString()},
          {"pseudonym", std::move(pseudonym)},
          {"created", TimeOf(client.created_unix_seconds)},
          {"last_seen", TimeOf(client.last_seen_unix_seconds)},
          {"versions", client.version_count()},
          {"first_number", client.first_number},
          {"latest_number", client.latest_number},
          {"latest_version_id", client.latest_version_id.ToString()},
          {"latest_appended", TimeOf(client.latest_appended_unix_seconds)},
          {"history_bytes", client.history_bytes},
          {"snapshot", SnapshotOf(client)},
          {"replicas_ahead", std::move(replicas_ahead)},
          {"accepts_diverged", client.accepts_diverged},
          {"ban", std::move(ban)},
          {"token_since", std::move(token_since)},
          {"problem", client.problem.empty() ? Json() : Json(client.problem)}};
}

}  // namespace

absl::StatusOr<Json> Api::ListClients(Call& call) {
  const std::optional<Uuid> after = call.fields.Id("after");
  const size_t limit =
      call.fields.Count("limit", base::kAdminPageClientsMax).value_or(base::kAdminPageClients);
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  if (limit == 0) return absl::InvalidArgumentError("'limit' is 0, which would be no page at all.");
  const absl::StatusOr<std::vector<ClientSummary>> clients =
      administration().ListClients(after, limit);
  if (!clients.ok()) return clients.status();
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const Admission admission(*records);
  Json list = Json::array();
  for (const ClientSummary& client : *clients) {
    list.push_back(Describe(client, PseudonymOf(client.client_id), admission));
  }
  Json next;
  if (clients->size() == limit) next = clients->back().client_id.ToString();
  return Json{{"clients", std::move(list)}, {"next", std::move(next)}};
}

absl::StatusOr<Json> Api::ShowClient(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<ClientSummary> client = FindClient(administration(), call.client_id);
  if (!client.ok()) return client.status();
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  return Describe(*client, PseudonymOf(call.client_id), Admission(*records));
}

absl::StatusOr<Json> Api::DeleteClient(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<bool> deleted = administration().DeleteClient(call.client_id);
  if (!deleted.ok()) return deleted.status();
  if (!*deleted) return NoSuchClient(call.client_id);
  LogAbout(call.client_id, "the client was deleted");
  return Json{
      {"client_id", call.client_id.ToString()}, {"deleted", true}, {"job", CompactionJob()}};
}

absl::StatusOr<Json> Api::ListVersions(Call& call) {
  const uint64_t after = call.fields.Count("after", base::kVersionNumberMax).value_or(0);
  const size_t limit =
      call.fields.Count("limit", base::kAdminPageVersionsMax).value_or(base::kAdminPageVersionsMax);
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  if (limit == 0) return absl::InvalidArgumentError("'limit' is 0, which would be no page at all.");
  const absl::StatusOr<ClientSummary> client = FindClient(administration(), call.client_id);
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<VersionSummary>> versions =
      administration().ListVersions(call.client_id, after, limit);
  if (!versions.ok()) return versions.status();
  Json list = Json::array();
  for (const VersionSummary& version : *versions) {
    list.push_back({{"number", version.number},
                    {"version_id", version.version_id.ToString()},
                    {"parent_version_id", version.parent_version_id.ToString()},
                    {"appended", TimeOf(version.appended_unix_seconds)},
                    {"bytes", version.bytes},
                    {"snapshot", client->snapshot && client->snapshot_number == version.number}});
  }
  Json next;
  if (versions->size() == limit) next = absl::StrCat(versions->back().number);
  return Json{{"versions", std::move(list)}, {"next", std::move(next)}};
}

absl::StatusOr<Json> Api::Rewind(Call& call) {
  RewindRequest request;
  request.version_id = call.fields.RequiredId("version_id");
  request.latest_version_id = call.fields.RequiredId("latest_version_id");
  request.snapshot_version_id = call.fields.Id("snapshot_version_id");
  request.remove_snapshot = call.fields.Flag("remove_snapshot").value_or(false);
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  request.client_id = call.client_id;
  const absl::StatusOr<Rewound> rewound = administration().Rewind(request);
  if (absl::IsNotFound(rewound.status())) return NoSuchClient(call.client_id);
  if (!rewound.ok()) return rewound.status();
  LogAbout(call.client_id, "the client's history was rewound to version ",
           request.version_id.ToString(), "; removed: ", rewound->versions_removed, " versions",
           rewound->snapshot_removed ? " and the snapshot" : "");
  return Json{{"client_id", call.client_id.ToString()},
              {"latest_version_id", request.version_id.ToString()},
              {"versions_removed", rewound->versions_removed},
              {"bytes_removed", rewound->bytes_removed},
              {"snapshot_removed", rewound->snapshot_removed},
              {"job", CompactionJob()}};
}

absl::StatusOr<Json> Api::SetAcceptsDiverged(Call& call, bool accept) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<bool> found = administration().AcceptDiverged(call.client_id, accept);
  if (!found.ok()) return found.status();
  if (!*found) return NoSuchClient(call.client_id);
  LogAbout(call.client_id, accept ? "a replica that is ahead is accepted, once"
                                  : "no replica that is ahead is accepted any more");
  return Json{{"client_id", call.client_id.ToString()}, {"accepts_diverged", accept}};
}

absl::StatusOr<Json> Api::AcceptDiverged(Call& call) { return SetAcceptsDiverged(call, true); }

absl::StatusOr<Json> Api::RefuseDiverged(Call& call) { return SetAcceptsDiverged(call, false); }

}  // namespace tcsync::admin
