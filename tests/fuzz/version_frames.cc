// The body of an answer with many versions, from a server that is not trusted: its frames are
// within it, in their order, and no version comes twice.
#include "base/version_frames.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

using base::VersionFrameReader;
using Result = VersionFrameReader::Result;

struct Read {
  std::vector<std::pair<Uuid, std::string>> versions;
  Result end = Result::kFrame;
};

Read ReadAll(const Uuid& parent, absl::string_view body) {
  Read read;
  VersionFrameReader reader(parent, body);
  Uuid expected_parent = parent;
  while ((read.end = reader.Next()) == Result::kFrame) {
    Expect(reader.parent_version_id() == expected_parent, "each version follows the one before");
    expected_parent = reader.version_id();
    read.versions.emplace_back(reader.version_id(), reader.segment());
  }
  Expect((read.end == Result::kMalformed) == !reader.problem().empty(), "every fault has a text");
  return read;
}

}  // namespace
}  // namespace tcsync::fuzz

// The parent's version ID, a byte that tells where the body is cut as well, and the body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  fuzz::Input input(data, size);
  const std::string id_bytes(input.Take(Uuid::kBytes));
  if (id_bytes.size() < Uuid::kBytes) return 0;
  const Uuid parent = Uuid::FromBytes(id_bytes.data());
  const uint8_t cut = input.TakeByte();
  const absl::string_view body = input.rest();

  const fuzz::Read whole = fuzz::ReadAll(parent, body);
  std::set<Uuid> seen = {parent};
  std::string again;
  for (const auto& [version_id, segment] : whole.versions) {
    fuzz::Expect(!version_id.IsNil() && seen.insert(version_id).second, "a chain never returns");
    fuzz::Expect(!segment.empty() && segment.size() <= uint64_t{base::kBodyBytesCeiling},
                 "a segment has a length that one can have");
    base::AppendVersionFrame(version_id, segment, again);
  }
  fuzz::Expect(body.substr(0, again.size()) == again, "frames are the bytes of the body");
  fuzz::Expect((whole.end == fuzz::Result::kEnd) == (again.size() == body.size()),
               "the end is behind the last frame");

  const fuzz::Read beginning = fuzz::ReadAll(parent, body.substr(0, body.size() * cut / 256));
  fuzz::Expect(
      beginning.versions.size() <= whole.versions.size() &&
          std::equal(beginning.versions.begin(), beginning.versions.end(), whole.versions.begin()),
      "a cut leaves the whole versions before it");
  return 0;
}
