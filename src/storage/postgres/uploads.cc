#include "storage/postgres/uploads.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/client_limits.h"
#include "storage/postgres/access.h"

namespace tcsync::postgres_storage {
namespace {

// In one statement with the count, which another server's may then exceed by one.
constexpr Sql kRegister{"register_upload", R"(
  INSERT INTO tcsync.uploads (client_id, upload_id, last_piece, bytes)
  SELECT $1, $2, now(), 0
  WHERE (SELECT count(*) FROM tcsync.uploads WHERE client_id = $1) < $3)"};
constexpr Sql kAddPiece{"add_piece", R"(
  WITH upload AS (
    UPDATE tcsync.uploads SET last_piece = now(), bytes = bytes + length($4::bytea)
    WHERE client_id = $1 AND upload_id = $2 RETURNING 1)
  INSERT INTO tcsync.pieces (client_id, upload_id, piece, bytes)
  SELECT $1, $2, $3, $4 FROM upload)"};
// Only while it is in the register: the pieces of one that was stored, by an attempt whose answer
// was lost, belong to a version or a snapshot.
constexpr Sql kDiscard{"discard_upload", R"(
  WITH discarded AS (
    DELETE FROM tcsync.uploads WHERE client_id = $1 AND upload_id = $2
    RETURNING client_id, upload_id)
  DELETE FROM tcsync.pieces AS p USING discarded AS d
  WHERE p.client_id = d.client_id AND p.upload_id = d.upload_id)"};
constexpr Sql kReadPiece{"read_piece", R"(
  SELECT bytes FROM tcsync.pieces WHERE client_id = $1 AND upload_id = $2 AND piece = $3)"};
// The versions of one client have no index by upload; this is read after damage or a race only.
constexpr Sql kIsStored{"is_stored", R"(
  SELECT EXISTS (SELECT 1 FROM tcsync.clients WHERE client_id = $1 AND snapshot_upload_id = $2)
      OR EXISTS (SELECT 1 FROM tcsync.versions WHERE client_id = $1 AND upload_id = $2))"};
constexpr Sql kRemoveAbandoned{"remove_abandoned", R"(
  WITH abandoned AS (
    DELETE FROM tcsync.uploads WHERE last_piece < now() - $1 * interval '1 second'
    RETURNING client_id, upload_id)
  DELETE FROM tcsync.pieces AS p USING abandoned AS a
  WHERE p.client_id = a.client_id AND p.upload_id = a.upload_id)"};

// The bytes that the upload may have, or the reason that it may not begin.
using Allowed = std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted>;

absl::StatusOr<Allowed> AllowedBytes(const Core& core, const UploadRequest& request,
                                     Deadline deadline) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  uint64_t kept_bytes = 0;
  uint64_t versions = 0;
  if (const auto* append = std::get_if<UploadRequest::ForAppend>(&request.purpose)) {
    const absl::StatusOr<Place> place =
        ReadPlace(core.sessions, request.client_id, append->expected_parent, deadline);
    if (!place.ok()) return place.status();
    if (const std::optional<ClientRecord>& client = place->client) {
      const bool is_latest = client->latest_version_id == append->expected_parent;
      if (!is_latest && !place->AcceptsDivergedAt(append->expected_parent)) {
        return Conflict{client->latest_version_id};
      }
      if (is_latest) {
        kept_bytes = client->history_bytes + client->snapshot_bytes();
        versions = client->version_count();
      }
    } else if (!append->create_client) {
      return NoSuchClient{};
    } else if (append->invite) {
      const absl::StatusOr<bool> is_usable =
          IsUsableInvite(core.sessions, *append->invite, request.now_unix_seconds, deadline);
      if (!is_usable.ok()) return is_usable.status();
      if (!*is_usable) return NoSuchClient{};
    }
    ++versions;
  } else if (const auto* snapshot = std::get_if<UploadRequest::ForSnapshot>(&request.purpose)) {
    const absl::StatusOr<Place> place =
        ReadPlace(core.sessions, request.client_id, snapshot->version_id, deadline);
    if (!place.ok()) return place.status();
    if (!place->client) return NoSuchClient{};
    if (!place->NumberOfWanted(snapshot->version_id, snapshot->recent_versions_max)) {
      return NotWanted{};
    }
    kept_bytes = place->client->history_bytes;
  } else {
    return kAny;
  }
  const ClientLimits& limits = request.limits;
  const uint64_t bytes = kept_bytes + std::max<uint64_t>(request.announced_bytes, 1);
  if (storage::IsOver(bytes, limits.bytes_max) || storage::IsOver(versions, limits.versions_max)) {
    return OverLimit{.bytes = bytes, .versions = versions};
  }
  return limits.bytes_max > 0 ? limits.bytes_max - kept_bytes : kAny;
}

// The bytes of an unfinished upload are not among those of clients.
constexpr UsageChange OfUpload(int64_t bytes) { return {.upload_bytes = bytes}; }

// A segment or a snapshot that is stored has all of its pieces, from the transaction that stored it
// to the one that removes it.
absl::Status WhyIsPieceMissing(Sessions& sessions, const Uuid& client_id, const Uuid& upload_id,
                               Deadline deadline) {
  const absl::StatusOr<Rows> rows =
      RunUntil(sessions, Statement(kIsStored).Add(client_id).Add(upload_id), deadline);
  if (!rows.ok()) return rows.status();
  if (rows->BooleanAt(0, 0)) return absl::DataLossError("a piece of it is missing");
  return absl::AbortedError("it was removed or replaced while it was being read");
}

class StoredPieceSource final : public PieceSource {
 public:
  StoredPieceSource(const Core& core, const Uuid& client_id, uint64_t bytes,
                    const StoredPieces& pieces)
      : core_(core), client_id_(client_id), bytes_(bytes), pieces_(pieces) {}

