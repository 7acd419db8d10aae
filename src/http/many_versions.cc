#include "http/many_versions.h"

#include "absl/strings/match.h"
#include "http/list_field.h"

namespace tcsync::http {

bool AcceptsManyVersions(const RequestHead& head) {
  bool accepts = false;
  ForEachListItem(head, "Accept", [&accepts](absl::string_view type) {
    accepts |= absl::EqualsIgnoreCase(type, base::kVersionFramesMediaType);
  });
  return accepts;
}

std::string BodyOf(std::vector<Version> versions) {
  size_t bytes = 0;
  for (const Version& version : versions) {
    bytes += base::kVersionFrameHeadBytes + version.segment.size();
  }
  std::string body;
  body.reserve(bytes);
  for (Version& version : versions) {
    base::AppendVersionFrame(version.version_id, version.segment, body);
    std::string().swap(version.segment);
  }
  return body;
}

}  // namespace tcsync::http
