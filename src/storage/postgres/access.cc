#include "storage/postgres/access.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "storage/postgres/devices.h"

namespace tcsync::postgres_storage {
namespace {

constexpr size_t kPseudonymKeyBytes = 32;

constexpr Sql kReadBans{"read_bans",
                        "SELECT client_id, reason, since FROM tcsync.bans ORDER BY client_id"};
constexpr Sql kReadTokens{"read_tokens",
                          "SELECT client_id, digest, since FROM tcsync.tokens ORDER BY client_id"};
constexpr Sql kReadInvites{"read_invites", R"(
  SELECT digest, label, created, expires, uses_max, uses FROM tcsync.invites ORDER BY digest)"};
constexpr Sql kReadInvite{"read_invite", R"(
  SELECT digest, label, created, expires, uses_max, uses FROM tcsync.invites WHERE digest = $1)"};
constexpr Sql kPutBan{"put_ban", R"(
  INSERT INTO tcsync.bans (client_id, reason, since) VALUES ($1, $2, $3)
  ON CONFLICT (client_id) DO UPDATE SET reason = excluded.reason, since = excluded.since)"};
constexpr Sql kPutInvite{"put_invite", R"(
  INSERT INTO tcsync.invites AS i (digest, label, created, expires, uses_max, uses)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (digest) DO UPDATE SET label = excluded.label, created = excluded.created,
    expires = excluded.expires, uses_max = excluded.uses_max,
    uses = greatest(i.uses, excluded.uses))"};
constexpr Sql kRemoveBan{"remove_ban", "DELETE FROM tcsync.bans WHERE client_id = $1"};
constexpr Sql kRemoveInvite{"remove_invite", "DELETE FROM tcsync.invites WHERE digest = $1"};
constexpr Sql kUseInvite{"use_invite", R"(
  WITH used AS (
    UPDATE tcsync.invites SET uses = uses + 1
    WHERE digest = $1 AND (expires = 0 OR $2 < expires) AND (uses_max = 0 OR uses < uses_max)
    RETURNING 1)
  SELECT 1 / count(*) FROM used)"};
// The first server to ask has made it.
constexpr Sql kMakePseudonymKey{"make_pseudonym_key", R"(
  INSERT INTO tcsync.settings (name, value) VALUES ('pseudonym_key', $1)
  ON CONFLICT (name) DO NOTHING)"};
constexpr Sql kReadPseudonymKey{"read_pseudonym_key", R"(
  SELECT value FROM tcsync.settings WHERE name = 'pseudonym_key')"};

std::string BytesOf(const TokenDigest& digest) { return std::string(digest.begin(), digest.end()); }

TokenDigest DigestAt(const Rows& rows, int row, int column) {
  TokenDigest digest{};
  const absl::string_view bytes = rows.BytesAt(row, column);
  std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
  return digest;
}

Invite InviteAt(const Rows& rows, int row) {
  return {.digest = DigestAt(rows, row, 0),
          .label = std::string(rows.BytesAt(row, 1)),
          .created_unix_seconds = rows.IntegerAt(row, 2),
          .expires_unix_seconds = rows.IntegerAt(row, 3),
          .uses_max = rows.CountAt(row, 4),
          .uses = rows.CountAt(row, 5)};
}

// Of a change of a record that is no token.
struct StatementOf {
  Statement operator()(const Ban& ban) const {
    return Statement(kPutBan).Add(ban.client_id).AddBytes(ban.reason).Add(ban.since_unix_seconds);
  }
  Statement operator()(const Invite& invite) const {
    return Statement(kPutInvite)
        .AddBytes(BytesOf(invite.digest))
        .AddBytes(invite.label)
        .Add(invite.created_unix_seconds)
        .Add(invite.expires_unix_seconds)
        .Add(invite.uses_max)
        .Add(invite.uses);
  }
  Statement operator()(const RemoveBan& ban) const {
    return Statement(kRemoveBan).Add(ban.client_id);
  }
  Statement operator()(const RemoveInvite& invite) const {
    return Statement(kRemoveInvite).AddBytes(BytesOf(invite.digest));
  }
};

absl::Status ChangeToken(Sessions& sessions, const ClientToken& token) {
  return ChangeDevices(sessions, token.client_id, [&](DeviceState& state) -> absl::StatusOr<bool> {
    if (!state.token || state.token->digest != token.digest) state.devices.Clear();
    state.token = token;
    return true;
  });
}

absl::Status ChangeToken(Sessions& sessions, const RemoveToken& token) {
  return ChangeDevices(sessions, token.client_id, [](DeviceState& state) -> absl::StatusOr<bool> {
    state.devices.Clear();
    state.token.reset();
    return true;
  });
}

}  // namespace

absl::StatusOr<AccessRecords> ReadAccessRecords(Sessions& sessions) {
  const Deadline deadline = sessions.NewDeadline();
  const std::vector<Statement> statements = {Statement(kReadBans), Statement(kReadTokens),
                                             Statement(kReadInvites)};
  const auto read = RunUntil(sessions, statements, deadline);
  if (!read.ok()) return read.status();
  AccessRecords records;
  const Rows& bans = (*read)[0];
  for (int row = 0; row < bans.size(); ++row) {
    records.bans.push_back({.client_id = bans.UuidAt(row, 0),
                            .reason = std::string(bans.BytesAt(row, 1)),
                            .since_unix_seconds = bans.IntegerAt(row, 2)});
  }
  const Rows& tokens = (*read)[1];
  for (int row = 0; row < tokens.size(); ++row) {
    records.tokens.push_back({.client_id = tokens.UuidAt(row, 0),
                              .digest = DigestAt(tokens, row, 1),
                              .since_unix_seconds = tokens.IntegerAt(row, 2)});
  }
  const Rows& invites = (*read)[2];
  for (int row = 0; row < invites.size(); ++row) {
    records.invites.push_back(InviteAt(invites, row));
  }
  return records;
}

absl::Status ChangeAccess(Sessions& sessions, const AccessChange& change) {
  return std::visit(
      [&](const auto& record) -> absl::Status {
        using Record = std::decay_t<decltype(record)>;
        if constexpr (std::is_same_v<Record, ClientToken> || std::is_same_v<Record, RemoveToken>) {
          return ChangeToken(sessions, record);
        } else {
          const Deadline deadline = sessions.NewDeadline();
          const std::vector<Statement> statements = {ChangeAccessRevision(), StatementOf()(record)};
          return RunWriteUntil(sessions, deadline,
                               [&](int) { return sessions.Run(statements, deadline).status(); });
        }
      },
      change);
}

absl::StatusOr<std::string> PseudonymKey(Sessions& sessions) {
  const Deadline deadline = sessions.NewDeadline();
  const std::vector<Statement> statements = {
      Statement(kMakePseudonymKey).AddBytes(base::RandomBytes(kPseudonymKeyBytes)),
      Statement(kReadPseudonymKey)};
  const auto rows = RunUntil(sessions, statements, deadline);
  if (!rows.ok()) return rows.status();
  if (rows->back().empty()) return absl::DataLossError("the key of pseudonyms was removed");
  return std::string(rows->back().BytesAt(0, 0));
}

absl::StatusOr<bool> IsUsableInvite(Sessions& sessions, const TokenDigest& digest,
                                    int64_t now_unix_seconds, Deadline deadline) {
  const absl::StatusOr<Rows> rows =
      sessions.Run(Statement(kReadInvite).AddBytes(BytesOf(digest)), deadline);
  if (!rows.ok()) return rows.status();
  return !rows->empty() && MayCreateClient(InviteAt(*rows, 0), now_unix_seconds);
}

Statement UseInvite(const TokenDigest& digest, int64_t now_unix_seconds) {
  return Statement(kUseInvite).AddBytes(BytesOf(digest)).Add(now_unix_seconds);
}

}  // namespace tcsync::postgres_storage
