// Imports: parts of histories that have their version IDs already. The part is checked first; then
// it is added as a whole or not at all.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "storage/postgres/administration.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/uploads.h"

namespace tcsync::postgres_storage {
namespace {

constexpr int64_t kSecondsOfDay = 86'400;

// For each version ID, in the order of the IDs' places: its child's number and the parent of the
// version itself, which is at the number before.
constexpr Sql kFindVersions{"find_versions", R"(
  SELECT n.place, v.number, itself.version_id, itself.parent_version_id
  FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS n (version_id, hint, place)
  LEFT JOIN LATERAL (
    SELECT number FROM tcsync.versions AS at_number
    WHERE at_number.client_id = $1 AND at_number.number = n.hint
      AND at_number.parent_version_id = n.version_id
    UNION ALL
    SELECT number FROM tcsync.versions AS by_parent
    WHERE by_parent.client_id = $1 AND by_parent.parent_version_id = n.version_id
      AND NOT by_parent.parent_leads_here
    LIMIT 1) AS v ON true
  LEFT JOIN tcsync.versions AS itself ON itself.client_id = $1 AND itself.number = v.number - 1
  ORDER BY n.place)"};
constexpr Sql kReadParentOfLatest{"read_parent_of_latest", R"(
  SELECT v.parent_version_id FROM tcsync.clients AS c
  JOIN tcsync.versions AS v ON v.client_id = c.client_id AND v.number = c.latest_number
  WHERE c.client_id = $1)"};
constexpr Sql kInsertVersions{"insert_versions", R"(
  INSERT INTO tcsync.versions (client_id, number, version_id, parent_version_id, parent_leads_here,
    appended, bytes, segment, upload_id, pieces)
  SELECT $1, number, version_id, parent, leads, appended, length(segment), segment, NULL, 0
  FROM unnest($2::bigint[], $3::uuid[], $4::uuid[], $5::boolean[], $6::bigint[], $7::bytea[])
    AS v (number, version_id, parent, leads, appended, segment))"};
constexpr Sql kLowerPosition{"lower_position", R"(
  INSERT INTO tcsync.positions AS p (client_id, day, oldest_number) VALUES ($1, $2, $3)
  ON CONFLICT (client_id, day) DO UPDATE
    SET oldest_number = least(p.oldest_number, excluded.oldest_number))"};
// The positions of the replicas are unknown: it is as if one were at the oldest version.
constexpr Sql kAssumePosition{"assume_position", R"(
  INSERT INTO tcsync.positions (client_id, day, oldest_number)
  SELECT $1, $2, $3
  WHERE NOT EXISTS (SELECT 1 FROM tcsync.positions WHERE client_id = $1))"};

// The facts about a version of the part, or of its snapshot or positions, in the stored chain.
struct Found {
  std::optional<uint64_t> number;  // of the version, if it is kept
  Uuid parent;                     // its parent, if it is kept
  bool is_base = false;            // it is the parent of the first version that is kept
};

class PartImport {
 public:
  PartImport(const Core& core, ImportRequest& request, Deadline deadline)
      : core_(core), request_(request), deadline_(deadline) {}

  absl::StatusOr<ImportOutcome> Try() {
    const auto read = ReadRecord(core_.sessions, request_.client_id, deadline_);
    if (!read.ok()) return read.status();
    is_new_ = !read->has_value();
    if (is_new_ && request_.versions.empty()) return Imported{};
    before_ = is_new_ ? NewClientRecord(request_.created_unix_seconds,
                                        request_.versions.front().version.parent_version_id)
                      : **read;
    client_ = before_;
    if (absl::Status found = FindAll(); !found.ok()) return found;

    Imported imported;
    const absl::StatusOr<std::optional<DoesNotContinue>> refused = CheckVersions(imported);
    if (!refused.ok()) return refused.status();
    if (refused->has_value()) return **refused;

    std::vector<Statement> statements;
    AddVersions(imported.versions_present, statements);
    std::vector<Statement> others;
    if (request_.snapshot) imported.snapshot_stored = TakeSnapshot(others);
    TakeReplicas(others);
    statements.insert(statements.begin(), is_new_ ? InsertClient(request_.client_id, client_)
                                                  : ReplaceClient(request_.client_id, client_));
    statements.insert(statements.end(), others.begin(), others.end());
    const int64_t bytes_before = is_new_ ? 0 : static_cast<int64_t>(before_.live_bytes());
    const auto run =
        core_.usage.Run(std::move(statements),
                        {.clients = is_new_ ? 1 : 0,
                         .live_bytes = static_cast<int64_t>(client_.live_bytes()) - bytes_before,
                         .upload_bytes = -static_cast<int64_t>(stored_upload_bytes_)},
                        deadline_);
    if (!run.ok()) return run.status();
    for (PostgresUpload* const upload : stored_uploads_) upload->SetStored();
    if (request_.replicas) NoteAhead();
    return imported;
  }

