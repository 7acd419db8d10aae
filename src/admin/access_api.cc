// Admission: bans, clients' tokens and invites.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/read_devices.h"
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

std::string PathOf(const std::string& token) { return absl::StrCat("/i/", token); }

Json Describe(const Invite& invite, int64_t now_unix_seconds) {
  const bool is_expired =
      invite.expires_unix_seconds != 0 && invite.expires_unix_seconds <= now_unix_seconds;
  const bool is_used_up = invite.uses_max != 0 && invite.uses >= invite.uses_max;
  return {{"invite", HexOf(invite.digest).substr(0, kInviteIdLength)},
          {"label", invite.label},
          {"created", invite.created_unix_seconds},
          {"expires", OrNull(invite.expires_unix_seconds)},
          {"uses", invite.uses},
          {"uses_max", OrNull(invite.uses_max)},
          {"state", is_expired   ? "expired"
                    : is_used_up ? "used up"
                                 : "open"}};
}

}  // namespace

absl::Status EngineApi::ChangeAccess(const AccessChange& change) {
  if (const absl::Status status = administration().ChangeAccess(change); !status.ok())
    return status;
  return RefreshAccess();
}

absl::Status EngineApi::RefreshAccess() {
  const absl::Status status = engine_.refresh_access();
  if (status.ok()) return status;
  return absl::Status(
      status.code(), absl::StrCat("The change is stored, but the running server could not read it, "
                                  "and uses the old state: ",
                                  status.message()));
}

absl::StatusOr<Json> EngineApi::ListBans() {
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  Json bans = Json::array();
  for (const tcsync::Ban& ban : records->bans) {
    bans.push_back({{"client_id", ban.client_id.ToString()},
                    {"pseudonym", engine_.pseudonym_of(ban.client_id)},
                    {"reason", ban.reason},
                    {"since", ban.since_unix_seconds}});
  }
  return Json{{"bans", std::move(bans)}};
}

absl::StatusOr<Json> EngineApi::Ban(const Uuid& client_id, const std::string& reason) {
  const tcsync::Ban ban{
      .client_id = client_id, .reason = reason, .since_unix_seconds = NowSeconds()};
  // Also an unknown client: it may be about to come.
  const absl::StatusOr<std::optional<ClientSummary>> client =
      administration().FindClient(client_id);
  if (!client.ok()) return client.status();
  if (const absl::Status status = ChangeAccess(ban); !status.ok()) return status;
  LogAbout(client_id, "the client was banned");
  return Json{{"client_id", client_id.ToString()},
              {"is_client", client->has_value()},
              {"ban", {{"reason", ban.reason}, {"since", ban.since_unix_seconds}}}};
}

absl::StatusOr<Json> EngineApi::Unban(const Uuid& client_id) {
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const bool was_banned =
      std::any_of(records->bans.begin(), records->bans.end(),
                  [&](const tcsync::Ban& ban) { return ban.client_id == client_id; });
  const absl::Status status = ChangeAccess(RemoveBan{.client_id = client_id});
  if (!status.ok()) return status;
  if (was_banned) LogAbout(client_id, "the client is no longer banned");
  return Json{{"client_id", client_id.ToString()}, {"was_banned", was_banned}};
}

absl::StatusOr<Json> EngineApi::ResetToken(const Uuid& client_id) {
  const absl::StatusOr<ClientSummary> client = FindClient(client_id);
  if (!client.ok()) return client.status();
  const std::string token = access::MakeToken();
  const absl::Status status = ChangeAccess(ClientToken{.client_id = client_id,
                                                       .digest = access::DigestOf(token),
                                                       .since_unix_seconds = NowSeconds()});
  if (!status.ok()) return status;
  LogAbout(client_id, "the client has a new token");
  return Json{{"client_id", client_id.ToString()}, {"token", token}, {"path", PathOf(token)}};
}

absl::StatusOr<Json> EngineApi::ClearToken(const Uuid& client_id) {
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const absl::StatusOr<DeviceState> state = access::ReadDevicesIfKept(administration(), client_id);
  if (!state.ok()) return state.status();
  const bool had_token =
      state->is_gated() ||
      std::any_of(records->tokens.begin(), records->tokens.end(),
                  [&](const ClientToken& token) { return token.client_id == client_id; });
  const absl::Status status = ChangeAccess(RemoveToken{.client_id = client_id});
  if (!status.ok()) return status;
  if (had_token) LogAbout(client_id, "the client no longer needs a token");
  return Json{{"client_id", client_id.ToString()}, {"had_token", had_token}};
}

absl::StatusOr<Json> EngineApi::ListInvites() {
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

absl::StatusOr<Json> EngineApi::CreateInvite(const std::string& label,
                                             std::optional<uint64_t> uses_max,
                                             std::optional<uint64_t> expires_days) {
  const std::string token = access::MakeToken();
  Invite invite{
      .digest = access::DigestOf(token), .label = label, .created_unix_seconds = NowSeconds()};
  invite.uses_max = uses_max.value_or(0);
  if (expires_days.value_or(0) != 0) {
    invite.expires_unix_seconds =
        invite.created_unix_seconds + static_cast<int64_t>(*expires_days) * kDaySeconds;
  }
  if (const absl::Status status = ChangeAccess(invite); !status.ok()) return status;
  Json answer = Describe(invite, NowSeconds());
  Log("invite ", HexOf(invite.digest).substr(0, kInviteIdLength), " was created");
  answer["token"] = token;
  answer["path"] = PathOf(token);
  return answer;
}

absl::StatusOr<Json> EngineApi::RevokeInvite(const std::string& digest_prefix) {
  if (digest_prefix.size() < kInvitePrefixLengthMin) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", digest_prefix, "' is too short to name an invite: give ",
                     kInvitePrefixLengthMin, " characters at least."));
  }
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  const Invite* found = nullptr;
  for (const Invite& invite : records->invites) {
    if (!absl::StartsWith(HexOf(invite.digest), absl::AsciiStrToLower(digest_prefix))) continue;
    if (found != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("Several invites begin with ", digest_prefix, "."));
    }
    found = &invite;
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("There is no invite ", digest_prefix, "."));
  }
  const absl::Status status = ChangeAccess(RemoveInvite{.digest = found->digest});
  if (!status.ok()) return status;
  const std::string invite_id = HexOf(found->digest).substr(0, kInviteIdLength);
  Log("invite ", invite_id, " was revoked");
  return Json{{"invite", invite_id}, {"revoked", true}};
}

}  // namespace tcsync::admin
