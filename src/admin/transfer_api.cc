// Moving clients: export and import.
#include <algorithm>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/export_lines.h"
#include "admin/json.h"
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

Json Describe(const Uuid& client_id, const Imported& imported) {
  return {{"client_id", client_id.ToString()},
          {"versions_added", imported.versions_added},
          {"versions_present", imported.versions_present},
          {"snapshot_stored", imported.snapshot_stored}};
}

}  // namespace

absl::StatusOr<Lines> Api::Export(Call& call) {
  const std::optional<std::string> given = call.fields.Text("after");
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  // The client first, so that its snapshot is of a version in this page or an earlier one.
  const absl::StatusOr<ClientSummary> client = FindClient(call.client_id);
  if (!client.ok()) return client.status();
  ExportPosition position;
  if (given) {
    const std::optional<ExportPosition> parsed = ParseExportPosition(*given);
    if (!parsed) {
      return absl::InvalidArgumentError(absl::StrCat("The parameter 'after' is '", *given,
                                                     "'; it must be the value of X-Next-Page."));
    }
    position = *parsed;
  }
  if (position.piece) return ExportPieces(*client, position);
  uint64_t after = position.after;
  absl::StatusOr<std::vector<StoredVersion>> versions =
      administration().ReadVersions(call.client_id, after, base::kAdminPageBytes);
  if (!versions.ok()) return versions.status();
  for (StoredVersion& stored : *versions) {
    const absl::Status read = MakeWhole(stored.version.pieces, stored.version.segment);
    if (!read.ok()) return read;
  }
  const bool is_continued =
      versions->empty() ? after <= client->latest_number : versions->front().number == after + 1;
  if (given && !is_continued) {
    return absl::FailedPreconditionError(absl::StrCat(
        "Version ", after + 1,
        " of the client is not here (any more), so the export cannot continue: begin it anew."));
  }
  std::string lines = ClientLine(*client);
  for (const StoredVersion& version : *versions) {
    if (version.version.pieces != nullptr) {  // the only one
      const ExportPosition begin{
          .after = after, .piece = ExportPosition::Piece{.version_id = version.version.version_id}};
      return Lines{absl::StrCat(lines, VersionLine(version)), ToText(begin)};
    }
    lines += VersionLine(version);
  }
  if (!versions->empty()) after = versions->back().number;
  const ExportPosition next{.after = after};
  if (after < client->latest_number) return Lines{std::move(lines), ToText(next)};
  if (!client->snapshot) return LastPage(*client, std::move(lines));
  // A snapshot that does not fit behind the versions has a page of its own.
  if (!versions->empty() && lines.size() + client->snapshot_bytes > base::kAdminPageBytes) {
    return Lines{std::move(lines), ToText(next)};
  }
  absl::StatusOr<std::optional<Snapshot>> snapshot =
      ReadSnapshot(*dependencies_.storage, call.client_id);
  if (!snapshot.ok()) return snapshot.status();
  if (*snapshot) {
    const absl::Status read = MakeWhole((*snapshot)->pieces, (*snapshot)->bytes);
    if (!read.ok()) return read;
  }
  // A newer one came meanwhile, perhaps with versions that are not in a page yet: the next page
  // sees both.
  if (!*snapshot || (*snapshot)->version_id != client->snapshot->version_id) {
    return Lines{std::move(lines), ToText(next)};
  }
  lines += SnapshotLine(**snapshot, client->snapshot->stored_unix_seconds);
  if ((*snapshot)->pieces == nullptr) {
    return LastPage(*client, std::move(lines));
  }
  const ExportPosition pieces{
      .after = after,
      .piece = ExportPosition::Piece{.of_snapshot = true, .version_id = (*snapshot)->version_id}};
  return Lines{std::move(lines), ToText(pieces)};
}

absl::StatusOr<Lines> Api::ExportPieces(const ClientSummary& client,
                                        const ExportPosition& position) {
  const ExportPosition::Piece& from = *position.piece;
  std::shared_ptr<PieceSource> source;
  if (from.of_snapshot) {
    const absl::StatusOr<std::optional<Snapshot>> snapshot =
        ReadSnapshot(*dependencies_.storage, client.client_id);
    if (!snapshot.ok()) return snapshot.status();
    if (*snapshot && (*snapshot)->version_id == from.version_id) source = (*snapshot)->pieces;
  } else {
    const absl::StatusOr<std::vector<StoredVersion>> versions =
        administration().ReadVersions(client.client_id, position.after, /*bytes_max=*/1);
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
  if (next.piece->number < source->pieces()) return Lines{std::move(lines), ToText(next)};
  if (from.of_snapshot) return LastPage(client, std::move(lines));
  return Lines{std::move(lines), ToText(ExportPosition{.after = position.after + 1})};
}

absl::StatusOr<Lines> Api::LastPage(const ClientSummary& client, std::string lines) {
  const absl::StatusOr<std::string> replicas = DescribeReplicas(client);
  if (!replicas.ok()) return replicas.status();
  return Lines{.text = absl::StrCat(std::move(lines), *replicas)};
}

absl::StatusOr<std::string> Api::DescribeReplicas(const ClientSummary& client) {
  ImportRequest::ImportedReplicas replicas{
      .positions = {}, .ahead = client.replicas_ahead, .accepts_diverged = client.accepts_diverged};
  absl::StatusOr<std::vector<ReplicaPosition>> positions =
      administration().ReadPositions(client.client_id, /*since_unix_seconds=*/0);
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
          administration().ReadVersions(client.client_id, number - 1, /*bytes_max=*/1);
      if (!versions.ok()) return versions.status();
      if (!versions->empty()) id->second = versions->front().version.version_id;
    }
    replicas.positions.push_back(
        {.day_unix_seconds = position.day_unix_seconds, .version_id = id->second});
  }
  return ReplicasLine(replicas);
}

