#include "storage/postgres/replica_notes.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "storage/postgres/client_record.h"
#include "storage/replicas_ahead.h"

namespace tcsync::postgres_storage {
namespace {

constexpr int64_t kSecondsOfDay = 86'400;
constexpr size_t kNotesPerStatement = 256;

// A version's number is known from the client's record, if it is the latest, or from its child. In
// the order of keys, so that two servers that write the same rows do not wait for each other in a
// circle.
constexpr Sql kWriteSeen{"write_positions", R"(
  INSERT INTO tcsync.positions AS p (client_id, day, oldest_number)
  SELECT client_id, day, min(number) FROM (
    SELECT n.client_id, n.day, CASE WHEN c.latest_version_id = n.version_id THEN c.latest_number
      ELSE (SELECT v.number - 1 FROM (
              SELECT number FROM tcsync.versions AS at_number
              WHERE at_number.client_id = n.client_id AND at_number.number = n.hint
                AND at_number.parent_version_id = n.version_id
              UNION ALL
              SELECT number FROM tcsync.versions AS by_parent
              WHERE by_parent.client_id = n.client_id
                AND by_parent.parent_version_id = n.version_id AND NOT by_parent.parent_leads_here
              LIMIT 1) AS v WHERE v.number > c.first_number) END AS number
    FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[])
           AS n (client_id, day, version_id, hint)
    JOIN tcsync.clients AS c ON c.client_id = n.client_id) AS numbered
  WHERE number IS NOT NULL
  GROUP BY client_id, day ORDER BY client_id, day
  ON CONFLICT (client_id, day) DO UPDATE
    SET oldest_number = least(p.oldest_number, excluded.oldest_number))"};
constexpr Sql kWriteAhead{"write_ahead", R"(
  INSERT INTO tcsync.replicas_ahead AS a (client_id, version_id, last_seen)
  SELECT n.client_id, n.version_id, max(n.last_seen)
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n (client_id, version_id, last_seen)
  JOIN tcsync.clients AS c ON c.client_id = n.client_id
  GROUP BY n.client_id, n.version_id ORDER BY n.client_id, n.version_id
  ON CONFLICT (client_id, version_id) DO UPDATE
    SET last_seen = greatest(a.last_seen, excluded.last_seen))"};
// Those seen longest ago, beyond the few that are kept.
constexpr Sql kTrimAhead{"trim_ahead", R"(
  DELETE FROM tcsync.replicas_ahead AS a USING (
    SELECT client_id, version_id, row_number() OVER (
      PARTITION BY client_id ORDER BY last_seen DESC, version_id) AS place
    FROM tcsync.replicas_ahead WHERE client_id = ANY ($1)) AS ranked
  WHERE a.client_id = ranked.client_id AND a.version_id = ranked.version_id
    AND ranked.place > $2)"};

}  // namespace

void ReplicaNotes::NoteSeen(const Uuid& client_id, const Uuid& version_id,
                            int64_t now_unix_seconds) {
  const ClientDay key = {client_id, std::max<int64_t>(now_unix_seconds, 0) / kSecondsOfDay};
  const std::lock_guard lock(mutex_);
  auto it = seen_.find(key);
  if (it == seen_.end()) {
    if (seen_.size() >= base::kReplicaActivityMax) return;
    it = seen_.try_emplace(key).first;
  } else if (it->second.last_version_id == version_id) {
    return;
  }
  Seen& seen = it->second;
  if (seen.unwritten.size() >= base::kUnresolvedNotesMax) return;
  seen.last_version_id = version_id;
  seen.unwritten.push_back(version_id);
}

void ReplicaNotes::NoteAhead(const Uuid& client_id, const Uuid& version_id,
                             int64_t now_unix_seconds) {
  if (version_id.IsNil()) return;  // it has nothing of the history, and is ahead of nobody
  const std::lock_guard lock(mutex_);
  auto it = ahead_.find(client_id);
  if (it == ahead_.end()) {
    if (ahead_.size() >= base::kAheadNotesMax) return;
    it = ahead_.try_emplace(client_id).first;
  }
  storage::AddReplicaAhead({version_id, now_unix_seconds}, it->second);
}

