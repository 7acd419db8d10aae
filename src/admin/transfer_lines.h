// The format in which clients move between servers: NDJSON, one JSON object a line, with sealed
// bytes in base64. docs/administration.md describes it for others.
//
//   {"type":"client","client_id":UUID,"created":SECONDS}
//   {"type":"version","number":N,"version_id":UUID,"parent_version_id":UUID,"appended":SECONDS,
//    "segment":BASE64}
//   {"type":"snapshot","version_id":UUID,"stored":SECONDS,"snapshot":BASE64}
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
#include "tcsync/storage_administration.h"

namespace tcsync::admin {

// Each with its newline.
std::string ClientLine(const ClientSummary& client);
std::string VersionLine(const StoredVersion& version);
std::string SnapshotLine(const Snapshot& snapshot, int64_t stored_unix_seconds);

// What a page asks to import, in its order, one request for each run of lines of one client.
// Times that the lines do not give are `now_unix_seconds`. kInvalidArgument names the line.
absl::StatusOr<std::vector<ImportRequest>> ParseTransferLines(absl::string_view page,
                                                              int64_t now_unix_seconds);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_TRANSFER_LINES_H_
