// Export files that somebody edited, cut or made up: they are refused with their line, or mean what
// they mean again after they were written by an export.
#include "admin/transfer_lines.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

std::string Write(const std::vector<ImportRequest>& requests) {
  std::string page;
  for (const ImportRequest& request : requests) {
    ClientSummary client;
    client.client_id = request.client_id;
    client.created_unix_seconds = request.created_unix_seconds;
    page += admin::ClientLine(client);
    for (const StoredVersion& version : request.versions) page += admin::VersionLine(version);
    if (request.snapshot) {
      page +=
          admin::SnapshotLine(request.snapshot->snapshot, request.snapshot->stored_unix_seconds);
    }
  }
  return page;
}

}  // namespace
}  // namespace tcsync::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  constexpr int64_t kNow = 1'700'000'000;
  const absl::string_view page(reinterpret_cast<const char*>(data), size);
  const auto requests = admin::ParseTransferLines(page, kNow);
  if (!requests.ok()) {
    fuzz::Expect(absl::StrContains(requests.status().message(), "Line "),
                 "a refusal names its line");
    return 0;
  }
  const std::string written = fuzz::Write(*requests);
  const auto again = admin::ParseTransferLines(written, kNow + 1);
  fuzz::Expect(again.ok(), "an export can be imported");
  fuzz::Expect(fuzz::Write(*again) == written, "an export is the same after an import");
  return 0;
}