void ReplicaNotes::Forget(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  ahead_.erase(client_id);
  seen_.erase(seen_.lower_bound({client_id, 0}),
              seen_.upper_bound({client_id, std::numeric_limits<int64_t>::max()}));
}

absl::Status ReplicaNotes::Flush() {
  const std::lock_guard flush_lock(flush_mutex_);
  std::vector<std::pair<ClientDay, Uuid>> seen;
  std::vector<std::pair<Uuid, ReplicaAhead>> ahead;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, note] : seen_) {
      for (const Uuid& version_id : note.unwritten) seen.emplace_back(key, version_id);
      note.unwritten.clear();
    }
    // Those of earlier days have no further use.
    if (seen_.size() >= base::kReplicaActivityMax / 2) seen_.clear();
    for (auto& [client_id, replicas] : ahead_) {
      for (const ReplicaAhead& replica : replicas) ahead.emplace_back(client_id, replica);
    }
    ahead_.clear();
  }
  absl::Status status = WriteSeen(seen);
  if (status.ok()) status = WriteAhead(ahead);
  if (status.ok()) return status;
  // They are tried again with the next notes.
  const std::lock_guard lock(mutex_);
  for (const auto& [key, version_id] : seen) seen_[key].unwritten.push_back(version_id);
  for (const auto& [client_id, replica] : ahead) {
    storage::AddReplicaAhead(replica, ahead_[client_id]);
  }
  return status;
}

absl::Status ReplicaNotes::WriteSeen(const std::vector<std::pair<ClientDay, Uuid>>& notes) {
  for (size_t begin = 0; begin < notes.size(); begin += kNotesPerStatement) {
    const size_t count = std::min(kNotesPerStatement, notes.size() - begin);
    auto clients = ArrayParameter::OfUuids(count);
    auto days = ArrayParameter::OfIntegers(count);
    auto versions = ArrayParameter::OfUuids(count);
    auto hints = ArrayParameter::OfIntegers(count);
    for (size_t i = begin; i < begin + count; ++i) {
      clients.Add(notes[i].first.first);
      days.Add(notes[i].first.second);
      versions.Add(notes[i].second);
      hints.Add(NumberAfter(notes[i].second));
    }
    const Deadline deadline = sessions_.NewDeadline();
    Statement statement(kWriteSeen);
    statement.Add(std::move(clients))
        .Add(std::move(days))
        .Add(std::move(versions))
        .Add(std::move(hints));
    const auto written = RunUntil(sessions_, statement, deadline);
    if (!written.ok()) return written.status();
  }
  return absl::OkStatus();
}

absl::Status ReplicaNotes::WriteAhead(const std::vector<std::pair<Uuid, ReplicaAhead>>& notes) {
  for (size_t begin = 0; begin < notes.size(); begin += kNotesPerStatement) {
    const size_t count = std::min(kNotesPerStatement, notes.size() - begin);
    auto clients = ArrayParameter::OfUuids(count);
    auto versions = ArrayParameter::OfUuids(count);
    auto times = ArrayParameter::OfIntegers(count);
    for (size_t i = begin; i < begin + count; ++i) {
      clients.Add(notes[i].first);
      versions.Add(notes[i].second.version_id);
      times.Add(notes[i].second.last_seen_unix_seconds);
    }
    Statement trim(kTrimAhead);
    trim.Add(clients).Add(uint64_t{base::kReplicasAheadMax});
    Statement write(kWriteAhead);
    write.Add(std::move(clients)).Add(std::move(versions)).Add(std::move(times));
    const Deadline deadline = sessions_.NewDeadline();
    const std::vector<Statement> statements = {std::move(write), std::move(trim)};
    const auto written = RunUntil(sessions_, statements, deadline);
    if (!written.ok()) return written.status();
  }
  return absl::OkStatus();
}

}  // namespace tcsync::postgres_storage
