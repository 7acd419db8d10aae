#include "access/access_control.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "access/network.h"
#include "base/foreign_text.h"
#include "base/limits.h"

namespace tcsync::access {
namespace {

// Whole seconds, and at least one: zero would invite an immediate retry.
int RetryAfterSeconds(absl::Duration wait) {
  return static_cast<int>(
      std::max<int64_t>(1, absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1)))));
}

}  // namespace

absl::StatusOr<AccessPolicy> AccessPolicy::From(const Options& options) {
  absl::StatusOr<ProxyNetworks> trusted_proxies = ProxyNetworks::Parse(options.trusted_proxies);
  if (!trusted_proxies.ok()) return trusted_proxies.status();
  if (options.invite_only && !options.create_clients) {
    return absl::InvalidArgumentError(
        "option invite-only: with create-clients off no client is created, with or without an "
        "invite; omit one of the two");
  }
  using Creation = AccessPolicy::Creation;
  const int64_t new_clients = options.new_clients_per_address_day;
  return AccessPolicy{
      .allow_client_ids = {options.allow_client_ids.begin(), options.allow_client_ids.end()},
      .creation = options.invite_only      ? Creation::kInvited
                  : options.create_clients ? Creation::kAnybody
                                           : Creation::kNobody,
      .trusted_proxies = *std::move(trusted_proxies),
      .client_requests = {.requests = options.client_requests_per_second,
                          .burst = options.client_requests_burst},
      .address_requests = {.requests = options.address_requests_per_second,
                           .burst = options.address_requests_burst},
      .new_clients = {.requests = new_clients,
                      .period = absl::Hours(24),
                      .burst = std::max<int64_t>(1, new_clients)},
      .total_bytes_max = static_cast<uint64_t>(options.total_bytes_max),
      .disk_free_bytes_min = static_cast<uint64_t>(options.disk_free_bytes_min)};
}

AccessControl::AccessControl(const AccessTable& table, const AccessPolicy& policy,
                             const base::Clock& clock, const base::Clock& steady_clock)
    : table_(table),
      policy_(policy),
      clock_(clock),
      clients_(policy.client_requests, base::kRateBucketsMax, steady_clock),
      addresses_(policy.address_requests, base::kRateBucketsMax, steady_clock),
      new_clients_(policy.new_clients, base::kRateBucketsMax, steady_clock) {}

std::optional<Refusal> AccessControl::RefusalOfAddress(const PeerAddress& source) {
  const std::optional<Network> network = NetworkOf(source);
  if (!network) return std::nullopt;
  const absl::Duration wait = addresses_.Take(*network);
  if (wait <= absl::ZeroDuration()) return std::nullopt;
  return Refusal{.reason = RefusalReason::kAddressRate,
                 .sentence = "Too many requests come from this network address; try again later.",
                 .retry_after_seconds = RetryAfterSeconds(wait),
                 .operator_note =
                     "Option address-requests-per-second is the limit; if the address is a "
                     "proxy's, name it in trusted-proxy.",
                 .source = NetworkText(source)};
}

// The order matters, because anyone who knows a client ID can send requests in its name:
//   list and bans  first: a refused visitor costs nothing, and spends no one's requests.
//   the address    before the client: a request that its address has no token for does not take
//                  one from the client. So a flood from one address takes from the client's bucket
//                  at most at the address' rate.
//   the own token  before the client's bucket: a client ID without its token cannot spend the
//                  requests of its owner. This is the way out for a client ID that others abuse.
//   the client     then. Without an own token, its bucket can still be emptied from many addresses
//                  by someone who knows the ID; but that person could change the history as well,
//                  and an ID that is random and kept secret is known to no one else.
//   room           last, and for writes alone: reads are served when the disk is full.
std::optional<Refusal> AccessControl::RefusalOf(const Visitor& visitor, bool writes) {
  if (!policy_.allow_client_ids.empty() && !policy_.allow_client_ids.contains(visitor.client_id)) {
    return Refusal{.reason = RefusalReason::kNotAllowed,
                   .sentence = "This server does not serve this client ID.",
                   .operator_note = "It is not among those of allow-client-id."};
  }
  if (std::optional<Refusal> refusal = RefusalByBan(visitor)) return refusal;
  if (std::optional<Refusal> refusal = RefusalOfAddress(visitor.source)) return refusal;
  if (std::optional<Refusal> refusal = RefusalByToken(visitor)) return refusal;
  if (const absl::Duration wait = clients_.Take(visitor.client_id.bytes());
      wait > absl::ZeroDuration()) {
    return Refusal{.reason = RefusalReason::kClientRate,
                   .sentence = "This client makes too many requests; try again later.",
                   .retry_after_seconds = RetryAfterSeconds(wait),
                   .operator_note = "Option client-requests-per-second is the limit.",
                   .source = NetworkOf(visitor.source) ? NetworkText(visitor.source) : ""};
  }
  return writes ? RefusalByRoom() : std::nullopt;
}

std::optional<Refusal> AccessControl::RefusalByRecords(const Visitor& visitor) const {
  std::optional<Refusal> refusal = RefusalByBan(visitor);
  return refusal ? refusal : RefusalByToken(visitor);
}

std::optional<Refusal> AccessControl::RefusalByBan(const Visitor& visitor) const {
  const std::optional<Ban> ban = table_.BanOf(visitor.client_id);
  if (!ban) return std::nullopt;
  return Refusal{
      .reason = RefusalReason::kBanned,
      .sentence = "This server's operator has banned this client ID; ask the operator why.",
      .operator_note = absl::StrCat(
          "The ban's reason: ", ban->reason.empty() ? "none" : base::ShowForeign(ban->reason),
          ". tcsync-server clients unban lifts it.")};
}

