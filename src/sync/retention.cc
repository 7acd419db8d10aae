#include "sync/retention.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync::sync {
namespace {

absl::Duration Days(int64_t days) { return absl::Hours(24) * days; }

absl::Time LastUsed(const ClientSummary& client) {
  int64_t seconds = std::max({client.created_unix_seconds, client.last_seen_unix_seconds,
                              client.latest_appended_unix_seconds});
  if (client.snapshot) seconds = std::max(seconds, client.snapshot->stored_unix_seconds);
  for (const ReplicaAhead& replica : client.replicas_ahead) {
    seconds = std::max(seconds, replica.last_seen_unix_seconds);
  }
  return absl::FromUnixSeconds(seconds);
}

}  // namespace

bool IsIdle(const ClientSummary& client, const RetentionPolicy& policy, absl::Time now) {
  if (policy.idle_client_days == 0) return false;
  // One day more, because storage records replicas by day.
  return LastUsed(client) < now - Days(policy.idle_client_days + 1);
}

std::optional<RetentionBounds> BoundsOf(const ClientSummary& client,
                                        const std::vector<ReplicaPosition>& positions,
                                        const RetentionPolicy& policy, absl::Time now) {
  if (policy.retention_days == 0 || !client.snapshot) return std::nullopt;
  if (client.snapshot_number <= policy.retention_versions) return std::nullopt;
  RetentionBounds bounds{.number_bound = client.snapshot_number - policy.retention_versions,
                         .time_bound = absl::FromUnixSeconds(client.snapshot->stored_unix_seconds) -
                                       Days(policy.retention_days)};
  for (const ReplicaPosition& position : positions) {
    bounds.number_bound = std::min(bounds.number_bound, position.oldest_number);
  }
  // The positions of replicas are unknown, as for a client that was imported. A replica that synced
  // lately had all versions of that time, so it needs none that is as old.
  if (positions.empty()) {
    bounds.time_bound = std::min(bounds.time_bound, now - Days(policy.replica_seen_days));
  }
  if (bounds.number_bound <= client.first_number) return std::nullopt;
  return bounds;
}

absl::StatusOr<RetentionPage> Retention::RunPage(const std::optional<Uuid>& after, absl::Time now,
                                                 bool dry_run) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(base::kAdminPageMs);
  absl::StatusOr<std::vector<ClientSummary>> clients =
      histories_.ListClients(after, base::kAdminPageClients);
  if (!clients.ok()) return clients.status();
  RetentionPage page;
  for (const ClientSummary& client : *clients) {
    absl::StatusOr<ClientRetention> result = RunClient(client, now, dry_run);
    if (!result.ok()) {
      // One damaged client must not prevent the retention of all others.
      ClientRetention failed{.client_id = client.client_id};
      failed.problem = std::string(result.status().message());
      page.clients.push_back(std::move(failed));
    } else if (result->whole_client || result->versions > 0) {
      page.clients.push_back(*std::move(result));
    }
    ++page.examined;
    if (absl::Now() >= deadline) break;
  }
  const bool is_last =
      page.examined == clients->size() && clients->size() < base::kAdminPageClients;
  if (!is_last) page.next = (*clients)[page.examined - 1].client_id;
  return page;
}

absl::StatusOr<ClientRetention> Retention::RunClient(const ClientSummary& client, absl::Time now,
                                                     bool dry_run) {
  if (IsIdle(client, policy_, now)) return RemoveIdle(client, now, dry_run);
  ClientRetention result{.client_id = client.client_id};
  const int64_t seen_since = absl::ToUnixSeconds(now - Days(policy_.replica_seen_days));
  const absl::StatusOr<std::vector<ReplicaPosition>> positions =
      histories_.ReadPositions(client.client_id, seen_since);
  if (!positions.ok()) return positions.status();
  const std::optional<RetentionBounds> bounds = BoundsOf(client, *positions, policy_, now);
  if (!bounds) return result;
  const absl::StatusOr<uint64_t> first_kept = FirstNotOlderThan(
      client.client_id, client.first_number, bounds->number_bound, bounds->time_bound);
  if (!first_kept.ok()) return first_kept.status();
  if (*first_kept <= client.first_number) return result;
  const absl::StatusOr<uint64_t> bytes =
      dry_run ? BytesOfVersions(client.client_id, client.first_number, *first_kept)
              : histories_.RemoveVersions(client.client_id, *first_kept);
  if (!bytes.ok()) return bytes.status();
  result.versions = *first_kept - client.first_number;
  result.bytes = *bytes;
  return result;
}

absl::StatusOr<ClientRetention> Retention::RemoveIdle(const ClientSummary& client, absl::Time now,
                                                      bool dry_run) {
  ClientRetention result{.client_id = client.client_id,
                         .whole_client = true,
                         .versions = client.version_count(),
                         .bytes = client.history_bytes + client.snapshot_bytes};
  if (dry_run) return result;
  // The list is not the latest: the client's user may have returned since.
  const absl::StatusOr<std::optional<ClientSummary>> present =
      histories_.FindClient(client.client_id);
  if (!present.ok()) return present.status();
  if (!*present || !IsIdle(**present, policy_, now)) {
    return ClientRetention{.client_id = client.client_id};
  }
  const absl::StatusOr<bool> deleted = histories_.DeleteClient(client.client_id);
  if (!deleted.ok()) return deleted.status();
  return result;
}

absl::StatusOr<uint64_t> Retention::FirstNotOlderThan(const Uuid& client_id, uint64_t first,
                                                      uint64_t bound, absl::Time time) {
  // Versions are appended in the order of time, so a binary search reads few of them.
  while (first < bound) {
    const uint64_t middle = first + (bound - first) / 2;
    const absl::StatusOr<std::vector<StoredVersion>> versions =
        histories_.ReadVersions(client_id, middle - 1, /*bytes_max=*/1);
    if (!versions.ok()) return versions.status();
    // Removed meanwhile, by another run or with the client: the next run will see the result.
    if (versions->empty() || versions->front().number != middle) return first;
    if (absl::FromUnixSeconds(versions->front().appended_unix_seconds) < time) {
      first = middle + 1;
    } else {
      bound = middle;
    }
  }
  return first;
}

absl::StatusOr<uint64_t> Retention::BytesOfVersions(const Uuid& client_id, uint64_t first,
                                                    uint64_t end) {
  uint64_t bytes = 0;
  while (first < end) {
    const absl::StatusOr<std::vector<StoredVersion>> versions =
        histories_.ReadVersions(client_id, first - 1, base::kAdminPageBytes);
    if (!versions.ok()) return versions.status();
    if (versions->empty()) break;
    for (const StoredVersion& stored : *versions) {
      if (stored.number < end) bytes += stored.version.segment.size();
    }
    first = versions->back().number + 1;
  }
  return bytes;
}

}  // namespace tcsync::sync
