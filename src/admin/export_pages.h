// The pages of an export, in the lines of export_lines.h: of a client, and of the records of
// admission. Both functions block.
#ifndef TCSYNC_SRC_ADMIN_EXPORT_PAGES_H_
#define TCSYNC_SRC_ADMIN_EXPORT_PAGES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"

namespace tcsync::admin {

// A page, and the position of the next one if there is one.
struct ExportedPage {
  std::string lines;
  std::optional<std::string> next_page = std::nullopt;
};

// The client's first page, or the one at `position_text`, the `next_page` of the page before. A
// client that is in use is read anew for each page, so that its snapshot is of a version in this
// page or an earlier one.
absl::StatusOr<ExportedPage> ReadExportPage(Storage& storage, const ClientSummary& client,
                                            const std::optional<std::string>& position_text);

// All records of admission, in one page; with `client_id` that client's ban and token.
absl::StatusOr<ExportedPage> ReadAccessPage(AccessRecordStorage& storage,
                                            const std::optional<Uuid>& client_id);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_EXPORT_PAGES_H_