 private:
  // The versions of the part, then the one of the snapshot, then those of the positions.
  absl::Status FindAll() {
    std::vector<Uuid> ids;
    for (const StoredVersion& stored : request_.versions) ids.push_back(stored.version.version_id);
    if (request_.snapshot) ids.push_back(request_.snapshot->snapshot.version_id);
    if (request_.replicas) {
      for (const auto& position : request_.replicas->positions) ids.push_back(position.version_id);
    }
    auto array = ArrayParameter::OfUuids(ids.size());
    auto hints = ArrayParameter::OfIntegers(ids.size());
    for (const Uuid& id : ids) {
      array.Add(id);
      hints.Add(NumberAfter(id));
    }
    found_.resize(ids.size());
    if (ids.empty() || is_new_) return absl::OkStatus();
    const std::vector<Statement> statements = {
        Statement(kFindVersions)
            .Add(request_.client_id)
            .Add(std::move(array))
            .Add(std::move(hints)),
        Statement(kReadParentOfLatest).Add(request_.client_id)};
    const auto rows = core_.sessions.Run(statements, deadline_);
    if (!rows.ok()) return rows.status();
    const Rows& places = rows->front();
    for (int row = 0; row < places.size(); ++row) {
      Found& found = found_[places.CountAt(row, 0) - 1];
      const Uuid& id = ids[places.CountAt(row, 0) - 1];
      if (id == before_.latest_version_id) {
        found.number = before_.latest_number;
        if (!rows->back().empty()) found.parent = rows->back().UuidAt(0, 0);
      } else if (!places.IsNull(row, 1)) {
        const uint64_t child = places.CountAt(row, 1);
        found.is_base = child == before_.first_number;
        if (!found.is_base && !places.IsNull(row, 2)) {
          found.number = child - 1;
          found.parent = places.UuidAt(row, 3);
        }
      }
    }
    return absl::OkStatus();
  }

  // The reason why the part does not fit, if it does not.
  absl::StatusOr<std::optional<DoesNotContinue>> CheckVersions(Imported& imported) const {
    Uuid latest = before_.latest_version_id;
    bool chain_is_empty = is_new_;
    absl::flat_hash_set<Uuid> taken;
    for (size_t i = 0; i < request_.versions.size(); ++i) {
      const Version& version = request_.versions[i].version;
      const Found& found = found_[i];
      if (found.number && imported.versions_added == 0 &&
          found.parent == version.parent_version_id) {
        ++imported.versions_present;
        continue;
      }
      if (found.number || (!chain_is_empty && version.parent_version_id != latest)) {
        return DoesNotContinue{.latest_version_id = before_.latest_version_id,
                               .first_version_id = version.version_id,
                               .parent_version_id = version.parent_version_id};
      }
      if (chain_is_empty) taken.insert(version.parent_version_id);
      if (version.version_id.IsNil() || found.is_base || !taken.insert(version.version_id).second) {
        return absl::InvalidArgumentError(absl::StrCat("version ", version.version_id.ToString(),
                                                       " comes twice in the imported history"));
      }
      chain_is_empty = false;
      latest = version.version_id;
      ++imported.versions_added;
    }
    return std::nullopt;
  }

  void AddVersions(size_t first, std::vector<Statement>& statements) {
    const size_t count = request_.versions.size() - first;
    if (count == 0) return;
    const auto whole = static_cast<size_t>(std::count_if(
        request_.versions.begin() + static_cast<std::ptrdiff_t>(first), request_.versions.end(),
        [](const StoredVersion& stored) { return stored.upload == nullptr; }));
    auto numbers = ArrayParameter::OfIntegers(whole);
    auto ids = ArrayParameter::OfUuids(whole);
    auto parents = ArrayParameter::OfUuids(whole);
    auto leads = ArrayParameter::OfBooleans(whole);
    auto times = ArrayParameter::OfIntegers(whole);
    auto segments = ArrayParameter::OfBytes(whole);
    for (size_t i = first; i < request_.versions.size(); ++i) {
      const StoredVersion& stored = request_.versions[i];
      const Version& version = stored.version;
      const uint64_t number = ++client_.latest_number;
      numbers_of_part_[version.version_id] = number;
      client_.latest_version_id = version.version_id;
      client_.latest_appended_unix_seconds = stored.appended_unix_seconds;
      client_.history_bytes += stored.segment_bytes();
      if (stored.upload != nullptr) {
        const NewVersion added{.number = number,
                               .version_id = version.version_id,
                               .parent_version_id = version.parent_version_id,
                               .appended_unix_seconds = stored.appended_unix_seconds};
        const StoredPieces pieces = Take(stored.upload, statements);
        statements.push_back(
            InsertVersionInPieces(request_.client_id, added, stored.segment_bytes(), pieces));
        continue;
      }
      numbers.Add(number);
      ids.Add(version.version_id);
      parents.Add(version.parent_version_id);
      leads.Add(LeadsTo(version.parent_version_id, number));
      times.Add(stored.appended_unix_seconds);
      segments.AddBytes(version.segment);
    }
    if (whole == 0) return;
    Statement statement(kInsertVersions);
    statement.Add(request_.client_id)
        .Add(std::move(numbers))
        .Add(std::move(ids))
        .Add(std::move(parents))
        .Add(std::move(leads))
        .Add(std::move(times))
        .Add(std::move(segments));
    statements.push_back(std::move(statement));
  }

