#include "admin/large_transfers.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "admin/json.h"
#include "base/limits.h"
#include "sync/received_upload.h"

namespace tcsync::admin {
namespace {

absl::StatusOr<std::string> ReadNext(PieceSource& source) {
  std::promise<absl::StatusOr<std::string>> promise;
  source.Read([&](absl::StatusOr<std::string> piece) { promise.set_value(std::move(piece)); });
  return promise.get_future().get();
}

absl::StatusOr<std::unique_ptr<Upload>> BeginUpload(Storage& storage, const Uuid& client_id,
                                                    uint64_t bytes) {
  std::promise<absl::StatusOr<UploadOutcome>> promise;
  storage.BeginUpload(
      {.client_id = client_id, .purpose = UploadRequest::ForImport(), .announced_bytes = bytes},
      [&](absl::StatusOr<UploadOutcome> outcome) { promise.set_value(std::move(outcome)); });
  absl::StatusOr<UploadOutcome> outcome = promise.get_future().get();
  if (!outcome.ok()) return outcome.status();
  auto* const upload = std::get_if<std::unique_ptr<Upload>>(&*outcome);
  if (upload == nullptr) return absl::InternalError("the storage does not take an import");
  return std::move(*upload);
}

absl::Status Add(Upload& upload, std::string piece) {
  std::promise<absl::Status> promise;
  upload.Add(std::move(piece), [&](absl::Status added) { promise.set_value(std::move(added)); });
  return promise.get_future().get();
}

}  // namespace

std::string ToText(const ExportPosition& position) {
  if (!position.piece) return absl::StrCat(position.after);
  return absl::StrCat(position.after, position.piece->of_snapshot ? ".snapshot." : ".version.",
                      position.piece->number, ".", position.piece->version_id.ToString());
}

std::optional<ExportPosition> ParseExportPosition(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  ExportPosition position;
  if (!absl::SimpleAtoi(parts[0], &position.after) || position.after > base::kVersionNumberMax) {
    return std::nullopt;
  }
  if (parts.size() == 1) return position;
  ExportPosition::Piece& piece = position.piece.emplace(ExportPosition::Piece());
  const std::optional<Uuid> version_id =
      parts.size() == 4 ? Uuid::Parse(parts[3]) : std::optional<Uuid>();
  if (!version_id || (parts[1] != "snapshot" && parts[1] != "version") ||
      !absl::SimpleAtoi(parts[2], &piece.number)) {
    return std::nullopt;
  }
  piece.of_snapshot = parts[1] == "snapshot";
  piece.version_id = *version_id;
  return position;
}

absl::StatusOr<std::string> ReadPieceLines(PieceSource& source, uint32_t& next_piece,
                                           uint64_t bytes_max) {
  source.SkipTo(next_piece);
  std::string lines;
  uint64_t bytes = 0;
  while (next_piece < source.pieces() && bytes < bytes_max) {
    const absl::StatusOr<std::string> piece = ReadNext(source);
    if (!piece.ok()) return piece.status();
    bytes += piece->size();
    absl::StrAppend(
        &lines,
        ToText({{"type", "piece"}, {"piece", next_piece}, {"bytes", absl::Base64Escape(*piece)}}),
        "\n");
    ++next_piece;
  }
  return lines;
}

absl::StatusOr<std::string> ReadWhole(PieceSource& source) {
  std::string bytes;
  bytes.reserve(source.bytes());
  for (uint32_t i = 0; i < source.pieces(); ++i) {
    const absl::StatusOr<std::string> piece = ReadNext(source);
    if (!piece.ok()) return piece.status();
    bytes += *piece;
  }
  return bytes;
}

absl::Status LargeImports::Begin(LargePart& part) {
  absl::StatusOr<std::unique_ptr<Upload>> upload =
      BeginUpload(storage_, part.request.client_id, part.bytes);
  if (!upload.ok()) return upload.status();
  Incoming& incoming = incoming_.emplace_back();
  incoming.request = std::move(part.request);
  incoming.owner = std::move(part.owner);
  incoming.bytes = part.bytes;
  incoming.upload = *std::move(upload);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ImportRequest>> LargeImports::Take(LargePart part) {
  const Uuid client_id = part.request.client_id;
  const auto of_client = [&](const Incoming& other) {
    return other.request.client_id == client_id;
  };
  if (!std::holds_alternative<std::monostate>(part.owner)) {
    // An incomplete one, from a stopped import, makes room.
    incoming_.erase(std::remove_if(incoming_.begin(), incoming_.end(), of_client), incoming_.end());
    if (incoming_.size() >= base::kLargeImportsMax) incoming_.pop_front();
    if (const absl::Status begun = Begin(part); !begun.ok()) return begun;
  }
  const auto found = std::find_if(incoming_.begin(), incoming_.end(), of_client);
  if (found == incoming_.end() || found->next_piece != part.first_piece) {
    return absl::InvalidArgumentError(absl::StrCat(
        "piece ", part.first_piece,
        " does not follow the imported pieces: begin again with the page that has the line "
        "of its version or snapshot"));
  }
  // From here on any error ends it.
  Incoming incoming = std::move(*found);
  incoming_.erase(found);
  for (std::string& piece : part.pieces) {
    if (incoming.upload->bytes() + piece.size() > incoming.bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the pieces have more bytes than the ", incoming.bytes, " announced"));
    }
    if (const absl::Status added = Add(*incoming.upload, std::move(piece)); !added.ok()) {
      return added;
    }
    ++incoming.next_piece;
  }
  if (incoming.upload->bytes() < incoming.bytes) {
    incoming_.push_back(std::move(incoming));
    return std::nullopt;
  }
  ImportRequest request = std::move(incoming.request);
  if (auto* const version = std::get_if<StoredVersion>(&incoming.owner)) {
    sync::PutUpload(std::move(incoming.upload), version->version.segment, version->upload);
    request.versions.push_back(std::move(*version));
  } else {
    request.snapshot = std::get<ImportRequest::ImportedSnapshot>(std::move(incoming.owner));
    sync::PutUpload(std::move(incoming.upload), request.snapshot->snapshot.bytes,
                    request.snapshot->upload);
  }
  return request;
}

}  // namespace tcsync::admin
