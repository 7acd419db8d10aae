#include "admin/transfer_lines.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "admin/answer.h"
#include "admin/fields.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

constexpr uint64_t kSecondsMax = std::numeric_limits<int64_t>::max();

// One line after the other, into requests.
class LineReader {
 public:
  LineReader(int64_t now_unix_seconds, std::vector<LargePart>& large)
      : now_(now_unix_seconds), large_(large) {}

  absl::Status Read(absl::string_view line) {
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return absl::InvalidArgumentError("it is not one JSON object.");
    Fields fields;
    if (const absl::Status status = fields.AddObject(object); !status.ok()) return status;
    const std::string type = fields.RequiredText("type");
    if (type == "client") return ReadClient(fields);
    if (type != "version" && type != "snapshot" && type != "piece") {
      return absl::InvalidArgumentError(
          absl::StrCat("its type is '", type, "'; there are client, version, snapshot and piece."));
    }
    if (requests_.empty()) {
      return absl::InvalidArgumentError(
          "no client line is before it in this page, so it is nobody's.");
    }
    if (type == "piece") return ReadPiece(fields);
    return type == "version" ? ReadVersion(fields) : ReadSnapshot(fields);
  }

  // Without those of which there is only a client line, as at the end of a page that was cut there.
  std::vector<ImportRequest> TakeRequests() {
    const auto is_empty = [](const ImportRequest& request) {
      return request.versions.empty() && !request.snapshot;
    };
    std::vector<ImportRequest> kept;
    auto part = large_.begin();
    for (size_t i = 0; i <= requests_.size(); ++i) {
      for (; part != large_.end() && part->before == i; ++part) part->before = kept.size();
      if (i < requests_.size() && !is_empty(requests_[i])) kept.push_back(std::move(requests_[i]));
    }
    return kept;
  }

 private:
  absl::Status ReadClient(Fields& fields) {
    const Uuid client_id = fields.RequiredId("client_id");
    const int64_t created = TimeOf(fields, "created");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    if (client_id.IsNil()) {
      return absl::InvalidArgumentError("its client_id is the nil UUID, which is nobody's.");
    }
    // Pages that were put one behind the other repeat the line.
    if (requests_.empty() || requests_.back().client_id != client_id) {
      requests_.push_back({.client_id = client_id,
                           .created_unix_seconds = created,
                           .versions = {},
                           .snapshot = {}});
    }
    return absl::OkStatus();
  }

  absl::Status ReadVersion(Fields& fields) {
    ImportRequest& request = requests_.back();
    StoredVersion stored;
    // In an export for people; the chain's order is by the parents.
    stored.number = fields.Count("number", kVersionNumberMax).value_or(0);
    stored.version.version_id = fields.RequiredId("version_id");
    stored.version.parent_version_id = fields.RequiredId("parent_version_id");
    stored.appended_unix_seconds = TimeOf(fields, "appended");
    const std::optional<uint64_t> segment_bytes = fields.Count("segment_bytes", kBodyBytesCeiling);
    const std::string segment = segment_bytes ? "" : fields.RequiredText("segment");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    if (stored.version.version_id.IsNil()) {
      return absl::InvalidArgumentError("its version_id is the nil UUID, which no version has.");
    }
    if (segment_bytes && *segment_bytes == 0) {
      return absl::InvalidArgumentError("its segment is empty.");
    }
    if (!segment_bytes && !absl::Base64Unescape(segment, &stored.version.segment)) {
      return absl::InvalidArgumentError("its segment is not base64.");
    }
    if (!segment_bytes && stored.version.segment.empty()) {
      return absl::InvalidArgumentError("its segment is empty.");
    }
    if (request.snapshot) {
      return absl::InvalidArgumentError("it comes after the client's snapshot, which comes last.");
    }
    if (!request.versions.empty() &&
        request.versions.back().version.version_id != stored.version.parent_version_id) {
      return absl::InvalidArgumentError(
          absl::StrCat("its parent_version_id is ", stored.version.parent_version_id.ToString(),
                       ", but the version before it is ",
                       request.versions.back().version.version_id.ToString(), "."));
    }
    if (segment_bytes) return BeginLarge(std::move(stored), *segment_bytes);
    request.versions.push_back(std::move(stored));
    return absl::OkStatus();
  }

  // What follows of the client goes into a request of its own, behind the large part.
  template <typename Owner>
  absl::Status BeginLarge(Owner owner, uint64_t bytes) {
    const ImportRequest& request = requests_.back();
    LargePart& part = large_.emplace_back();
    part.before = requests_.size();
    part.request = {.client_id = request.client_id,
                    .created_unix_seconds = request.created_unix_seconds,
                    .versions = {},
                    .snapshot = {}};
    part.owner = std::move(owner);
    part.bytes = bytes;
    ImportRequest next = part.request;
    requests_.push_back(std::move(next));
    return absl::OkStatus();
  }

