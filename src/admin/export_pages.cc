#include "admin/export_pages.h"

#include <algorithm>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "access/read_devices.h"
#include "admin/export_lines.h"
#include "admin/large_transfers.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

absl::StatusOr<std::optional<Snapshot>> ReadSnapshot(Storage& storage, const Uuid& client_id) {
  std::promise<absl::StatusOr<std::optional<Snapshot>>> promise;
  storage.GetSnapshot(client_id, [&](absl::StatusOr<std::optional<Snapshot>> snapshot) {
    promise.set_value(std::move(snapshot));
  });
  return promise.get_future().get();
}

// Reads a segment or snapshot in pieces into `bytes`, if it fits into a page.
absl::Status MakeWhole(std::shared_ptr<PieceSource>& pieces, std::string& bytes) {
  if (pieces == nullptr || pieces->bytes() > base::kAdminPageBytes) return absl::OkStatus();
  absl::StatusOr<std::string> whole = ReadWhole(*pieces);
  if (!whole.ok()) return whole.status();
  bytes = *std::move(whole);
  pieces = nullptr;
  return absl::OkStatus();
}

// The last page, with the positions of the client's replicas as the last line, so that an import
// knows all versions when it reaches them.
absl::StatusOr<ExportedPage> LastPage(StorageAdministration& histories, const ClientSummary& client,
                                      absl::string_view lines) {
  ImportRequest::ImportedReplicas replicas{
      .positions = {}, .ahead = client.replicas_ahead, .accepts_diverged = client.accepts_diverged};
  absl::StatusOr<std::vector<ReplicaPosition>> positions =
      histories.ReadPositions(client.client_id, /*since_unix_seconds=*/0);
  if (!positions.ok()) return positions.status();
  if (positions->size() > base::kTransferredPositionsMax) {
    positions->erase(positions->begin(), positions->end() - base::kTransferredPositionsMax);
  }
  // By their version IDs, because the other server has its own numbers. On many days replicas are
  // at the same version.
  std::map<uint64_t, Uuid> ids;
  for (const ReplicaPosition& position : *positions) {
    // A replica at a version that was removed since continues from the first one.
    const uint64_t number = std::max(position.oldest_number, client.first_number);
    const auto [id, is_new] = ids.try_emplace(number);
    if (is_new) {
      const absl::StatusOr<std::vector<StoredVersion>> versions =
          histories.ReadVersions(client.client_id, number - 1, /*bytes_max=*/1);
      if (!versions.ok()) return versions.status();
      if (!versions->empty()) id->second = versions->front().version.version_id;
    }
    replicas.positions.push_back(
        {.day_unix_seconds = position.day_unix_seconds, .version_id = id->second});
  }
  const absl::StatusOr<DeviceState> state = access::ReadDevicesIfKept(histories, client.client_id);
  if (!state.ok()) return state.status();
  const ClientDevices& devices = state->devices;
  return ExportedPage{.lines = absl::StrCat(lines, ReplicasLine(replicas),
                                            devices.is_empty() ? "" : DevicesLine(devices))};
}

// The page that begins with a piece of a large segment or snapshot.
absl::StatusOr<ExportedPage> ReadPiecesPage(Storage& storage, const ClientSummary& client,
                                            const ExportPosition& position) {
  const ExportPosition::Piece& from = *position.piece;
  std::shared_ptr<PieceSource> source;
  if (from.of_snapshot) {
    const absl::StatusOr<std::optional<Snapshot>> snapshot =
        ReadSnapshot(storage, client.client_id);
    if (!snapshot.ok()) return snapshot.status();
    if (*snapshot && (*snapshot)->version_id == from.version_id) source = (*snapshot)->pieces;
  } else {
    const absl::StatusOr<std::vector<StoredVersion>> versions =
        storage.administration().ReadVersions(client.client_id, position.after, /*bytes_max=*/1);
    if (!versions.ok()) return versions.status();
    if (!versions->empty() && versions->front().version.version_id == from.version_id) {
      source = versions->front().version.pieces;
    }
  }
  if (source == nullptr || from.number >= source->pieces()) {
    return absl::FailedPreconditionError(
        absl::StrCat("The ", from.of_snapshot ? "snapshot" : "segment", " of version ",
                     from.version_id.ToString(),
                     " is not here (any more), so the export cannot continue: "
                     "begin it anew."));
  }
  ExportPosition next = position;
  const absl::StatusOr<std::string> pieces =
      ReadPieceLines(*source, next.piece->number, base::kAdminPageBytes);
  if (!pieces.ok()) return pieces.status();
  std::string lines = absl::StrCat(ClientLine(client), *pieces);
  if (next.piece->number < source->pieces()) return ExportedPage{std::move(lines), ToText(next)};
  if (from.of_snapshot) return LastPage(storage.administration(), client, lines);
  return ExportedPage{std::move(lines), ToText(ExportPosition{.after = position.after + 1})};
}

}  // namespace