  uint64_t bytes() const override { return bytes_; }
  uint32_t pieces() const override { return pieces_.count; }
  void SkipTo(uint32_t piece) override { next_piece_ = piece; }

  void Read(PieceCallback done) override {
    const Statement statement = Statement(kReadPiece)
                                    .Add(client_id_)
                                    .Add(pieces_.upload_id)
                                    .Add(static_cast<uint64_t>(next_piece_++));
    core_.pool.Continue([&sessions = core_.sessions, statement, client_id = client_id_,
                         upload_id = pieces_.upload_id, deadline = core_.sessions.NewDeadline(),
                         done = std::move(done)](const absl::Status& admission) mutable {
      if (!admission.ok()) return done(admission);
      const absl::StatusOr<Rows> rows = RunUntil(sessions, statement, deadline);
      if (!rows.ok()) return done(rows.status());
      if (rows->empty()) return done(WhyIsPieceMissing(sessions, client_id, upload_id, deadline));
      done(std::string(rows->BytesAt(0, 0)));
    });
  }

 private:
  const Core core_;
  const Uuid client_id_;
  const uint64_t bytes_;
  const StoredPieces pieces_;
  uint32_t next_piece_ = 0;
};

}  // namespace

struct PostgresUpload::State {
  const Uuid client_id;
  const Uuid upload_id;
  const uint64_t bytes_max;
  uint64_t bytes = 0;
  uint32_t pieces = 0;
  bool is_stored = false;
  bool is_removed = false;
};

PostgresUpload::PostgresUpload(const Core& core, const Uuid& client_id, const Uuid& upload_id,
                               uint64_t bytes_max)
    : core_(core), state_(std::make_shared<State>(State{client_id, upload_id, bytes_max})) {}

PostgresUpload::~PostgresUpload() {
  if (state_->is_stored || state_->is_removed) return;
  core_.pool.Continue([core = core_, state = state_,
                       deadline = core_.sessions.NewDeadline()](const absl::Status& admission) {
    if (!admission.ok()) return;  // as after a crash: RemoveAbandonedUploads
    const Statement statement = Statement(kDiscard).Add(state->client_id).Add(state->upload_id);
    const UsageChange change = OfUpload(-static_cast<int64_t>(state->bytes));
    static_cast<void>(
        RunUntil(deadline, [&](int) { return core.usage.Run({statement}, change, deadline); }));
  });
}

