// The rules by which each answer is judged, one after the other, and the request heads.
#include "load/exchange.h"

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tcsync::load {
namespace {

constexpr absl::string_view kSegmentContentType = "application/vnd.taskchampion.history-segment";
constexpr absl::string_view kAddVersion = "add-version";
constexpr absl::string_view kGetChildVersion = "get-child-version";

// Whether a Content-Type is `wanted`, whatever parameters follow it.
bool IsContentType(absl::string_view content_type, absl::string_view wanted) {
  return absl::EqualsIgnoreCase(content_type.substr(0, content_type.find(';')), wanted);
}

}  // namespace

Exchange::Exchange(const Target& target, const Segments& segments)
    : segments_(segments),
      add_version_(MakeHead(target, "POST", kAddVersion,
                            absl::StrCat("Content-Type: ", kSegmentContentType, "\r\n",
                                         "Content-Length: ", segments.segment_bytes(), "\r\n"))),
      get_child_version_(MakeHead(target, "GET", kGetChildVersion, "")),
      client_id_(NilUuid()),
      parent_(NilUuid()) {}

Exchange::Head Exchange::MakeHead(const Target& target, absl::string_view method,
                                  absl::string_view endpoint, absl::string_view more_headers) {
  Head head;
  const std::string nil(NilUuid().view());
  head.text = absl::StrCat(method, " ", target.base_path, "/v1/client/", endpoint, "/");
  head.parent_offset = head.text.size();
  absl::StrAppend(&head.text, nil, " HTTP/1.1\r\nHost: ", target.host_header,
                  "\r\nUser-Agent: tcsync-load\r\nX-Client-Id: ");
  head.client_id_offset = head.text.size();
  absl::StrAppend(&head.text, nil, "\r\n", more_headers, "\r\n");
  return head;
}

void Exchange::Head::SetIds(const UuidText& parent, const UuidText& client_id) {
  std::memcpy(text.data() + parent_offset, parent.characters.data(), UuidText::kLength);
  std::memcpy(text.data() + client_id_offset, client_id.characters.data(), UuidText::kLength);
}

Request Exchange::AddVersion(const UuidText& client_id, const UuidText& parent,
                             uint64_t segment_number) {
  endpoint_ = kAddVersion;
  client_id_ = client_id;
  parent_ = parent;
  add_version_.SetIds(parent, client_id);
  return Request{{absl::string_view(add_version_.text), segments_.Head(segment_number, &stamp_),
                  segments_.Tail(segment_number)}};
}

Request Exchange::GetChildVersion(const UuidText& client_id, const UuidText& parent) {
  endpoint_ = kGetChildVersion;
  client_id_ = client_id;
  parent_ = parent;
  get_child_version_.SetIds(parent, client_id);
  return Request{{absl::string_view(get_child_version_.text), {}, {}}};
}

Outcome Exchange::Wrong(absl::string_view fault) {
  fault_ =
      absl::StrCat(endpoint_, "/", parent_.view(), " of client ", client_id_.view(), ": ", fault);
  return Outcome::kWrong;
}

Outcome Exchange::WrongStatus(const HttpResponse& response) {
  constexpr size_t kBodyShown = 200;
  return Wrong(absl::StrCat("status ", response.status, ", body '",
                            response.body.substr(0, kBodyShown), "'"));
}

bool Exchange::CheckCommon(const HttpResponse& response) {
  if (!absl::StrContains(response.cache_control, "no-store")) {
    Wrong(absl::StrCat("status ", response.status, " without Cache-Control: no-store"));
    return false;
  }
  return true;
}

bool Exchange::IsRefusal(const HttpResponse& response) {
  return (response.status == 429 || response.status == 503) && !response.retry_after.empty();
}

Outcome Exchange::JudgeAddVersion(const HttpResponse& response, UuidText* version) {
  if (IsRefusal(response)) return Outcome::kRefused;
  if (response.status != 200 && response.status != 409) return WrongStatus(response);
  if (!CheckCommon(response)) return Outcome::kWrong;
  if (!response.body.empty()) {
    return Wrong(absl::StrCat("status ", response.status, " has a body"));
  }
  if (response.status == 409) {
    if (!ParseUuid(response.parent_version_id, version)) {
      return Wrong(absl::StrCat("409 with X-Parent-Version-Id '", response.parent_version_id,
                                "', which is no UUID"));
    }
    // A client without versions accepts any parent, and the latest version is always accepted.
    if (*version == NilUuid()) return Wrong("409 that gives the nil version as the latest");
    if (*version == parent_) return Wrong("409 that asks for the very parent that was given");
    return Outcome::kConflict;
  }
  if (!ParseUuid(response.version_id, version)) {
    return Wrong(
        absl::StrCat("200 with X-Version-Id '", response.version_id, "', which is no UUID"));
  }
  if (*version == NilUuid()) return Wrong("200 with the nil version as the new one");
  if (*version == parent_) return Wrong("200 with the parent as the new version");
  if (response.snapshot_request.data() != nullptr && response.snapshot_request != "urgency=low" &&
      response.snapshot_request != "urgency=high") {
    return Wrong(absl::StrCat("200 with X-Snapshot-Request '", response.snapshot_request, "'"));
  }
  return Outcome::kAdded;
}

Outcome Exchange::JudgeGetChildVersion(const HttpResponse& response, uint64_t segment_number,
                                       UuidText* version) {
  if (IsRefusal(response)) return Outcome::kRefused;
  if (response.status != 200 && response.status != 404) return WrongStatus(response);
  if (!CheckCommon(response)) return Outcome::kWrong;
  if (response.status == 404) {
    if (response.version_id.data() != nullptr) return Wrong("404 with X-Version-Id");
    return Outcome::kUpToDate;
  }
  if (!ParseUuid(response.parent_version_id, version) || !(*version == parent_)) {
    return Wrong(absl::StrCat("200 with X-Parent-Version-Id '", response.parent_version_id, "'"));
  }
  if (!ParseUuid(response.version_id, version)) {
    return Wrong(
        absl::StrCat("200 with X-Version-Id '", response.version_id, "', which is no UUID"));
  }
  if (!IsContentType(response.content_type, kSegmentContentType)) {
    return Wrong(absl::StrCat("200 with Content-Type '", response.content_type, "'"));
  }
  if (!segments_.Matches(segment_number, response.body)) {
    return Wrong(absl::StrCat("a segment of ", response.body.size(),
                              " bytes that is not the one that was written"));
  }
  return Outcome::kSegment;
}

}  // namespace tcsync::load
