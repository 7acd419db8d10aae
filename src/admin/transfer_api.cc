// Moving clients: export and import.
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "admin/answer.h"
#include "admin/api.h"
#include "admin/transfer_lines.h"
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

// Brings what is stored in pieces into `bytes`.
absl::Status MakeWhole(std::shared_ptr<PieceSource>& pieces, std::string& bytes) {
  if (pieces == nullptr) return absl::OkStatus();
  bytes.reserve(pieces->bytes());
  for (uint32_t i = 0; i < pieces->pieces(); ++i) {
    std::promise<absl::StatusOr<std::string>> promise;
    pieces->Read([&](absl::StatusOr<std::string> piece) { promise.set_value(std::move(piece)); });
    const absl::StatusOr<std::string> piece = promise.get_future().get();
    if (!piece.ok()) return piece.status();
    bytes += *piece;
  }
  pieces = nullptr;
  return absl::OkStatus();
}

http::Response LinesAnswer(std::string lines, std::optional<uint64_t> next_page) {
  http::Response response = http::EmptyResponse(200);
  response.headers.push_back({"Content-Type", "application/x-ndjson"});
  if (next_page) response.headers.push_back({"X-Next-Page", absl::StrCat(*next_page)});
  response.body = std::move(lines);
  return response;
}

Json Describe(const Uuid& client_id, const Imported& imported) {
  return {{"client_id", client_id.ToString()},
          {"versions_added", imported.versions_added},
          {"versions_present", imported.versions_present},
          {"snapshot_stored", imported.snapshot_stored}};
}

// The answer to an import that ended early, with what of the page is stored nevertheless.
http::Response WithStored(http::Response response, Json error, Json stored) {
  error["clients"] = std::move(stored);
  response.body = absl::StrCat(ToText(error), "\n");
  return response;
}

}  // namespace

http::Response Api::Export(Call& call) {
  const std::optional<uint64_t> given_after = call.fields.Count("after", kVersionNumberMax);
  const absl::StatusOr<StorageAdministration*> administration = Begin(call);
  if (!administration.ok()) return AnswerForStatus(administration.status());
  // The client first, so that its snapshot is of a version that is in this page or an earlier one.
  const absl::StatusOr<std::optional<ClientSummary>> client =
      (*administration)->FindClient(call.client_id);
  if (!client.ok()) return AnswerForStatus(client.status());
  if (!*client) return NoSuchClientAnswer(call.client_id);
  uint64_t after = given_after.value_or(0);
  absl::StatusOr<std::vector<StoredVersion>> versions =
      (*administration)->ReadVersions(call.client_id, after, kAdminPageBytes);
  if (!versions.ok()) return AnswerForStatus(versions.status());
  for (StoredVersion& stored : *versions) {
    const absl::Status read = MakeWhole(stored.version.pieces, stored.version.segment);
    if (!read.ok()) return AnswerForStatus(read);
  }
  const bool is_continued =
      versions->empty() ? after <= (*client)->latest_number : versions->front().number == after + 1;
  if (given_after && !is_continued) {
    return ErrorAnswer(409, absl::StrCat("Version ", after + 1,
                                         " of the client is not here (any "
                                         "more), so the export cannot go on: begin it anew."));
  }
  std::string lines = ClientLine(**client);
  for (const StoredVersion& version : *versions) lines += VersionLine(version);
  if (!versions->empty()) after = versions->back().number;
  if (after < (*client)->latest_number) return LinesAnswer(std::move(lines), after);
  if (!(*client)->snapshot) return LinesAnswer(std::move(lines), std::nullopt);
  // A snapshot that does not fit behind versions has a page of its own.
  if (!versions->empty() && lines.size() + (*client)->snapshot_bytes > kAdminPageBytes) {
    return LinesAnswer(std::move(lines), after);
  }
  absl::StatusOr<std::optional<Snapshot>> snapshot =
      ReadSnapshot(*dependencies_.storage, call.client_id);
  if (!snapshot.ok()) return AnswerForStatus(snapshot.status());
  if (*snapshot) {
    const absl::Status read = MakeWhole((*snapshot)->pieces, (*snapshot)->bytes);
    if (!read.ok()) return AnswerForStatus(read);
  }
  // A newer one came meanwhile, perhaps with versions that are not in a page yet: the next page
  // sees both.
  if (!*snapshot || (*snapshot)->version_id != (*client)->snapshot->version_id) {
    return LinesAnswer(std::move(lines), after);
  }
  lines += SnapshotLine(**snapshot, (*client)->snapshot->stored_unix_seconds);
  return LinesAnswer(std::move(lines), std::nullopt);
}

http::Response Api::Import(Call& call) {
  const absl::StatusOr<StorageAdministration*> administration = Begin(call);
  if (!administration.ok()) return AnswerForStatus(administration.status());
  absl::StatusOr<std::vector<ImportRequest>> requests = ParseTransferLines(call.body, NowSeconds());
  if (!requests.ok()) return AnswerForStatus(requests.status());
  call.body = {};  // what was read is in memory a second time
  Json stored = Json::array();
  for (ImportRequest& request : *requests) {
    const Uuid client_id = request.client_id;
    const absl::StatusOr<ImportOutcome> outcome = (*administration)->Import(std::move(request));
    if (!outcome.ok()) {
      const std::string sentence =
          absl::StrCat("Client ", client_id.ToString(), ": ", outcome.status().message());
      const absl::Status status(outcome.status().code(), sentence);
      return WithStored(AnswerForStatus(status), {{"error", sentence}}, std::move(stored));
    }
    if (const auto* const other = std::get_if<DoesNotContinue>(&*outcome)) {
      const std::string sentence = absl::StrCat(
          "Client ", client_id.ToString(), ": the version ", other->first_version_id.ToString(),
          " follows ", other->parent_version_id.ToString(), ", but the latest version here is ",
          other->latest_version_id.ToString(),
          ". The two histories differ, and nothing of this client was stored: delete it here first "
          "if the imported history is the right one.");
      return WithStored(ErrorAnswer(409, sentence),
                        {{"error", sentence},
                         {"client_id", client_id.ToString()},
                         {"latest_version_id", other->latest_version_id.ToString()},
                         {"first_version_id", other->first_version_id.ToString()},
                         {"parent_version_id", other->parent_version_id.ToString()}},
                        std::move(stored));
    }
    stored.push_back(Describe(client_id, std::get<Imported>(*outcome)));
  }
  return JsonAnswer(200, {{"clients", std::move(stored)}});
}

}  // namespace tcsync::admin