uint64_t PostgresUpload::bytes() const { return state_->bytes; }
const Uuid& PostgresUpload::client_id() const { return state_->client_id; }
StoredPieces PostgresUpload::pieces() const {
  return {.upload_id = state_->upload_id, .count = state_->pieces};
}
void PostgresUpload::SetStored() { state_->is_stored = true; }

void PostgresUpload::Add(std::string piece, AddedCallback done) {
  if (piece.size() > state_->bytes_max - state_->bytes) {
    return done(absl::OutOfRangeError("the client has as much as its limits allow"));
  }
  core_.pool.Continue([core = core_, state = state_, piece = std::move(piece),
                       deadline = core_.sessions.NewDeadline(),
                       done = std::move(done)](const absl::Status& admission) mutable {
    if (!admission.ok()) return done(admission);
    const auto bytes = static_cast<int64_t>(piece.size());
    const Statement statement = Statement(kAddPiece)
                                    .Add(state->client_id)
                                    .Add(state->upload_id)
                                    .Add(static_cast<uint64_t>(state->pieces))
                                    .AddBytes(std::move(piece));
    bool is_there = true;
    const absl::Status added = RunUntil(deadline, [&](int unknown) -> absl::Status {
      const auto rows = core.usage.Run({statement}, OfUpload(bytes), deadline);
      // An earlier attempt had added it.
      if (unknown > 0 && rows.status().code() == absl::StatusCode::kAlreadyExists) {
        return absl::OkStatus();
      }
      if (rows.ok()) is_there = rows->front().affected() > 0;
      return rows.status();
    });
    if (!added.ok()) return done(added);
    if (!is_there) {
      state->is_removed = true;
      core.usage.Begin();
      core.usage.End(-bytes - static_cast<int64_t>(state->bytes));
      return done(absl::AbortedError("the client was deleted during the upload"));
    }
    state->bytes += static_cast<uint64_t>(bytes);
    ++state->pieces;
    done(absl::OkStatus());
  });
}

absl::StatusOr<UploadOutcome> BeginUpload(const Core& core, const UploadRequest& request,
                                          Deadline deadline) {
  const absl::StatusOr<Allowed> allowed =
      RunUntil(deadline, [&](int) { return AllowedBytes(core, request, deadline); });
  if (!allowed.ok()) return allowed.status();
  if (const auto* conflict = std::get_if<Conflict>(&*allowed)) return *conflict;
  if (const auto* over = std::get_if<OverLimit>(&*allowed)) return *over;
  if (std::holds_alternative<NoSuchClient>(*allowed)) return NoSuchClient{};
  if (std::holds_alternative<NotWanted>(*allowed)) return NotWanted{};
  const Uuid upload_id = Uuid::Random();
  const Statement statement = Statement(kRegister)
                                  .Add(request.client_id)
                                  .Add(upload_id)
                                  .Add(uint64_t{base::kUploadsPerClientMax});
  const absl::StatusOr<bool> registered =
      RunUntil(deadline, [&](int unknown) -> absl::StatusOr<bool> {
        const absl::StatusOr<Rows> rows = core.sessions.Run(statement, deadline);
        if (unknown > 0 && rows.status().code() == absl::StatusCode::kAlreadyExists) return true;
        if (!rows.ok()) return rows.status();
        return rows->affected() > 0;
      });
  if (!registered.ok()) return registered.status();
  if (!*registered) {
    return absl::UnavailableError(absl::StrCat("the client has ", base::kUploadsPerClientMax,
                                               " large uploads in progress already"));
  }
  return std::make_unique<PostgresUpload>(core, request.client_id, upload_id,
                                          std::get<uint64_t>(*allowed));
}

absl::Status RemoveAbandonedUploads(const Core& core) {
  const Statement statement = Statement(kRemoveAbandoned).Add(base::kAbandonedUploadSeconds);
  return RunUntil(core.sessions, statement, core.sessions.NewDeadline()).status();
}

std::shared_ptr<PieceSource> OpenStoredPieces(const Core& core, const Uuid& client_id,
                                              uint64_t bytes, const StoredPieces& pieces) {
  return std::make_shared<StoredPieceSource>(core, client_id, bytes, pieces);
}

}  // namespace tcsync::postgres_storage
