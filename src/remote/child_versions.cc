#include "remote/child_versions.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/version_frames.h"
#include "remote/answer_fault.h"
#include "remote/answer_parts.h"

namespace tcsync::remote {
namespace {

using base::VersionFrameReader;
using Found = ChildVersions::Found;

constexpr char kSegmentOf[] = "the history segment of the version";

// The fault of an answer that belongs to another request.
std::optional<RemoteError> CheckParent(const ChildRequest& request, const Answer& answer) {
  RemoteResult<Uuid> parent = UuidHeader(answer, "X-Parent-Version-Id", request.description);
  if (auto* const error = std::get_if<RemoteError>(&parent)) return std::move(*error);
  if (std::get<Uuid>(parent) == request.parent_version_id) return std::nullopt;
  return BrokenAnswer(request.description, absl::StrCat("is the child of another version, ",
                                                        std::get<Uuid>(parent).ToString()));
}

RemoteResult<std::vector<Found>> ReadFrames(const ChildRequest& request, const Answer& answer) {
  if (auto error = CheckParent(request, answer)) return *std::move(error);
  if (auto error = CheckBody(answer, base::kVersionFramesMediaType, request.description)) {
    return *std::move(error);
  }
  if (answer.body.size() > static_cast<uint64_t>(base::kVersionsAnswerBytesMax)) {
    return BrokenAnswer(request.description,
                        absl::StrCat("has ", answer.body.size(), " bytes of versions, over ",
                                     base::kVersionsAnswerBytesMax));
  }
  std::vector<Found> found;
  VersionFrameReader reader(request.parent_version_id, answer.body);
  VersionFrameReader::Result result = reader.Next();
  for (; result == VersionFrameReader::Result::kFrame; result = reader.Next()) {
    RemoteResult<SecretString> segment =
        Unsealed(request.key, request.cancellation, reader.parent_version_id(), reader.version_id(),
                 reader.segment(), kSegmentOf);
    if (auto* const error = std::get_if<RemoteError>(&segment)) {
      // The versions before it are good, and the request for the next one reports it again.
      if (error->fault == RemoteFault::kCancelled || found.empty()) return std::move(*error);
      return found;
    }
    found.push_back({reader.version_id(), std::get<SecretString>(std::move(segment))});
  }
  if (result == VersionFrameReader::Result::kMalformed) {
    return BrokenAnswer(request.description, reader.problem());
  }
  if (answer.broken_off && found.empty()) return *answer.broken_off;
  if (result == VersionFrameReader::Result::kCut && !answer.broken_off) {
    return BrokenAnswer(request.description, "ends within a version");
  }
  if (found.empty()) return BrokenAnswer(request.description, "has no version");
  return found;
}

}  // namespace

RemoteResult<Found> ReadChildVersion(const ChildRequest& request, const Answer& answer) {
  RemoteResult<Uuid> version_id = UuidHeader(answer, "X-Version-Id", request.description);
  if (auto* const error = std::get_if<RemoteError>(&version_id)) return std::move(*error);
  if (auto error = CheckParent(request, answer)) return *std::move(error);
  if (auto error = CheckBody(answer, kSegmentType, request.description)) return *std::move(error);
  const Uuid& id = std::get<Uuid>(version_id);
  RemoteResult<SecretString> segment = Unsealed(
      request.key, request.cancellation, request.parent_version_id, id, answer.body, kSegmentOf);
  if (auto* const error = std::get_if<RemoteError>(&segment)) return std::move(*error);
  return Found{id, std::get<SecretString>(std::move(segment))};
}

RemoteResult<std::vector<Found>> ReadChildVersions(const ChildRequest& request,
                                                   const Answer& answer) {
  if (HasMediaType(answer, base::kVersionFramesMediaType)) return ReadFrames(request, answer);
  if (answer.broken_off) return *answer.broken_off;
  RemoteResult<Found> one = ReadChildVersion(request, answer);
  if (auto* const error = std::get_if<RemoteError>(&one)) return std::move(*error);
  std::vector<Found> found;
  found.push_back(std::get<Found>(std::move(one)));
  return found;
}

}  // namespace tcsync::remote