absl::StatusOr<Json> Api::ImportAccess(const AccessRecords& imported) {
  const absl::StatusOr<AccessRecords> here = administration().ReadAccessRecords();
  if (!here.ok()) return here.status();
  // Decisions of this server's operator stay.
  std::set<Uuid> banned;
  std::set<Uuid> with_token;
  std::set<TokenDigest> invites;
  for (const tcsync::Ban& ban : here->bans) banned.insert(ban.client_id);
  for (const ClientToken& token : here->tokens) with_token.insert(token.client_id);
  for (const Invite& invite : here->invites) invites.insert(invite.digest);
  std::vector<AccessChange> changes;
  uint64_t bans_added = 0;
  uint64_t tokens_added = 0;
  uint64_t invites_added = 0;
  for (const tcsync::Ban& ban : imported.bans) {
    if (!banned.insert(ban.client_id).second) continue;
    changes.emplace_back(ban);
    ++bans_added;
  }
  for (const ClientToken& token : imported.tokens) {
    if (!with_token.insert(token.client_id).second) continue;
    changes.emplace_back(token);
    ++tokens_added;
  }
  for (const Invite& invite : imported.invites) {
    if (invites.insert(invite.digest).second) ++invites_added;
    changes.emplace_back(invite);  // the larger number of uses stays
  }
  for (const AccessChange& change : changes) {
    if (const absl::Status status = administration().ChangeAccess(change); !status.ok()) {
      return status;
    }
  }
  if (!changes.empty()) {
    if (const absl::Status status = RefreshAccess(); !status.ok()) return status;
    Log("imported: ", bans_added, " bans, ", tokens_added, " tokens and ", invites_added,
        " invites that were not here");
  }
  return Json{
      {"bans_added", bans_added}, {"tokens_added", tokens_added}, {"invites_added", invites_added}};
}

absl::StatusOr<Json> Api::Import(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  absl::StatusOr<ExportPage> page = ParseExportLines(call.body, NowSeconds());
  if (!page.ok()) return page.status();
  call.body = {};  // the parsed lines are a second copy
  Json stored = Json::array();
  // The error that ends the import, with the part of the page that is stored nevertheless.
  const auto failed = [&](absl::StatusCode code, std::string sentence, Json details) {
    details["clients"] = std::move(stored);
    return WithDetails(absl::Status(code, sentence), details);
  };
  const auto failed_with = [&](const Uuid& client_id, const absl::Status& status) {
    return failed(status.code(),
                  absl::StrCat("Client ", client_id.ToString(), ": ", status.message()),
                  Json::object());
  };
  const auto import_one = [&](ImportRequest request) -> absl::Status {
    const Uuid client_id = request.client_id;
    const absl::StatusOr<ImportOutcome> outcome = administration().Import(std::move(request));
    if (!outcome.ok()) return failed_with(client_id, outcome.status());
    if (const auto* const other = std::get_if<DoesNotContinue>(&*outcome)) {
      return failed(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat("Client ", client_id.ToString(), ": the version ",
                       other->first_version_id.ToString(), " follows ",
                       other->parent_version_id.ToString(), ", but the latest version here is ",
                       other->latest_version_id.ToString(),
                       ". The two histories differ, and nothing of this client was stored: delete "
                       "it here first if the imported history is the right one."),
          {{"client_id", client_id.ToString()},
           {"latest_version_id", other->latest_version_id.ToString()},
           {"first_version_id", other->first_version_id.ToString()},
           {"parent_version_id", other->parent_version_id.ToString()}});
    }
    const Imported& imported = std::get<Imported>(*outcome);
    // Not for an existing part, so that a repeated import reports its real work.
    if (imported.versions_added > 0 || imported.snapshot_stored) {
      LogAbout(client_id, "imported ", imported.versions_added, " versions",
               imported.snapshot_stored ? " and a snapshot" : "", "; ", imported.versions_present,
               " were here already");
    }
    stored.push_back(Describe(client_id, imported));
    return absl::OkStatus();
  };
  auto part = page->large.begin();
  for (size_t i = 0; i <= page->requests.size(); ++i) {
    for (; part != page->large.end() && part->before == i; ++part) {
      const Uuid client_id = part->request.client_id;
      absl::StatusOr<std::optional<ImportRequest>> complete =
          large_imports_->Take(std::move(*part));
      if (!complete.ok()) return failed_with(client_id, complete.status());
      if (!*complete) continue;
      if (const absl::Status status = import_one(*std::move(*complete)); !status.ok()) {
        return status;
      }
    }
    if (i == page->requests.size()) break;
    const absl::Status status = import_one(std::move(page->requests[i]));
    if (!status.ok()) return status;
  }
  Json answer = {{"clients", stored}};
  const AccessRecords& access = page->access;
  if (!access.bans.empty() || !access.tokens.empty() || !access.invites.empty()) {
    const absl::StatusOr<Json> added = ImportAccess(access);
    if (!added.ok()) {
      return failed(added.status().code(), std::string(added.status().message()), Json::object());
    }
    answer["access"] = *added;
  }
  return answer;
}

}  // namespace tcsync::admin
