#include "admin/export_lines.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "access/device_changes.h"
#include "admin/fields.h"
#include "admin/json.h"
#include "base/foreign_text.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

constexpr uint64_t kSecondsMax = std::numeric_limits<int64_t>::max();
// Devices that an import may bring: several servers' of one client.
constexpr size_t kImportedDevicesMax = 8 * base::kDevicesMax;
constexpr char kTypes[] =
    "client, version, snapshot, piece, replicas, devices, ban, token and invite";

// Adds one line after another to requests.
class LineReader {
 public:
  explicit LineReader(int64_t now_unix_seconds) : now_(now_unix_seconds) {}

  absl::Status Read(absl::string_view line) {
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return absl::InvalidArgumentError("it is not one JSON object.");
    Fields fields;
    if (const absl::Status status = fields.AddObject(object); !status.ok()) return status;
    const std::string type = fields.RequiredText("type");
    if (object.find("type") == object.end() || !object["type"].is_string()) return fields.Check();
    if (type == "client") return ReadClient(fields);
    if (type == "ban") return ReadBan(fields);
    if (type == "token") return ReadToken(fields);
    if (type == "invite") return ReadInvite(fields);
    if (type != "version" && type != "snapshot" && type != "piece" && type != "replicas" &&
        type != "devices") {
      return absl::InvalidArgumentError(
          absl::StrCat("its type is '", base::ShowForeign(type), "'; there are ", kTypes, "."));
    }
    if (page_.requests.empty()) {
      return absl::InvalidArgumentError(
          "no client line is before it in this page, so it has no client.");
    }
    if (type == "piece") return ReadPiece(fields);
    if (type == "devices") return ReadDevices(fields);
    if (type == "replicas") return ReadReplicas(fields);
    return type == "version" ? ReadVersion(fields) : ReadSnapshot(fields);
  }

  // Without clients that have only a client line, as at the end of a truncated page.
  ExportPage TakePage() {
    const auto is_empty = [](const ImportRequest& request) {
      return request.versions.empty() && !request.snapshot && !request.replicas;
    };
    std::vector<ImportRequest> kept;
    auto part = page_.large.begin();
    for (size_t i = 0; i <= page_.requests.size(); ++i) {
      for (; part != page_.large.end() && part->before == i; ++part) part->before = kept.size();
      if (i < page_.requests.size() && !is_empty(page_.requests[i])) {
        kept.push_back(std::move(page_.requests[i]));
      }
    }
    page_.requests = std::move(kept);
    return std::move(page_);
  }

 private:
  absl::Status ReadClient(Fields& fields) {
    const Uuid client_id = fields.RequiredId("client_id");
    if (client_id.IsNil()) {
      fields.RefuseContent("its client_id is the nil UUID, which no client has.");
    }
    const int64_t created = TimeOf(fields, "created");
    const bool replicas_follow = fields.Flag("replicas_follow");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    // Concatenated pages repeat the line.
    if (page_.requests.empty() || page_.requests.back().client_id != client_id) {
      page_.requests.push_back({.client_id = client_id,
                                .created_unix_seconds = created,
                                .versions = {},
                                .snapshot = {},
                                .replicas = {},
                                .replicas_follow = replicas_follow,
                                .now_unix_seconds = now_});
    }
    return absl::OkStatus();
  }

  absl::Status ReadReplicas(Fields& fields) {
    ImportRequest::ImportedReplicas replicas;
    const std::vector<Json> positions = fields.Objects("positions", base::kTransferredPositionsMax);
    const std::vector<Json> ahead = fields.Objects("ahead", base::kReplicasAheadMax);
    replicas.accepts_diverged = fields.Flag("accepts_diverged");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    for (const Json& object : positions) {
      Fields of_position;
      if (const absl::Status status = of_position.AddObject(object); !status.ok()) return status;
      replicas.positions.push_back(
          {.day_unix_seconds = static_cast<int64_t>(of_position.RequiredCount("day", kSecondsMax)),
           .version_id = of_position.RequiredId("version_id")});
      if (const absl::Status status = of_position.Check(); !status.ok()) return status;
    }
    for (const Json& object : ahead) {
      Fields of_replica;
      if (const absl::Status status = of_replica.AddObject(object); !status.ok()) return status;
      replicas.ahead.push_back({.version_id = of_replica.RequiredId("version_id"),
                                .last_seen_unix_seconds = TimeOf(of_replica, "last_seen")});
      if (const absl::Status status = of_replica.Check(); !status.ok()) return status;
    }
    ImportRequest& request = page_.requests.back();
    if (request.replicas) {
      return absl::InvalidArgumentError(
          "it is the client's second replicas line; there may be one.");
    }
    request.replicas = std::move(replicas);
    return absl::OkStatus();
  }