  StoredPieces Take(const std::shared_ptr<Upload>& upload, std::vector<Statement>& statements) {
    auto* const taken = static_cast<PostgresUpload*>(upload.get());
    stored_uploads_.push_back(taken);
    stored_upload_bytes_ += taken->bytes();
    statements.push_back(TakeUpload(request_.client_id, taken->pieces().upload_id));
    return taken->pieces();
  }

  // The number of a version that is kept or came with the part; for the parent of the first one,
  // the number before.
  std::optional<uint64_t> NumberOrBase(const Uuid& version_id, const Found& found) const {
    if (version_id.IsNil()) return std::nullopt;
    if (const auto it = numbers_of_part_.find(version_id); it != numbers_of_part_.end()) {
      return it->second;
    }
    if (found.number) return found.number;
    const bool is_base =
        found.is_base ||
        (is_new_ && request_.versions.front().version.parent_version_id == version_id);
    if (is_base) return before_.first_number - 1;
    return std::nullopt;
  }

  bool TakeSnapshot(std::vector<Statement>& statements) {
    ImportRequest::ImportedSnapshot& imported = *request_.snapshot;
    const std::optional<uint64_t> number =
        NumberOrBase(imported.snapshot.version_id, found_[request_.versions.size()]);
    if (!number || (before_.snapshot && before_.snapshot->number >= *number)) return false;
    const bool is_upload = imported.upload != nullptr;
    client_.snapshot = {
        .version_id = imported.snapshot.version_id,
        .number = *number,
        .stored_unix_seconds = imported.stored_unix_seconds,
        .bytes = is_upload ? imported.upload->bytes() : imported.snapshot.bytes.size(),
        .pieces = std::nullopt};
    if (is_upload) client_.snapshot->pieces = Take(imported.upload, statements);
    ReplaceSnapshotBytes(request_.client_id, before_,
                         is_upload ? std::nullopt : std::optional(imported.snapshot.bytes),
                         statements);
    return true;
  }

  void TakeReplicas(std::vector<Statement>& statements) {
    const int64_t today = std::max<int64_t>(request_.now_unix_seconds, 0) / kSecondsOfDay;
    if (request_.replicas) {
      size_t place = request_.versions.size() + (request_.snapshot ? 1 : 0);
      for (const auto& position : request_.replicas->positions) {
        const std::optional<uint64_t> number = NumberOrBase(position.version_id, found_[place++]);
        if (!number) continue;
        const int64_t day = std::max<int64_t>(position.day_unix_seconds, 0) / kSecondsOfDay;
        statements.push_back(Statement(kLowerPosition)
                                 .Add(request_.client_id)
                                 .Add(std::min(day, today))
                                 .Add(std::max(*number, client_.first_number)));
      }
      if (request_.replicas->accepts_diverged) client_.accepts_diverged = true;
    }
    if (request_.replicas || (is_new_ && !request_.replicas_follow)) {
      statements.push_back(
          Statement(kAssumePosition).Add(request_.client_id).Add(today).Add(client_.first_number));
    }
  }

  // The oldest first, so that the latest is kept where there are too many.
  void NoteAhead() {
    const std::vector<ReplicaAhead>& ahead = request_.replicas->ahead;
    std::for_each(ahead.rbegin(), ahead.rend(), [this](const ReplicaAhead& replica) {
      core_.notes.NoteAhead(request_.client_id, replica.version_id, replica.last_seen_unix_seconds);
    });
  }

  const Core& core_;
  ImportRequest& request_;
  const Deadline deadline_;
  bool is_new_ = false;
  ClientRecord before_;
  ClientRecord client_;
  std::vector<Found> found_;
  absl::flat_hash_map<Uuid, uint64_t> numbers_of_part_;
  std::vector<PostgresUpload*> stored_uploads_;
  uint64_t stored_upload_bytes_ = 0;
};

absl::Status CheckUploads(const ImportRequest& request) {
  const auto is_empty = [](const std::shared_ptr<Upload>& upload) {
    return upload != nullptr && upload->bytes() == 0;
  };
  const bool has_empty =
      std::any_of(request.versions.begin(), request.versions.end(),
                  [&](const StoredVersion& stored) { return is_empty(stored.upload); }) ||
      (request.snapshot && is_empty(request.snapshot->upload));
  return has_empty ? absl::InvalidArgumentError("nothing was added to the upload")
                   : absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportOutcome> PostgresAdministration::Import(ImportRequest request) {
  if (const absl::Status checked = CheckUploads(request); !checked.ok()) return checked;
  const Deadline deadline = core_.sessions.NewDeadline();
  // A repetition finds the versions of an earlier attempt present. (Its count of added ones is then
  // too low, and that of present ones too high.)
  absl::StatusOr<ImportOutcome> outcome =
      RunUntil(deadline, [&](int) { return PartImport(core_, request, deadline).Try(); });
  // The notes of replicas ahead wait in memory otherwise.
  if (outcome.ok()) static_cast<void>(core_.notes.Flush());
  return outcome;
}

}  // namespace tcsync::postgres_storage
