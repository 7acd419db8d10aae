#include "base/version_frames.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync::base {
namespace {

constexpr int kLengthBits = 32;

}  // namespace

void AppendVersionFrame(const Uuid& version_id, absl::string_view segment, std::string& body) {
  absl::StrAppend(&body, version_id.AsStringView());
  for (int shift = kLengthBits - 8; shift >= 0; shift -= 8) {
    body.push_back(static_cast<char>(segment.size() >> shift));
  }
  absl::StrAppend(&body, segment);
}

VersionFrameReader::VersionFrameReader(const Uuid& parent_version_id, absl::string_view body)
    : rest_(body), version_id_(parent_version_id), seen_({parent_version_id}) {}

VersionFrameReader::Result VersionFrameReader::Next() {
  if (rest_.empty()) return Result::kEnd;
  if (rest_.size() < kVersionFrameHeadBytes) return Result::kCut;
  parent_version_id_ = std::exchange(version_id_, Uuid::FromBytes(rest_.data()));
  uint64_t bytes = 0;
  for (size_t i = Uuid::kBytes; i < kVersionFrameHeadBytes; ++i) {
    bytes = bytes << 8 | static_cast<uint8_t>(rest_[i]);
  }
  rest_.remove_prefix(kVersionFrameHeadBytes);
  if (version_id_.IsNil()) return Malformed("has a version with the nil ID");
  if (!seen_.insert(version_id_).second) {
    return Malformed(absl::StrCat("has the version ", version_id_.ToString(), " twice"));
  }
  if (bytes == 0 || bytes > static_cast<uint64_t>(kBodyBytesCeiling)) {
    return Malformed(absl::StrCat("has a history segment of ", bytes, " bytes"));
  }
  if (rest_.size() < bytes) return Result::kCut;
  segment_ = rest_.substr(0, static_cast<size_t>(bytes));
  rest_.remove_prefix(static_cast<size_t>(bytes));
  return Result::kFrame;
}

VersionFrameReader::Result VersionFrameReader::Malformed(std::string problem) {
  problem_ = std::move(problem);
  return Result::kMalformed;
}

}  // namespace tcsync::base
