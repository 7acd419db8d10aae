#include "storage/postgres/devices.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/random.h"
#include "storage/device_codec.h"

namespace tcsync::postgres_storage {
namespace {

constexpr size_t kRevisionBytes = 16;

constexpr Sql kReadGates{"read_device_gates", R"(
  SELECT client_id, record FROM tcsync.client_devices WHERE is_gated ORDER BY client_id)"};
constexpr Sql kReadState{"read_device_state", R"(
  SELECT EXISTS (SELECT FROM tcsync.clients WHERE client_id = $1), t.digest, t.since, d.record
  FROM (SELECT) AS one
  LEFT JOIN tcsync.tokens AS t ON t.client_id = $1
  LEFT JOIN tcsync.client_devices AS d ON d.client_id = $1)"};
// Until the end of the transaction. Two clients whose numbers agree wait for each other, no more.
constexpr Sql kLockTokens{"lock_tokens", "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"};
// Division by zero is the guard, as in client_record.cc. An empty parameter stands for no row.
constexpr Sql kGuardState{"guard_device_state", R"(
  SELECT 1 / count(*) FROM (SELECT) AS one
  WHERE EXISTS (SELECT FROM tcsync.clients WHERE client_id = $1) = $2
    AND coalesce((SELECT digest FROM tcsync.tokens WHERE client_id = $1), ''::bytea) = $3
    AND coalesce((SELECT record FROM tcsync.client_devices WHERE client_id = $1), ''::bytea) = $4)"};
constexpr Sql kPutDevices{"put_devices", R"(
  INSERT INTO tcsync.client_devices (client_id, is_gated, record) VALUES ($1, $2, $3)
  ON CONFLICT (client_id) DO UPDATE SET is_gated = excluded.is_gated, record = excluded.record)"};
constexpr Sql kRemoveDevices{"remove_devices",
                             "DELETE FROM tcsync.client_devices WHERE client_id = $1"};
constexpr Sql kRemoveDevicesOfClient{"remove_devices_of_client", R"(
  WITH removed AS (
    DELETE FROM tcsync.client_devices WHERE client_id = $1 RETURNING is_gated)
  INSERT INTO tcsync.settings (name, value)
    SELECT 'access_revision', $2 FROM removed WHERE is_gated
  ON CONFLICT (name) DO UPDATE SET value = excluded.value)"};
constexpr Sql kPutTokenOfState{"put_token_of_state", R"(
  INSERT INTO tcsync.tokens (client_id, digest, since) VALUES ($1, $2, $3)
  ON CONFLICT (client_id) DO UPDATE SET digest = excluded.digest, since = excluded.since)"};
constexpr Sql kRemoveTokenOfState{"remove_token_of_state",
                                  "DELETE FROM tcsync.tokens WHERE client_id = $1"};
constexpr Sql kChangeAccessRevision{"change_access_revision", R"(
  INSERT INTO tcsync.settings (name, value) VALUES ('access_revision', $1)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value)"};

std::string BytesOf(const std::optional<ClientToken>& token) {
  return token ? std::string(token->digest.begin(), token->digest.end()) : std::string();
}

std::string RecordOf(const ClientDevices& devices) {
  return devices.is_empty() ? std::string() : storage::EncodeDevices(devices);
}

struct ReadState {
  DeviceState state;
  std::string record;  // as it was read
};

absl::StatusOr<ReadState> ReadWithRecord(Sessions& sessions, const Uuid& client_id,
                                         Deadline deadline) {
  const absl::StatusOr<Rows> rows = sessions.Run(Statement(kReadState).Add(client_id), deadline);
  if (!rows.ok()) return rows.status();
  ReadState read;
  read.state.client_exists = rows->BooleanAt(0, 0);
  if (!rows->IsNull(0, 1)) {
    ClientToken token{.client_id = client_id, .digest = {}};
    const absl::string_view digest = rows->BytesAt(0, 1);
    std::copy_n(digest.begin(), std::min(digest.size(), token.digest.size()), token.digest.begin());
    token.since_unix_seconds = rows->IntegerAt(0, 2);
    read.state.token = token;
  }
  if (!rows->IsNull(0, 3)) {
    read.record = std::string(rows->BytesAt(0, 3));
    std::optional<ClientDevices> devices = storage::DecodeDevices(read.record);
    if (!devices) return storage::MalformedDevices();
    read.state.devices = *std::move(devices);
  }
  return read;
}

// Whether other servers admit other requests before and after.
bool ChangesAdmission(const Uuid& client_id, const DeviceState& before, const DeviceState& after) {
  if (!before.is_gated() && !after.is_gated()) return false;
  if (before.is_gated() != after.is_gated() || BytesOf(before.token) != BytesOf(after.token)) {
    return true;
  }
  const DeviceGate gate = GateOf(client_id, before.devices);
  const DeviceGate later = GateOf(client_id, after.devices);
  return gate.requires_token != later.requires_token || gate.digests != later.digests;
}

std::vector<Statement> StatementsOf(const Uuid& client_id, const ReadState& before,
                                    const DeviceState& after) {
  std::vector<Statement> statements;
  statements.push_back(Statement(kLockTokens).AddText(client_id.ToString()));
  statements.push_back(Statement(kGuardState)
                           .Add(client_id)
                           .Add(before.state.client_exists)
                           .AddBytes(BytesOf(before.state.token))
                           .AddBytes(before.record));
  if (ChangesAdmission(client_id, before.state, after)) {
    statements.push_back(ChangeAccessRevision());
  }
  if (after.token) {
    statements.push_back(Statement(kPutTokenOfState)
                             .Add(client_id)
                             .AddBytes(BytesOf(after.token))
                             .Add(after.token->since_unix_seconds));
  } else if (before.state.token) {
    statements.push_back(Statement(kRemoveTokenOfState).Add(client_id));
  }
  const std::string record = RecordOf(after.devices);
  if (record.empty()) {
    statements.push_back(Statement(kRemoveDevices).Add(client_id));
  } else {
    statements.push_back(
        Statement(kPutDevices).Add(client_id).Add(after.is_gated()).AddBytes(record));
  }
  return statements;
}

}  // namespace

Statement ChangeAccessRevision() {
  return Statement(kChangeAccessRevision).AddBytes(base::RandomBytes(kRevisionBytes));
}

absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates(Sessions& sessions) {
  const Deadline deadline = sessions.NewDeadline();
  const Statement statement(kReadGates);
  const auto rows = RunUntil(sessions, statement, deadline);
  if (!rows.ok()) return rows.status();
  std::vector<DeviceGate> gates;
  for (int row = 0; row < rows->size(); ++row) {
    const std::optional<ClientDevices> devices = storage::DecodeDevices(rows->BytesAt(row, 1));
    if (!devices) return storage::MalformedDevices();
    gates.push_back(GateOf(rows->UuidAt(row, 0), *devices));
  }
  return gates;
}

absl::StatusOr<DeviceState> ReadDevices(Sessions& sessions, const Uuid& client_id) {
  const Deadline deadline = sessions.NewDeadline();
  return RunUntil(deadline, [&](int) -> absl::StatusOr<DeviceState> {
    absl::StatusOr<ReadState> read = ReadWithRecord(sessions, client_id, deadline);
    if (!read.ok()) return read.status();
    return std::move(read->state);
  });
}

absl::Status ChangeDevices(Sessions& sessions, const Uuid& client_id, DecideDevices decide) {
  const Deadline deadline = sessions.NewDeadline();
  return RunWriteUntil(sessions, deadline, [&](int) -> absl::Status {
    const absl::StatusOr<ReadState> before = ReadWithRecord(sessions, client_id, deadline);
    if (!before.ok()) return before.status();
    DeviceState after = before->state;
    const absl::StatusOr<bool> changed = decide(after);
    if (!changed.ok() || !*changed) return changed.status();
    return sessions.Run(StatementsOf(client_id, *before, after), deadline).status();
  });
}

void RemoveDevices(const Uuid& client_id, std::vector<Statement>& statements) {
  statements.push_back(Statement(kLockTokens).AddText(client_id.ToString()));
  statements.push_back(
      Statement(kRemoveDevicesOfClient).Add(client_id).AddBytes(base::RandomBytes(kRevisionBytes)));
}

}  // namespace tcsync::postgres_storage