absl::StatusOr<ExportedPage> ReadExportPage(Storage& storage, const ClientSummary& client,
                                            const std::optional<std::string>& position_text) {
  StorageAdministration& administration = storage.administration();
  ExportPosition position;
  if (position_text) {
    const std::optional<ExportPosition> parsed = ParseExportPosition(*position_text);
    if (!parsed) {
      return absl::InvalidArgumentError(absl::StrCat("The parameter 'after' is '", *position_text,
                                                     "'; it must be the value of X-Next-Page."));
    }
    position = *parsed;
  }
  if (position.piece) return ReadPiecesPage(storage, client, position);
  uint64_t after = position.after;
  absl::StatusOr<std::vector<StoredVersion>> versions =
      administration.ReadVersions(client.client_id, after, base::kAdminPageBytes);
  if (!versions.ok()) return versions.status();
  for (StoredVersion& stored : *versions) {
    const absl::Status read = MakeWhole(stored.version.pieces, stored.version.segment);
    if (!read.ok()) return read;
  }
  const bool is_continued =
      versions->empty() ? after <= client.latest_number : versions->front().number == after + 1;
  if (position_text && !is_continued) {
    return absl::FailedPreconditionError(absl::StrCat(
        "Version ", after + 1,
        " of the client is not here (any more), so the export cannot continue: begin it anew."));
  }
  std::string lines = ClientLine(client);
  for (const StoredVersion& version : *versions) {
    if (version.version.pieces != nullptr) {  // the only one
      const ExportPosition begin{
          .after = after, .piece = ExportPosition::Piece{.version_id = version.version.version_id}};
      return ExportedPage{absl::StrCat(lines, VersionLine(version)), ToText(begin)};
    }
    lines += VersionLine(version);
  }
  if (!versions->empty()) after = versions->back().number;
  const ExportPosition next{.after = after};
  if (after < client.latest_number) return ExportedPage{std::move(lines), ToText(next)};
  if (!client.snapshot) return LastPage(administration, client, lines);
  // A snapshot that does not fit behind the versions has a page of its own.
  if (!versions->empty() && lines.size() + client.snapshot_bytes > base::kAdminPageBytes) {
    return ExportedPage{std::move(lines), ToText(next)};
  }
  absl::StatusOr<std::optional<Snapshot>> snapshot = ReadSnapshot(storage, client.client_id);
  if (!snapshot.ok()) return snapshot.status();
  if (*snapshot) {
    const absl::Status read = MakeWhole((*snapshot)->pieces, (*snapshot)->bytes);
    if (!read.ok()) return read;
  }
  // A newer one came meanwhile, perhaps with versions that are not in a page yet: the next page
  // sees both.
  if (!*snapshot || (*snapshot)->version_id != client.snapshot->version_id) {
    return ExportedPage{std::move(lines), ToText(next)};
  }
  lines += SnapshotLine(**snapshot, client.snapshot->stored_unix_seconds);
  if ((*snapshot)->pieces == nullptr) {
    return LastPage(administration, client, lines);
  }
  const ExportPosition pieces{
      .after = after,
      .piece = ExportPosition::Piece{.of_snapshot = true, .version_id = (*snapshot)->version_id}};
  return ExportedPage{std::move(lines), ToText(pieces)};
}

absl::StatusOr<ExportedPage> ReadAccessPage(AccessRecordStorage& storage,
                                            const std::optional<Uuid>& client_id) {
  const absl::StatusOr<AccessRecords> records = storage.ReadAccessRecords();
  if (!records.ok()) return records.status();
  std::string lines;
  const auto is_asked_for = [&](const Uuid& id) { return !client_id || id == *client_id; };
  for (const Ban& ban : records->bans) {
    if (is_asked_for(ban.client_id)) lines += BanLine(ban);
  }
  for (const ClientToken& token : records->tokens) {
    if (is_asked_for(token.client_id)) lines += TokenLine(token);
  }
  if (!client_id) {
    for (const Invite& invite : records->invites) lines += InviteLine(invite);
  }
  return ExportedPage{.lines = std::move(lines)};
}

}  // namespace tcsync::admin