  absl::Status ReadDevices(Fields& fields) {
    ClientDevices devices;
    const std::vector<Json> list = fields.Objects("devices", kImportedDevicesMax);
    devices.requires_token = fields.Flag("requires_token");
    devices.tokenless_last_seen_unix_seconds = DayOf(fields, "tokenless_last_seen");
    const std::vector<Json> revoked = fields.Objects("revoked", ClientDevices::kRevokedMax);
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    for (const Json& object : list) {
      Fields of_device;
      if (const absl::Status status = of_device.AddObject(object); !status.ok()) return status;
      Device device{.digest = RequiredDigest(of_device),
                    .minted_by = std::nullopt,
                    .since_unix_seconds = TimeOf(of_device, "since"),
                    .last_seen_unix_seconds = DayOf(of_device, "last_seen"),
                    .label = {}};
      const std::string minter = of_device.Words("minted_by");
      if (!minter.empty()) device.minted_by = RequiredDeviceId(minter, of_device);
      if (!absl::Base64Unescape(of_device.RequiredText("label"), &device.label) ||
          device.label.empty() || device.label.size() > base::kDeviceLabelBytesMax) {
        of_device.RefuseContent(
            absl::StrCat("a label is not base64 of 1 to ", base::kDeviceLabelBytesMax, " bytes."));
      }
      if (const absl::Status status = of_device.Check(); !status.ok()) return status;
      if (devices.FindByDigest(device.digest) != nullptr) {
        return absl::InvalidArgumentError("it has a device twice.");
      }
      devices.devices.push_back(std::move(device));
    }
    for (const Json& object : revoked) {
      Fields of_device;
      if (const absl::Status status = of_device.AddObject(object); !status.ok()) return status;
      devices.revoked.push_back(
          RequiredDeviceId(of_device.RequiredText("device"), of_device).value_or(DeviceId{}));
      if (const absl::Status status = of_device.Check(); !status.ok()) return status;
    }
    page_.devices.emplace_back(page_.requests.back().client_id, std::move(devices));
    return absl::OkStatus();
  }

  static std::optional<DeviceId> RequiredDeviceId(const std::string& text, Fields& fields) {
    const std::optional<DeviceId> id = access::ParseDeviceId(text);
    if (!id) {
      fields.RefuseContent(absl::StrCat("'", base::ShowForeign(text),
                                        "' is not a device's ID of 12 hexadecimal digits."));
    }
    return id;
  }

  static int64_t DayOf(Fields& fields, absl::string_view name) {
    return access::DayOf(static_cast<int64_t>(fields.Count(name, kSecondsMax).value_or(0)));
  }

  absl::Status ReadBan(Fields& fields) {
    const Ban ban{.client_id = fields.RequiredId("client_id"),
                  .reason = fields.Words("reason"),
                  .since_unix_seconds = TimeOf(fields, "since")};
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    page_.access.bans.push_back(ban);
    return absl::OkStatus();
  }

  absl::Status ReadToken(Fields& fields) {
    const ClientToken token{.client_id = fields.RequiredId("client_id"),
                            .digest = RequiredDigest(fields),
                            .since_unix_seconds = TimeOf(fields, "since")};
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    page_.access.tokens.push_back(token);
    return absl::OkStatus();
  }

  absl::Status ReadInvite(Fields& fields) {
    Invite invite{.digest = RequiredDigest(fields),
                  .label = fields.Words("label"),
                  .created_unix_seconds = TimeOf(fields, "created")};
    invite.expires_unix_seconds =
        static_cast<int64_t>(fields.Count("expires", kSecondsMax).value_or(0));
    invite.uses_max = fields.Count("uses_max", UINT64_MAX).value_or(0);
    invite.uses = fields.Count("uses", UINT64_MAX).value_or(0);
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    page_.access.invites.push_back(std::move(invite));
    return absl::OkStatus();
  }

