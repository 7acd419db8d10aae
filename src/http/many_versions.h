// Answers with many versions, an extension of the protocol (docs/protocol.md, "Many versions in one
// answer").
#ifndef TCSYNC_SRC_HTTP_MANY_VERSIONS_H_
#define TCSYNC_SRC_HTTP_MANY_VERSIONS_H_

#include <string>
#include <vector>

#include "base/limits.h"
#include "base/version_frames.h"
#include "sync/child_walk.h"
#include "tcsync/http_message.h"
#include "tcsync/storage.h"

namespace tcsync::http {

// The bounds of such an answer of this server. Its body is no larger than a piece, so that it is
// charged to the memory for small bodies as one version is.
inline constexpr sync::VersionsBounds kAnswerBounds = {
    .versions_max = base::kVersionsPerAnswerMax,
    .bytes_max = base::kPieceBytesMax,
    .bytes_beside_segment = base::kVersionFrameHeadBytes};

// Whether the request names the media type of such answers in a field Accept. Ranges such as */*,
// which every program sends, do not count.
bool AcceptsManyVersions(const RequestHead& head);

// The body with these versions. Each is freed as it is copied, so that they are not twice in
// memory.
std::string BodyOf(std::vector<Version> versions);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_MANY_VERSIONS_H_
