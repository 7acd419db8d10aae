// Large segments and snapshots in exports and imports: they take several lines, and often several
// pages, so that a page can be smaller than they are.
#ifndef TCSYNC_SRC_ADMIN_LARGE_TRANSFERS_H_
#define TCSYNC_SRC_ADMIN_LARGE_TRANSFERS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// A part of one large segment or snapshot in a page of an import.
struct LargePart {
  size_t before = 0;      // it comes before the page's request of that index
  ImportRequest request;  // of the client, with nothing in it
  // The owner of the bytes, if its line is in this page: without the bytes.
  std::variant<std::monostate, StoredVersion, ImportRequest::ImportedSnapshot> owner;
  uint64_t bytes = 0;        // of the whole, if its line is in this page
  uint32_t first_piece = 0;  // the number of the first of these
  std::vector<std::string> pieces;
};

// The position where a page of an export begins. As text: the number of the version before, and
// within a large segment or snapshot also its kind, the number of the piece, and the version ID:
// "17" or "17.version.5.UUID" or "17.snapshot.5.UUID".
struct ExportPosition {
  struct Piece {
    bool of_snapshot = false;  // and otherwise of the version behind `after`
    uint32_t number = 0;
    Uuid version_id;  // must still be that of the snapshot or version
  };
  uint64_t after = 0;
  std::optional<Piece> piece = std::nullopt;
};
std::string ToText(const ExportPosition& position);
std::optional<ExportPosition> ParseExportPosition(absl::string_view text);

// Reads the next pieces, up to about `bytes_max` bytes but at least one, and returns their lines;
// `next_piece` is the number of the first one, and then of the next one. Blocks.
absl::StatusOr<std::string> ReadPieceLines(PieceSource& source, uint32_t& next_piece,
                                           uint64_t bytes_max);

// All bytes of one that fits into a page. Blocks.
absl::StatusOr<std::string> ReadWhole(PieceSource& source);

// Large segments and snapshots with missing pages. One thread. Borrows the storage.
class LargeImports {
 public:
  explicit LargeImports(Storage& storage) : storage_(storage) {}

  // Takes the part; returns the request that stores the whole once it is complete. Blocks.
  absl::StatusOr<std::optional<ImportRequest>> Take(LargePart part);

 private:
  struct Incoming {
    ImportRequest request;
    std::variant<std::monostate, StoredVersion, ImportRequest::ImportedSnapshot> owner;
    uint64_t bytes = 0;
    uint32_t next_piece = 0;
    std::shared_ptr<Upload> upload;
  };

  absl::Status Begin(LargePart& part);

  Storage& storage_;
  std::deque<Incoming> incoming_;  // of one client each, the latest begun at the end
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_LARGE_TRANSFERS_H_
