// Admission: bans, clients' tokens and invites.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/token.h"
#include "admin/api.h"
#include "admin/export_lines.h"
#include "admin/json.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

// The name of an invite for people: the beginning of its digest, which does not reveal its token.
constexpr size_t kInviteIdLength = 12;
// The shortest beginning of it that names an invite.
constexpr size_t kInvitePrefixLengthMin = 6;

constexpr int64_t kDaySeconds = 86'400;
constexpr uint64_t kInviteDaysMax = 36'500;

std::string PathOf(const std::string& token) { return absl::StrCat("/i/", token); }

Json Describe(const Invite& invite, int64_t now_unix_seconds) {
  const bool is_expired =
      invite.expires_unix_seconds != 0 && invite.expires_unix_seconds <= now_unix_seconds;
  const bool is_used_up = invite.uses_max != 0 && invite.uses >= invite.uses_max;
  return {
      {"invite", HexOf(invite.digest).substr(0, kInviteIdLength)},
      {"label", invite.label},
      {"created", invite.created_unix_seconds},
      {"expires", invite.expires_unix_seconds == 0 ? Json() : Json(invite.expires_unix_seconds)},
      {"uses", invite.uses},
      {"uses_max", invite.uses_max == 0 ? Json() : Json(invite.uses_max)},
      {"state", is_expired   ? "expired"
                : is_used_up ? "used up"
                             : "open"}};
}

}  // namespace

absl::Status Api::ChangeAccess(const AccessChange& change) {
  if (const absl::Status status = administration().ChangeAccess(change); !status.ok())
    return status;
  return RefreshAccess();
}

absl::Status Api::RefreshAccess() {
  if (dependencies_.refresh_access == nullptr) return absl::OkStatus();
  const absl::Status status = dependencies_.refresh_access();
  if (status.ok()) return status;
  return absl::Status(
      status.code(), absl::StrCat("The change is stored, but the running server could not read it, "
                                  "and uses the old state: ",
                                  status.message()));
}

absl::StatusOr<Json> Api::ListBans(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  Json bans = Json::array();
  for (const tcsync::Ban& ban : records->bans) {
    bans.push_back({{"client_id", ban.client_id.ToString()},
                    {"pseudonym", PseudonymOf(ban.client_id)},
                    {"reason", ban.reason},
                    {"since", ban.since_unix_seconds}});
  }
  return Json{{"bans", std::move(bans)}};
}

absl::StatusOr<Json> Api::Ban(Call& call) {
  tcsync::Ban ban{
      .client_id = {}, .reason = call.fields.Words("reason"), .since_unix_seconds = NowSeconds()};
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  ban.client_id = call.client_id;
  // Also an unknown client: it may be about to come.
  const absl::StatusOr<std::optional<ClientSummary>> client =
      administration().FindClient(call.client_id);
  if (!client.ok()) return client.status();
  if (const absl::Status status = ChangeAccess(ban); !status.ok()) {
    return status;
  }
  LogAbout(call.client_id, "the client was banned");
  return Json{{"client_id", call.client_id.ToString()},
              {"is_client", client->has_value()},
              {"ban", {{"reason", ban.reason}, {"since", ban.since_unix_seconds}}}};
}

absl::StatusOr<Json> Api::Unban(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const bool was_banned =
      std::any_of(records->bans.begin(), records->bans.end(),
                  [&](const tcsync::Ban& ban) { return ban.client_id == call.client_id; });
  const absl::Status status = ChangeAccess(RemoveBan{.client_id = call.client_id});
  if (!status.ok()) return status;
  if (was_banned) LogAbout(call.client_id, "the client is no longer banned");
  return Json{{"client_id", call.client_id.ToString()}, {"was_banned", was_banned}};
}

absl::StatusOr<Json> Api::ResetToken(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<ClientSummary> client = FindClient(administration(), call.client_id);
  if (!client.ok()) return client.status();
  const std::string token = access::MakeToken();
  const absl::Status status = ChangeAccess(ClientToken{.client_id = call.client_id,
                                                       .digest = access::DigestOf(token),
                                                       .since_unix_seconds = NowSeconds()});
  if (!status.ok()) return status;
  LogAbout(call.client_id, "the client has a new token");
  return Json{{"client_id", call.client_id.ToString()}, {"token", token}, {"path", PathOf(token)}};
}

absl::StatusOr<Json> Api::ClearToken(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const bool had_token =
      std::any_of(records->tokens.begin(), records->tokens.end(),
                  [&](const ClientToken& token) { return token.client_id == call.client_id; });
  const absl::Status status = ChangeAccess(RemoveToken{.client_id = call.client_id});
  if (!status.ok()) return status;
  if (had_token) LogAbout(call.client_id, "the client no longer needs a token");
  return Json{{"client_id", call.client_id.ToString()}, {"had_token", had_token}};
}

absl::StatusOr<Json> Api::ListInvites(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  std::stable_sort(records->invites.begin(), records->invites.end(),
                   [](const Invite& a, const Invite& b) {
                     return a.created_unix_seconds < b.created_unix_seconds;
                   });
  Json invites = Json::array();
  for (const Invite& invite : records->invites) invites.push_back(Describe(invite, NowSeconds()));
  return Json{{"invites", std::move(invites)}};
}

absl::StatusOr<Json> Api::CreateInvite(Call& call) {
  const std::string token = access::MakeToken();
  Invite invite{.digest = access::DigestOf(token),
                .label = call.fields.Words("label"),
                .created_unix_seconds = NowSeconds()};
  invite.uses_max = call.fields.Count("uses_max", UINT64_MAX).value_or(0);
  const uint64_t expires_days = call.fields.Count("expires_days", kInviteDaysMax).value_or(0);
  if (expires_days != 0) {
    invite.expires_unix_seconds =
        invite.created_unix_seconds + static_cast<int64_t>(expires_days) * kDaySeconds;
  }
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  if (const absl::Status status = ChangeAccess(invite); !status.ok()) {
    return status;
  }
  Json answer = Describe(invite, NowSeconds());
  Log("invite ", HexOf(invite.digest).substr(0, kInviteIdLength), " was created");
  answer["token"] = token;
  answer["path"] = PathOf(token);
  return answer;
}

absl::StatusOr<Json> Api::RevokeInvite(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  if (call.id.size() < kInvitePrefixLengthMin) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", call.id, "' is too short to name an invite: give ",
                     kInvitePrefixLengthMin, " characters at least."));
  }
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const Invite* found = nullptr;
  for (const Invite& invite : records->invites) {
    if (!absl::StartsWith(HexOf(invite.digest), absl::AsciiStrToLower(call.id))) continue;
    if (found != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("Several invites begin with ", call.id, "."));
    }
    found = &invite;
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("There is no invite ", call.id, "."));
  }
  const absl::Status status = ChangeAccess(RemoveInvite{.digest = found->digest});
  if (!status.ok()) return status;
  const std::string invite_id = HexOf(found->digest).substr(0, kInviteIdLength);
  Log("invite ", invite_id, " was revoked");
  return Json{{"invite", invite_id}, {"revoked", true}};
}

}  // namespace tcsync::admin