  absl::Status ReadPiece(Fields& fields) {
    const uint64_t number = fields.RequiredCount("piece", std::numeric_limits<uint32_t>::max());
    const std::string encoded = fields.RequiredText("bytes");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    std::string bytes;
    if (!absl::Base64Unescape(encoded, &bytes)) {
      return absl::InvalidArgumentError("its bytes are not base64.");
    }
    if (bytes.empty() || bytes.size() > kPieceBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("it has ", bytes.size(), " bytes; a piece has 1 to ", kPieceBytesMax, "."));
    }
    const ImportRequest& request = requests_.back();
    if (!request.versions.empty() || request.snapshot) {
      return absl::InvalidArgumentError(
          "it does not follow the line of a version or snapshot in pieces, or another piece.");
    }
    const bool continues = !large_.empty() &&
                           large_.back().request.client_id == request.client_id &&
                           large_.back().first_piece + large_.back().pieces.size() == number;
    if (!continues) {
      // The page goes on where the one before it ended.
      if (number == 0 ||
          (!large_.empty() && large_.back().request.client_id == request.client_id)) {
        return absl::InvalidArgumentError(
            absl::StrCat("piece ", number, " does not follow the one before it."));
      }
      LargePart& part = large_.emplace_back();
      part.before = requests_.size() - 1;
      part.request = {.client_id = request.client_id,
                      .created_unix_seconds = request.created_unix_seconds,
                      .versions = {},
                      .snapshot = {}};
      part.first_piece = static_cast<uint32_t>(number);
    }
    large_.back().pieces.push_back(std::move(bytes));
    return absl::OkStatus();
  }

  absl::Status ReadSnapshot(Fields& fields) {
    ImportRequest::ImportedSnapshot imported;
    imported.snapshot.version_id = fields.RequiredId("version_id");
    imported.stored_unix_seconds = TimeOf(fields, "stored");
    const std::optional<uint64_t> snapshot_bytes =
        fields.Count("snapshot_bytes", kBodyBytesCeiling);
    const std::string bytes = snapshot_bytes ? "" : fields.RequiredText("snapshot");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    if (imported.snapshot.version_id.IsNil()) {
      return absl::InvalidArgumentError("its version_id is the nil UUID, which no version has.");
    }
    if (!snapshot_bytes && !absl::Base64Unescape(bytes, &imported.snapshot.bytes)) {
      return absl::InvalidArgumentError("its snapshot is not base64.");
    }
    if (snapshot_bytes ? *snapshot_bytes == 0 : imported.snapshot.bytes.empty()) {
      return absl::InvalidArgumentError("its snapshot is empty.");
    }
    if (requests_.back().snapshot) {
      return absl::InvalidArgumentError("it is the client's second snapshot; there may be one.");
    }
    if (snapshot_bytes) return BeginLarge(std::move(imported), *snapshot_bytes);
    requests_.back().snapshot = std::move(imported);
    return absl::OkStatus();
  }

  int64_t TimeOf(Fields& fields, absl::string_view name) const {
    const std::optional<uint64_t> seconds = fields.Count(name, kSecondsMax);
    return seconds ? static_cast<int64_t>(*seconds) : now_;
  }

  const int64_t now_;
  std::vector<ImportRequest> requests_;
  std::vector<LargePart>& large_;  // in order, also by `before`
};

std::string LineOf(const Json& object) { return absl::StrCat(ToText(object), "\n"); }

}  // namespace

std::string ClientLine(const ClientSummary& client) {
  return LineOf({{"type", "client"},
                 {"client_id", client.client_id.ToString()},
                 {"created", client.created_unix_seconds}});
}

std::string VersionLine(const StoredVersion& version) {
  Json line = {{"type", "version"},
               {"number", version.number},
               {"version_id", version.version.version_id.ToString()},
               {"parent_version_id", version.version.parent_version_id.ToString()},
               {"appended", version.appended_unix_seconds}};
  if (version.version.pieces != nullptr) {
    line["segment_bytes"] = version.version.pieces->bytes();
  } else {
    line["segment"] = absl::Base64Escape(version.version.segment);
  }
  return LineOf(line);
}

std::string SnapshotLine(const Snapshot& snapshot, int64_t stored_unix_seconds) {
  Json line = {{"type", "snapshot"},
               {"version_id", snapshot.version_id.ToString()},
               {"stored", stored_unix_seconds}};
  if (snapshot.pieces != nullptr) {
    line["snapshot_bytes"] = snapshot.pieces->bytes();
  } else {
    line["snapshot"] = absl::Base64Escape(snapshot.bytes);
  }
  return LineOf(line);
}

absl::StatusOr<std::vector<ImportRequest>> ParseTransferLines(absl::string_view page,
                                                              int64_t now_unix_seconds,
                                                              std::vector<LargePart>& large) {
  LineReader reader(now_unix_seconds, large);
  uint64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    if (const absl::Status status = reader.Read(line); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Line ", number,
          " of the page is wrong, and nothing of the page was stored: ", status.message()));
    }
  }
  return reader.TakeRequests();
}

}  // namespace tcsync::admin