  // The message does not show the value: it may be a token.
  static TokenDigest RequiredDigest(Fields& fields) {
    const std::string text = fields.RequiredText("digest");
    TokenDigest digest{};
    const bool is_hex = std::all_of(text.begin(), text.end(), [](char character) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(character));
    });
    if (text.size() != 2 * digest.size() || !is_hex) {
      fields.RefuseContent(
          absl::StrCat("its digest has ", text.size(),
                       " characters and is not a SHA-256 in 64 hexadecimal ones."));
      return digest;
    }
    const std::string bytes = absl::HexStringToBytes(text);
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
  }

  static Uuid RequiredVersionId(Fields& fields) {
    const Uuid version_id = fields.RequiredId("version_id");
    if (version_id.IsNil()) {
      fields.RefuseContent("its version_id is the nil UUID, which no version has.");
    }
    return version_id;
  }

  // The segment or snapshot, or the number of its bytes if they follow in pieces.
  static std::optional<uint64_t> ReadBytes(Fields& fields, const std::string& name,
                                           std::string& bytes) {
    const std::optional<uint64_t> bytes_later =
        fields.Count(name + "_bytes", base::kBodyBytesCeiling);
    if (!bytes_later && !absl::Base64Unescape(fields.RequiredText(name), &bytes)) {
      fields.RefuseContent(absl::StrCat("its ", name, " is not base64."));
    }
    if (bytes_later ? *bytes_later == 0 : bytes.empty()) {
      fields.RefuseContent(absl::StrCat("its ", name, " is empty."));
    }
    return bytes_later;
  }

  absl::Status ReadVersion(Fields& fields) {
    ImportRequest& request = page_.requests.back();
    StoredVersion stored;
    // Only for people; the parents give the chain's order.
    stored.number = fields.Count("number", base::kVersionNumberMax).value_or(0);
    stored.version.version_id = RequiredVersionId(fields);
    stored.version.parent_version_id = fields.RequiredId("parent_version_id");
    stored.appended_unix_seconds = TimeOf(fields, "appended");
    const std::optional<uint64_t> bytes_later =
        ReadBytes(fields, "segment", stored.version.segment);
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
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
    if (bytes_later) return BeginLarge(std::move(stored), *bytes_later);
    request.versions.push_back(std::move(stored));
    return absl::OkStatus();
  }

  // The rest of the client's lines goes into a request of its own, behind the large part.
  template <typename Owner>
  absl::Status BeginLarge(Owner owner, uint64_t bytes) {
    LargePart& part = page_.large.emplace_back();
    part.before = page_.requests.size();
    part.request = EmptyCopy(page_.requests.back());
    part.owner = std::move(owner);
    part.bytes = bytes;
    page_.requests.push_back(part.request);
    return absl::OkStatus();
  }

  static ImportRequest EmptyCopy(const ImportRequest& request) {
    return {.client_id = request.client_id,
            .created_unix_seconds = request.created_unix_seconds,
            .versions = {},
            .snapshot = {},
            .replicas = {},
            .replicas_follow = request.replicas_follow,
            .now_unix_seconds = request.now_unix_seconds};
  }

  absl::Status ReadPiece(Fields& fields) {
    // No piece is empty, so their number is at most that of the bytes.
    const uint64_t number = fields.RequiredCount("piece", base::kBodyBytesCeiling);
    const std::string encoded = fields.RequiredText("bytes");
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    std::string bytes;
    if (!absl::Base64Unescape(encoded, &bytes)) {
      return absl::InvalidArgumentError("its bytes are not base64.");
    }
    if (bytes.empty() || bytes.size() > base::kPieceBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it has ", bytes.size(), " bytes; a piece has 1 to ", base::kPieceBytesMax, "."));
    }
    std::vector<LargePart>& large = page_.large;
    const ImportRequest& request = page_.requests.back();
    if (!request.versions.empty() || request.snapshot || request.replicas) {
      return absl::InvalidArgumentError(
          "it does not follow the line of a version or snapshot in pieces, or another piece.");
    }
    const bool continues = !large.empty() && large.back().request.client_id == request.client_id &&
                           large.back().first_piece + large.back().pieces.size() == number;
    if (!continues) {
      // The page continues at the end of the last one.
      if (!large.empty() && large.back().request.client_id == request.client_id) {
        return absl::InvalidArgumentError(
            absl::StrCat("piece ", number, " does not follow the one before it."));
      }
      LargePart& part = large.emplace_back();
      part.before = page_.requests.size() - 1;
      part.request = EmptyCopy(request);
      part.first_piece = static_cast<uint32_t>(number);
    }
    large.back().pieces.push_back(std::move(bytes));
    return absl::OkStatus();
  }

  absl::Status ReadSnapshot(Fields& fields) {
    ImportRequest::ImportedSnapshot imported;
    imported.snapshot.version_id = RequiredVersionId(fields);
    imported.stored_unix_seconds = TimeOf(fields, "stored");
    const std::optional<uint64_t> bytes_later =
        ReadBytes(fields, "snapshot", imported.snapshot.bytes);
    if (const absl::Status status = fields.Check(); !status.ok()) return status;
    ImportRequest& request = page_.requests.back();
    if (request.snapshot) {
      return absl::InvalidArgumentError("it is the client's second snapshot; there may be one.");
    }
    if (bytes_later) return BeginLarge(std::move(imported), *bytes_later);
    request.snapshot = std::move(imported);
    return absl::OkStatus();
  }

  int64_t TimeOf(Fields& fields, absl::string_view name) const {
    const std::optional<uint64_t> seconds = fields.Count(name, kSecondsMax);
    return seconds ? static_cast<int64_t>(*seconds) : now_;
  }

  const int64_t now_;
  ExportPage page_;
};

