#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/postgres/administration.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/devices.h"
#include "storage/postgres/history_removal.h"
#include "storage/rewind_refusals.h"

namespace tcsync::postgres_storage {
namespace {

int64_t Difference(uint64_t after, uint64_t before) {
  return static_cast<int64_t>(after) - static_cast<int64_t>(before);
}

}  // namespace

absl::StatusOr<bool> PostgresAdministration::DeleteClient(const Uuid& client_id) {
  const Deadline deadline = core_.sessions.NewDeadline();
  bool may_be_deleted = false;  // by an attempt whose answer was lost
  const absl::StatusOr<bool> deleted =
      RunWriteUntil(core_.sessions, deadline, [&](int) -> absl::StatusOr<bool> {
        const auto client = ReadRecord(core_.sessions, client_id, deadline);
        if (!client.ok()) return client.status();
        std::vector<Statement> statements;
        UsageChange change;
        if (client->has_value()) {
          statements.push_back(RemoveClient(client_id, **client));
          RemoveHistory(client_id, statements);
          change = {.clients = -1, .live_bytes = -Difference((*client)->live_bytes(), 0)};
        }
        // A client that does not exist may have uploads that would create it.
        RemoveUploads(client_id, statements);
        RemoveDevices(client_id, statements);
        const auto run = core_.usage.Run(std::move(statements), change, deadline);
        if (absl::IsUnknown(run.status())) may_be_deleted |= client->has_value();
        if (!run.ok()) return run.status();
        return client->has_value() || may_be_deleted;
      });
  core_.notes.Forget(client_id);
  return deleted;
}

absl::StatusOr<uint64_t> PostgresAdministration::RemoveVersions(const Uuid& client_id,
                                                                uint64_t first_number) {
  uint64_t removed_bytes = 0;
  // Of an attempt whose answer was lost.
  uint64_t unknown_first_number = 0;
  uint64_t unknown_bytes = 0;
  for (bool is_done = false; !is_done;) {
    const Deadline deadline = core_.sessions.NewDeadline();
    const absl::Status status = RunWriteUntil(core_.sessions, deadline, [&](int) -> absl::Status {
      const auto read = ReadRecord(core_.sessions, client_id, deadline);
      if (!read.ok()) return read.status();
      if (!read->has_value()) return absl::NotFoundError("there is no such client");
      const ClientRecord& before = **read;
      if (before.first_number == unknown_first_number) removed_bytes += unknown_bytes;
      unknown_first_number = 0;
      is_done = true;
      if (first_number <= before.first_number) return absl::OkStatus();
      if (!before.snapshot || before.snapshot->number + 1 < first_number) {
        return absl::FailedPreconditionError(
            absl::StrCat("the client has no snapshot at version ", first_number - 1,
                         " or later, so a new replica could not start from what would be left"));
      }
      const uint64_t end = std::min({first_number, before.snapshot->number, before.latest_number});
      if (end <= before.first_number) return absl::OkStatus();
      // Their lengths are read first: the guard sees to it that they are the removed ones'.
      const uint64_t last =
          std::min(end - 1, before.first_number + base::kRemovedVersionsPerWrite - 1);
      const auto bytes =
          BytesOfRange(core_.sessions, client_id, before.first_number, last, deadline);
      if (!bytes.ok()) return bytes.status();
      ClientRecord client = before;
      client.first_number = last + 1;
      client.history_bytes -= std::min(client.history_bytes, *bytes);
      const auto run = core_.usage.Run(
          {ReplaceClient(client_id, client),
           RemoveVersionRange(client_id, before.first_number, last)},
          {.live_bytes = Difference(client.live_bytes(), before.live_bytes())}, deadline);
      if (absl::IsUnknown(run.status())) {
        unknown_first_number = client.first_number;
        unknown_bytes = *bytes;
      }
      if (!run.ok()) return run.status();
      removed_bytes += *bytes;
      is_done = last + 1 >= end;
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return removed_bytes;
}

absl::StatusOr<Rewound> PostgresAdministration::Rewind(const RewindRequest& request) {
  // Positions at versions that go are lowered with the others.
  if (const absl::Status flushed = core_.notes.Flush(); !flushed.ok()) return flushed;
  const Deadline deadline = core_.sessions.NewDeadline();
  Rewound rewound;
  const absl::Status status =
      RunWriteUntil(core_.sessions, deadline, [&](int unknown) -> absl::Status {
        const absl::StatusOr<Place> place =
            ReadPlace(core_.sessions, request.client_id, request.version_id, deadline);
        if (!place.ok()) return place.status();
        if (!place->client) return storage::NoClientToRewind();
        const ClientRecord& before = *place->client;
        const std::optional<Uuid> snapshot_version_id =
            before.snapshot ? std::optional(before.snapshot->version_id) : std::nullopt;
        // An earlier attempt did it, and `rewound` is its result.
        if (unknown > 0 && before.latest_version_id == request.version_id &&
            request.latest_version_id != request.version_id) {
          return absl::OkStatus();
        }
        if (before.latest_version_id != request.latest_version_id ||
            snapshot_version_id != request.snapshot_version_id) {
          return storage::ClientChangedBeforeRewind(request);
        }
        const std::optional<uint64_t> number = place->NumberOf(request.version_id);
        if (!number) return storage::NoVersionToRewindTo(request);
        const auto bytes = BytesOfRange(core_.sessions, request.client_id, *number + 1,
                                        before.latest_number, deadline);
        if (!bytes.ok()) return bytes.status();
        const auto appended = AppendedAt(core_.sessions, request.client_id, *number, deadline);
        if (!appended.ok()) return appended.status();
        ClientRecord client = before;
        client.latest_number = *number;
        client.latest_version_id = request.version_id;
        client.latest_appended_unix_seconds = *appended;
        client.history_bytes -= std::min(client.history_bytes, *bytes);
        client.accepts_diverged = false;
        rewound = {.versions_removed = before.latest_number - *number, .bytes_removed = *bytes};
        std::vector<Statement> removals = {
            RemoveVersionRange(request.client_id, *number + 1, before.latest_number),
            LowerPositions(request.client_id, *number)};
        if (before.snapshot && (request.remove_snapshot || before.snapshot->number > *number)) {
          rewound.snapshot_removed = true;
          rewound.bytes_removed += before.snapshot_bytes();
          client.snapshot.reset();
          ReplaceSnapshotBytes(request.client_id, before, std::nullopt, removals);
        }
        std::vector<Statement> statements = {ReplaceClient(request.client_id, client)};
        statements.insert(statements.end(), removals.begin(), removals.end());
        return core_.usage
            .Run(std::move(statements),
                 {.live_bytes = Difference(client.live_bytes(), before.live_bytes())}, deadline)
            .status();
      });
  if (!status.ok()) return status;
  return rewound;
}

absl::StatusOr<bool> PostgresAdministration::AcceptDiverged(const Uuid& client_id, bool accept) {
  const Deadline deadline = core_.sessions.NewDeadline();
  return RunUntil(deadline, [&](int) -> absl::StatusOr<bool> {
    const auto read = ReadRecord(core_.sessions, client_id, deadline);
    if (!read.ok()) return read.status();
    if (!read->has_value()) return false;
    ClientRecord client = **read;
    client.accepts_diverged = accept;
    const auto run = core_.usage.Run({ReplaceClient(client_id, client)}, {}, deadline);
    if (!run.ok()) return run.status();
    return true;
  });
}

}  // namespace tcsync::postgres_storage
