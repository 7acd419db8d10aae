// Clients: listing them, showing and removing one, and accepting a diverged replica.
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "access/read_devices.h"
#include "admin/api.h"
#include "admin/json.h"
#include "base/limits.h"
#include "sync/replica_place.h"

namespace tcsync::admin {
namespace {

constexpr char kEmptyPage[] = "'limit' is 0, which would be no page at all.";

// Bans and tokens by client.
struct Admission {
  explicit Admission(const AccessRecords& records) {
    for (const tcsync::Ban& ban : records.bans) bans[ban.client_id] = &ban;
    for (const ClientToken& token : records.tokens) tokens[token.client_id] = &token;
  }
  std::map<Uuid, const tcsync::Ban*> bans;
  std::map<Uuid, const ClientToken*> tokens;
};

// In the order of sync::ReplicaPlace.
constexpr const char* kPlaceNames[] = {"start", "foreign", "ahead", "left-out"};

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
    const auto place =
        static_cast<size_t>(sync::PlaceOf(replica.version_id, client.latest_version_id));
    replicas_ahead.push_back({{"version_id", replica.version_id.ToString()},
                              {"last_seen", replica.last_seen_unix_seconds},
                              {"place", kPlaceNames[place]}});
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
          {"created", OrNull(client.created_unix_seconds)},
          {"last_seen", OrNull(client.last_seen_unix_seconds)},
          {"versions", client.version_count()},
          {"first_number", client.first_number},
          {"latest_number", client.latest_number},
          {"latest_version_id", client.latest_version_id.ToString()},
          {"latest_appended", OrNull(client.latest_appended_unix_seconds)},
          {"history_bytes", client.history_bytes},
          {"snapshot", SnapshotOf(client)},
          {"replicas_ahead", std::move(replicas_ahead)},
          {"accepts_diverged", client.accepts_diverged},
          {"ban", std::move(ban)},
          {"token_since", std::move(token_since)},
          {"problem", OrNull(client.problem)}};
}

}  // namespace

absl::Status NoSuchClient(const Uuid& client_id) {
  return absl::NotFoundError(absl::StrCat("There is no client ", client_id.ToString(), "."));
}

absl::StatusOr<ClientSummary> EngineApi::FindClient(const Uuid& client_id) const {
  absl::StatusOr<std::optional<ClientSummary>> client = administration().FindClient(client_id);
  if (!client.ok()) return client.status();
  if (!*client) return NoSuchClient(client_id);
  return **std::move(client);
}

absl::StatusOr<Json> EngineApi::ListClients(std::optional<Uuid> after,
                                            std::optional<uint64_t> limit) {
  const size_t count_max = limit.value_or(base::kAdminPageClients);
  if (count_max == 0) return absl::InvalidArgumentError(kEmptyPage);
  const absl::StatusOr<std::vector<ClientSummary>> clients =
      administration().ListClients(after, count_max);
  if (!clients.ok()) return clients.status();
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const Admission admission(*records);
  Json list = Json::array();
  for (const ClientSummary& client : *clients) {
    list.push_back(Describe(client, engine_.pseudonym_of(client.client_id), admission));
  }
  Json next;
  if (clients->size() == count_max) next = clients->back().client_id.ToString();
  return Json{{"clients", std::move(list)}, {"next", std::move(next)}};
}

absl::StatusOr<Json> EngineApi::ShowClient(const Uuid& client_id) {
  const absl::StatusOr<ClientSummary> client = FindClient(client_id);
  if (!client.ok()) return client.status();
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const absl::StatusOr<DeviceState> state = access::ReadDevicesIfKept(administration(), client_id);
  if (!state.ok()) return state.status();
  Json description = Describe(*client, engine_.pseudonym_of(client_id), Admission(*records));
  // Numbers alone: the names of the computers are sealed, and the user's business.
  description["devices"] = state->devices.devices.size();
  description["requires_device"] = state->devices.requires_token;
  return description;
}

absl::StatusOr<Json> EngineApi::DeleteClient(const Uuid& client_id) {
  const absl::StatusOr<bool> deleted = administration().DeleteClient(client_id);
  if (!deleted.ok()) return deleted.status();
  if (!*deleted) return NoSuchClient(client_id);
  LogAbout(client_id, "the client was deleted");
  engine_.on_changed_history(client_id);
  return Json{{"client_id", client_id.ToString()}, {"deleted", true}, {"job", CompactionJob()}};
}

absl::StatusOr<Json> EngineApi::ListVersions(const Uuid& client_id, std::optional<uint64_t> after,
                                             std::optional<uint64_t> limit) {
  const size_t count_max = limit.value_or(base::kAdminPageVersionsMax);
  if (count_max == 0) return absl::InvalidArgumentError(kEmptyPage);
  const absl::StatusOr<ClientSummary> client = FindClient(client_id);
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<VersionSummary>> versions =
      administration().ListVersions(client_id, after.value_or(0), count_max);
  if (!versions.ok()) return versions.status();
  Json list = Json::array();
  for (const VersionSummary& version : *versions) {
    list.push_back({{"number", version.number},
                    {"version_id", version.version_id.ToString()},
                    {"parent_version_id", version.parent_version_id.ToString()},
                    {"appended", OrNull(version.appended_unix_seconds)},
                    {"bytes", version.bytes},
                    {"snapshot", client->snapshot && client->snapshot_number == version.number}});
  }
  Json next;
  if (versions->size() == count_max) next = absl::StrCat(versions->back().number);
  return Json{{"versions", std::move(list)}, {"next", std::move(next)}};
}

absl::StatusOr<Json> EngineApi::Rewind(const Uuid& client_id, const Uuid& version_id,
                                       const Uuid& latest_version_id,
                                       std::optional<Uuid> snapshot_version_id,
                                       bool remove_snapshot) {
  const RewindRequest request{.client_id = client_id,
                              .version_id = version_id,
                              .latest_version_id = latest_version_id,
                              .snapshot_version_id = snapshot_version_id,
                              .remove_snapshot = remove_snapshot};
  const absl::StatusOr<Rewound> rewound = administration().Rewind(request);
  if (absl::IsNotFound(rewound.status())) return NoSuchClient(client_id);
  if (!rewound.ok()) return rewound.status();
  LogAbout(client_id, "the client's history was rewound to version ", version_id.ToString(),
           "; removed: ", rewound->versions_removed, " versions",
           rewound->snapshot_removed ? " and the snapshot" : "");
  engine_.on_changed_history(client_id);
  return Json{{"client_id", client_id.ToString()},
              {"latest_version_id", version_id.ToString()},
              {"versions_removed", rewound->versions_removed},
              {"bytes_removed", rewound->bytes_removed},
              {"snapshot_removed", rewound->snapshot_removed},
              {"job", CompactionJob()}};
}

absl::StatusOr<Json> EngineApi::SetAcceptsDiverged(const Uuid& client_id, bool accept) {
  const absl::StatusOr<bool> found = administration().AcceptDiverged(client_id, accept);
  if (!found.ok()) return found.status();
  if (!*found) return NoSuchClient(client_id);
  LogAbout(client_id, accept ? "a replica that is ahead is accepted, once"
                             : "no replica that is ahead is accepted any more");
  return Json{{"client_id", client_id.ToString()}, {"accepts_diverged", accept}};
}

absl::StatusOr<Json> EngineApi::AcceptDiverged(const Uuid& client_id) {
  return SetAcceptsDiverged(client_id, true);
}

absl::StatusOr<Json> EngineApi::RefuseDiverged(const Uuid& client_id) {
  return SetAcceptsDiverged(client_id, false);
}

}  // namespace tcsync::admin
