// The format in which clients move between servers: NDJSON, one JSON object a line, with sealed
// bytes in base64. docs/administration.md describes it for others.
//
//   {"type":"client","client_id":UUID,"created":SECONDS,"replicas_follow":true}
//   {"type":"version","number":N,"version_id":UUID,"parent_version_id":UUID,"appended":SECONDS,
//    "segment":BASE64}
//   {"type":"snapshot","version_id":UUID,"stored":SECONDS,"snapshot":BASE64}
//   {"type":"piece","piece":K,"bytes":BASE64}
//   {"type":"replicas","positions":[{"day":SECONDS,"version_id":UUID}...],
//    "ahead":[{"version_id":UUID,"last_seen":SECONDS}...],"accepts_diverged":BOOLEAN}
//   {"type":"devices","requires_token":BOOLEAN,"tokenless_last_seen":DAY,
//    "devices":[{"digest":HEX,"minted_by":HEX,"since":SECONDS,"last_seen":DAY,"label":BASE64}...],
//    "revoked":[{"device":HEX}...]}
//   {"type":"ban","client_id":UUID,"reason":TEXT,"since":SECONDS}
//   {"type":"token","client_id":UUID,"digest":HEX,"since":SECONDS}
//   {"type":"invite","digest":HEX,"label":TEXT,"created":SECONDS,"expires":SECONDS,"uses_max":N,
//    "uses":N}
//
// A large segment or snapshot has its number of bytes in its line, as "segment_bytes":N or
// "snapshot_bytes":N in place of the bytes, and its pieces follow, numbered from 0, over as many
// pages as it takes.
//
// A version, a snapshot, a piece, the replicas' positions and devices belong to the client in the
// last client line before them; the other lines stand for themselves. Every page of an export
// begins with a client line, so pages can be imported unchanged, and concatenated in a file.
// Without `replicas_follow`, as in files older than these lines, the positions of the client's
// replicas are unknown, and the import takes the safe side (ImportRequest::replicas_follow).
#ifndef TCSYNC_SRC_ADMIN_EXPORT_LINES_H_
#define TCSYNC_SRC_ADMIN_EXPORT_LINES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/large_transfers.h"
#include "tcsync/storage_administration.h"

namespace tcsync::admin {

// Each with its newline.
std::string ClientLine(const ClientSummary& client);
std::string ReplicasLine(const ImportRequest::ImportedReplicas& replicas);
std::string DevicesLine(const ClientDevices& devices);
std::string BanLine(const Ban& ban);
std::string TokenLine(const ClientToken& token);
std::string InviteLine(const Invite& invite);
// With the number of bytes only, if the segment or snapshot is in pieces.
std::string VersionLine(const StoredVersion& version);
std::string SnapshotLine(const Snapshot& snapshot, int64_t stored_unix_seconds);

// For people and for lines.
std::string HexOf(const TokenDigest& digest);

// The imports of a page.
struct ExportPage {
  std::vector<ImportRequest> requests;  // in order, one for each run of lines of one client
  std::vector<LargePart> large;         // in order; LargePart::before is an index of `requests`
  AccessRecords access;
  std::vector<std::pair<Uuid, ClientDevices>> devices;  // by client
};
// Times that the lines do not give are `now_unix_seconds`. kInvalidArgument names the line.
absl::StatusOr<ExportPage> ParseExportLines(absl::string_view page, int64_t now_unix_seconds);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_EXPORT_LINES_H_
