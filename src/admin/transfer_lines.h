// The format in which clients move between servers: NDJSON, one JSON object a line, with sealed
// bytes in base64. docs/administration.md describes it for others.
//
//   {"type":"client","client_id":UUID,"created":SECONDS}
//   {"type":"version","number":N,"version_id":UUID,"parent_version_id":UUID,"appended":SECONDS,
//    "segment":BASE64}
//   {"type":"snapshot","version_id":UUID,"stored":SECONDS,"snapshot":BASE64}
//   {"type":"piece","piece":K,"bytes":BASE64}
//
// A large segment or snapshot has its number of bytes in its line, as "segment_bytes":N or
// "snapshot_bytes":N in place of the bytes, and its pieces follow, numbered from 0, over as many
// pages as it takes.
//
// A version or a snapshot is of the client in the last client line before it. Every page of an
// export begins with a client line, so pages can be imported as they are, and put one behind the
// other in a file.
#ifndef TCSYNC_SRC_ADMIN_TRANSFER_LINES_H_
#define TCSYNC_SRC_ADMIN_TRANSFER_LINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/large_transfers.h"
#include "tcsync/storage_administration.h"

namespace tcsync::admin {

// Each with its newline.
std::string ClientLine(const ClientSummary& client);
// With the number of bytes only, if the segment or snapshot is in pieces.
std::string VersionLine(const StoredVersion& version);
std::string SnapshotLine(const Snapshot& snapshot, int64_t stored_unix_seconds);

// What a page asks to import, in its order, one request for each run of lines of one client.
// Times that the lines do not give are `now_unix_seconds`. kInvalidArgument names the line.
// `large`: what the page has of large segments and snapshots, in order.
absl::StatusOr<std::vector<ImportRequest>> ParseTransferLines(absl::string_view page,
                                                              int64_t now_unix_seconds,
                                                              std::vector<LargePart>& large);
inline absl::StatusOr<std::vector<ImportRequest>> ParseTransferLines(absl::string_view page,
                                                                     int64_t now_unix_seconds) {
  std::vector<LargePart> large;
  return ParseTransferLines(page, now_unix_seconds, large);
}

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_TRANSFER_LINES_H_
