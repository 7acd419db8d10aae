// The body of an answer with many versions (docs/protocol.md, "Many versions in one answer"), which
// servers write and replicas read.
//
// It is a sequence of frames, one for each version, without anything before, between or after them:
//   16 bytes  version ID
//    4 bytes  length of the history segment, big-endian, at least 1
//    n bytes  the history segment, sealed
// The parent of the first version is the one that was asked for, and that of every other version is
// the version in the frame before.
#ifndef TCSYNC_SRC_BASE_VERSION_FRAMES_H_
#define TCSYNC_SRC_BASE_VERSION_FRAMES_H_

#include <cstddef>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

namespace tcsync::base {

inline constexpr char kVersionFramesMediaType[] = "application/vnd.tcsync.versions";

// Of a frame, before its segment.
inline constexpr size_t kVersionFrameHeadBytes = Uuid::kBytes + 4;

// Appends the frame to `body`. A segment has from 1 byte to kBodyBytesCeiling.
void AppendVersionFrame(const Uuid& version_id, absl::string_view segment, std::string& body);

// Reads a body that nobody vouches for. One thread at a time.
class VersionFrameReader {
 public:
  enum class Result {
    kFrame,      // version_id(), parent_version_id() and segment() are those of the next frame
    kEnd,        // there are no more frames
    kCut,        // the body ends within a frame
    kMalformed,  // it is no such body: problem() says why
  };

  // Borrows the body.
  VersionFrameReader(const Uuid& parent_version_id, absl::string_view body);

  // After any other result than kFrame, do not call it again.
  Result Next();

  const Uuid& version_id() const { return version_id_; }
  const Uuid& parent_version_id() const { return parent_version_id_; }
  absl::string_view segment() const { return segment_; }

  // Completes "the answer to ...".
  const std::string& problem() const { return problem_; }

 private:
  Result Malformed(std::string problem);

  absl::string_view rest_;
  Uuid version_id_;  // at first the requested parent
  Uuid parent_version_id_;
  absl::string_view segment_;
  // All version IDs so far: one that comes again would make the chain a circle.
  std::set<Uuid> seen_;
  std::string problem_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_VERSION_FRAMES_H_