std::string LineOf(const Json& object) { return absl::StrCat(ToText(object), "\n"); }

}  // namespace

std::string ClientLine(const ClientSummary& client) {
  return LineOf({{"type", "client"},
                 {"client_id", client.client_id.ToString()},
                 {"created", client.created_unix_seconds},
                 {"replicas_follow", true}});
}

std::string ReplicasLine(const ImportRequest::ImportedReplicas& replicas) {
  Json positions = Json::array();
  for (const ImportRequest::ImportedReplicas::Position& position : replicas.positions) {
    positions.push_back(
        {{"day", position.day_unix_seconds}, {"version_id", position.version_id.ToString()}});
  }
  Json ahead = Json::array();
  for (const ReplicaAhead& replica : replicas.ahead) {
    ahead.push_back({{"version_id", replica.version_id.ToString()},
                     {"last_seen", replica.last_seen_unix_seconds}});
  }
  return LineOf({{"type", "replicas"},
                 {"positions", std::move(positions)},
                 {"ahead", std::move(ahead)},
                 {"accepts_diverged", replicas.accepts_diverged}});
}

std::string DevicesLine(const ClientDevices& devices) {
  Json list = Json::array();
  for (const Device& device : devices.devices) {
    Json one = {{"digest", HexOf(device.digest)},
                {"since", device.since_unix_seconds},
                {"last_seen", device.last_seen_unix_seconds},
                {"label", absl::Base64Escape(device.label)}};
    if (device.minted_by) one["minted_by"] = access::ToText(*device.minted_by);
    list.push_back(std::move(one));
  }
  Json revoked = Json::array();
  for (const DeviceId& id : devices.revoked) revoked.push_back({{"device", access::ToText(id)}});
  return LineOf({{"type", "devices"},
                 {"requires_token", devices.requires_token},
                 {"tokenless_last_seen", devices.tokenless_last_seen_unix_seconds},
                 {"devices", std::move(list)},
                 {"revoked", std::move(revoked)}});
}

std::string BanLine(const Ban& ban) {
  return LineOf({{"type", "ban"},
                 {"client_id", ban.client_id.ToString()},
                 {"reason", ban.reason},
                 {"since", ban.since_unix_seconds}});
}

std::string TokenLine(const ClientToken& token) {
  return LineOf({{"type", "token"},
                 {"client_id", token.client_id.ToString()},
                 {"digest", HexOf(token.digest)},
                 {"since", token.since_unix_seconds}});
}

std::string InviteLine(const Invite& invite) {
  return LineOf({{"type", "invite"},
                 {"digest", HexOf(invite.digest)},
                 {"label", invite.label},
                 {"created", invite.created_unix_seconds},
                 {"expires", invite.expires_unix_seconds},
                 {"uses_max", invite.uses_max},
                 {"uses", invite.uses}});
}

std::string HexOf(const TokenDigest& digest) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
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

absl::StatusOr<ExportPage> ParseExportLines(absl::string_view page, int64_t now_unix_seconds) {
  LineReader reader(now_unix_seconds);
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
  return reader.TakePage();
}

}  // namespace tcsync::admin
