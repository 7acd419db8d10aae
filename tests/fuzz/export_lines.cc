// Export files that were edited, cut or made up: they are refused with their line, or keep their
// meaning through another export.
#include "admin/export_lines.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

const Uuid kFirstClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kSecondClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");

// The pieces of a part, as if they were stored.
class PartSource final : public PieceSource {
 public:
  explicit PartSource(const admin::LargePart& part) : part_(part), next_piece_(part.first_piece) {}

  uint64_t bytes() const override { return part_.bytes; }
  uint32_t pieces() const override {
    return part_.first_piece + static_cast<uint32_t>(part_.pieces.size());
  }
  void Read(PieceCallback done) override { done(part_.pieces[next_piece_++ - part_.first_piece]); }
  void SkipTo(uint32_t piece) override { next_piece_ = piece; }

 private:
  const admin::LargePart& part_;
  uint32_t next_piece_;
};

// Writes the parts of a page, of which each becomes a part again when it is read.
class Writer {
 public:
  std::string Write(const admin::ExportPage& page) {
    auto part = page.large.begin();
    for (size_t i = 0; i <= page.requests.size(); ++i) {
      for (; part != page.large.end() && part->before == i; ++part) Add(*part);
      if (i < page.requests.size()) Add(page.requests[i]);
    }
    for (const auto& [client_id, devices] : page.devices) {
      AddClient(client_id, /*created_unix_seconds=*/0);
      text_ += admin::DevicesLine(devices);
    }
    for (const Ban& ban : page.access.bans) text_ += admin::BanLine(ban);
    for (const ClientToken& token : page.access.tokens) text_ += admin::TokenLine(token);
    for (const Invite& invite : page.access.invites) text_ += admin::InviteLine(invite);
    return std::move(text_);
  }

 private:
  void AddClient(const Uuid& client_id, int64_t created_unix_seconds) {
    ClientSummary client;
    client.client_id = client_id;
    client.created_unix_seconds = created_unix_seconds;
    text_ += admin::ClientLine(client);
  }

  void Begin(const ImportRequest& request) {
    // Another client's line keeps two parts of one client apart.
    if (last_client_id_ == request.client_id) {
      AddClient(request.client_id == kFirstClient ? kSecondClient : kFirstClient, 0);
    }
    last_client_id_ = request.client_id;
    AddClient(request.client_id, request.created_unix_seconds);
  }

  void Add(const ImportRequest& request) {
    Begin(request);
    for (const StoredVersion& version : request.versions) text_ += admin::VersionLine(version);
    if (request.snapshot) {
      text_ +=
          admin::SnapshotLine(request.snapshot->snapshot, request.snapshot->stored_unix_seconds);
    }
    if (request.replicas) text_ += admin::ReplicasLine(*request.replicas);
  }

  void Add(const admin::LargePart& part) {
    Begin(part.request);
    const auto source = std::make_shared<PartSource>(part);
    if (const auto* const version = std::get_if<StoredVersion>(&part.owner)) {
      StoredVersion stored = *version;
      stored.version.pieces = source;
      text_ += admin::VersionLine(stored);
    } else if (const auto* const snapshot =
                   std::get_if<ImportRequest::ImportedSnapshot>(&part.owner)) {
      Snapshot stored = snapshot->snapshot;
      stored.pieces = source;
      text_ += admin::SnapshotLine(stored, snapshot->stored_unix_seconds);
    }
    uint32_t next_piece = part.first_piece;
    const absl::StatusOr<std::string> pieces =
        admin::ReadPieceLines(*source, next_piece, std::numeric_limits<uint64_t>::max());
    Expect(pieces.ok(), "pieces are written");
    text_ += *pieces;
  }

  std::string text_;
  std::optional<Uuid> last_client_id_;
};

}  // namespace
}  // namespace tcsync::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  constexpr int64_t kNow = 1'700'000'000;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto page = admin::ParseExportLines(text, kNow);
  if (!page.ok()) {
    fuzz::Expect(absl::StrContains(page.status().message(), "Line "), "a refusal names its line");
    return 0;
  }
  const std::string written = fuzz::Writer().Write(*page);
  const auto reparsed = admin::ParseExportLines(written, kNow + 1);
  fuzz::Expect(reparsed.ok(), "an export can be imported");
  fuzz::Expect(fuzz::Writer().Write(*reparsed) == written, "an export is the same after an import");
  return 0;
}
