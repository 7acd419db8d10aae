#include "http/many_versions.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace tcsync::http {

bool AcceptsManyVersions(const RequestHead& head) {
  // Several fields are one list (RFC 9110, section 5.3).
  for (const HeaderView& header : head.headers) {
    if (!absl::EqualsIgnoreCase(header.name, "Accept")) continue;
    for (const absl::string_view range : absl::StrSplit(header.value, ',')) {
      const absl::string_view type = absl::StripAsciiWhitespace(range.substr(0, range.find(';')));
      if (absl::EqualsIgnoreCase(type, base::kVersionFramesMediaType)) return true;
    }
  }
  return false;
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