std::optional<Refusal> AccessControl::RefusalByToken(const Visitor& visitor) const {
  const std::shared_ptr<const DeviceGate> gate = table_.GateOf(visitor.client_id);
  const bool has_device =
      gate != nullptr && visitor.token &&
      std::find(gate->digests.begin(), gate->digests.end(), *visitor.token) != gate->digests.end();
  if (has_device) return std::nullopt;
  if (gate != nullptr && gate->requires_token) return RefusalByDevices(visitor.token.has_value());
  const std::optional<ClientToken> token = table_.TokenOf(visitor.client_id);
  if (!token || token->digest == visitor.token) return std::nullopt;
  return Refusal{
      .reason = RefusalReason::kToken,
      .sentence = absl::StrCat(
          visitor.token ? "The token in the server's URL is not, or no longer, that of this client"
                        : "This client is served with its token alone",
          ": the server's URL must end with /i/ and the token that the server's operator has "
          "given out for it."),
      .operator_note = "tcsync-server clients reset-token makes a new one."};
}

Refusal AccessControl::RefusalByDevices(bool has_token) {
  return Refusal{
      .reason = RefusalReason::kToken,
      .sentence = absl::StrCat(
          has_token ? "This computer was shut out by another one of yours, or the token in the "
                      "server's URL is not its own"
                    : "This computer has no token of its own, and since another one of yours was "
                      "shut out only computers with one are served",
          ": a computer that still syncs can make a token for it."),
      .operator_note =
          "tcsync-server clients clear-token admits all of the client's computers again; clients "
          "reset-token makes one token for all of them."};
}

std::optional<Refusal> AccessControl::RefusalByRoom() const {
  if (is_disk_floor_reached_.load(std::memory_order_relaxed)) {
    return Refusal{.reason = RefusalReason::kDiskFloor,
                   .sentence =
                       "The server's disk is almost full; nothing was stored, and stored "
                       "data can still be fetched.",
                   .operator_note =
                       "Option disk-free-bytes-min must stay free: make room "
                       "on the disk, or remove clients (tcsync-server clients "
                       "delete, prune)."};
  }
  if (policy_.total_bytes_max != 0 && live_bytes_ != nullptr &&
      live_bytes_() >= policy_.total_bytes_max) {
    return Refusal{.reason = RefusalReason::kTotalBytes,
                   .sentence =
                       "This server has as much stored as its operator allows; nothing "
                       "was stored, and stored data can still be fetched.",
                   .operator_note =
                       "Raise option total-bytes-max, or remove clients "
                       "(tcsync-server clients delete, prune)."};
  }
  return std::nullopt;
}

std::optional<Refusal> AccessControl::RefusalByInvite(const Visitor& visitor) const {
  const auto refusal = [](absl::string_view what) {
    return Refusal{.reason = RefusalReason::kInvite,
                   .sentence = absl::StrCat(what,
                                            ": ask the server's operator for an invite, and use "
                                            "the URL that it gives as the server's URL.")};
  };
  if (!visitor.token) return refusal("This server takes new clients by invite alone");
  const std::optional<Invite> invite = table_.InviteOf(*visitor.token);
  if (!invite) return refusal("The server's URL names an invite that this server does not have");
  if (MayCreateClient(*invite, absl::ToUnixSeconds(clock_.Now()))) return std::nullopt;
  return refusal(invite->uses_max != 0 && invite->uses >= invite->uses_max
                     ? "The invite has been used up"
                     : "The invite has expired");
}

CreationPermit AccessControl::PermitCreation(const Visitor& visitor) {
  CreationPermit permit;
  if (policy_.creation == AccessPolicy::Creation::kNobody) return permit;
  const bool needs_invite = policy_.creation == AccessPolicy::Creation::kInvited;
  if (needs_invite) {
    permit.refusal_ = RefusalByInvite(visitor);
    if (permit.refusal_) return permit;
  }
  if (const std::optional<RateLimiter::Key> network = NetworkOf(visitor.source)) {
    if (const absl::Duration wait = new_clients_.Take(*network); wait > absl::ZeroDuration()) {
      permit.refusal_ =
          Refusal{.reason = RefusalReason::kNewClients,
                  .sentence =
                      "Too many new clients come from this network address; try again later. "
                      "Existing clients are not affected.",
                  .retry_after_seconds = RetryAfterSeconds(wait),
                  .operator_note =
                      "Option new-clients-per-address-day is the limit; if the address is a "
                      "proxy's, name it in trusted-proxy.",
                  .source = NetworkText(visitor.source)};
      return permit;
    }
    permit.limiter_ = &new_clients_;
    permit.key_ = *network;
  }
  permit.create_client_ = true;
  if (needs_invite) {
    permit.invite_ = visitor.token;
    // Storage decides: another request may be taking the last use.
    permit.refusal_ = Refusal{.reason = RefusalReason::kInvite,
                              .sentence =
                                  "The invite has been used up: ask the server's operator "
                                  "for another one."};
  }
  return permit;
}

std::optional<Refusal> AccessControl::RefusalOfUnknown(const Visitor& visitor) const {
  // A server that creates no clients only says that there is no such client.
  return policy_.creation == AccessPolicy::Creation::kInvited ? RefusalByInvite(visitor)
                                                              : std::nullopt;
}

void AccessControl::UpdateUsage(const StorageStats& stats) {
  // A storage without a disk has neither free bytes nor a floor for them.
  is_disk_floor_reached_.store(policy_.disk_free_bytes_min != 0 && stats.disk_bytes_total != 0 &&
                                   stats.disk_bytes_free < policy_.disk_free_bytes_min,
                               std::memory_order_relaxed);
}

}  // namespace tcsync::access
