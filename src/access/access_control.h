// Admission, decided by a request's head: the list of allowed clients, bans, tokens, invites,
// rates, and the room for more.
#ifndef TCSYNC_SRC_ACCESS_ACCESS_CONTROL_H_
#define TCSYNC_SRC_ACCESS_ACCESS_CONTROL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "access/access_table.h"
#include "access/proxy_networks.h"
#include "access/proxy_notice.h"
#include "access/rate_limiter.h"
#include "access/refusal.h"
#include "base/clock.h"
#include "tcsync/options.h"
#include "tcsync/peer_address.h"
#include "tcsync/storage_figures.h"
#include "tcsync/uuid.h"

namespace tcsync::access {

struct AccessPolicy {
  // The visitors that may become clients.
  enum class Creation { kAnybody, kInvited, kNobody };

  absl::flat_hash_set<Uuid> allow_client_ids;  // empty: every client
  Creation creation = Creation::kAnybody;
  ProxyNetworks trusted_proxies;
  RateLimit client_requests;
  RateLimit address_requests;
  RateLimit new_clients;             // of one address
  uint64_t total_bytes_max = 0;      // 0: no limit
  uint64_t disk_free_bytes_min = 0;  // 0: no floor

  // kInvalidArgument for options of this room that are malformed or contradict each other.
  static absl::StatusOr<AccessPolicy> From(const Options& options);
};

// The source of a request, according to its head.
struct Visitor {
  Uuid client_id;
  std::optional<TokenDigest> token;  // of the one in the path
  PeerAddress source;
};

// Whether a request may create its client. Move-only.
//
// During its life, one of the address' new clients of the day is reserved, so that many requests at
// once do not create more. The reservation ends with it, unless the client was created.
class CreationPermit {
 public:
  CreationPermit(CreationPermit&& other) noexcept
      : create_client_(other.create_client_),
        invite_(std::move(other.invite_)),
        refusal_(std::move(other.refusal_)),
        limiter_(std::exchange(other.limiter_, nullptr)),
        key_(other.key_) {}
  CreationPermit& operator=(CreationPermit&&) = delete;
  ~CreationPermit() { End(); }

  // For storage (AppendRequest): an existing client appends in any case.
  bool create_client() const { return create_client_; }
  const std::optional<TokenDigest>& invite() const { return invite_; }

  // The answer when storage has no such client and has not created it; nullopt: a plain one.
  const std::optional<Refusal>& refusal() const { return refusal_; }

  void ClientWasCreated() { limiter_ = nullptr; }

  // Ends the reservation. Call it before the answer is given, after which the server may be
  // stopped.
  void End() {
    if (limiter_ != nullptr) std::exchange(limiter_, nullptr)->GiveBack(key_);
  }

 private:
  friend class AccessControl;
  CreationPermit() = default;

  bool create_client_ = false;
  std::optional<TokenDigest> invite_;
  std::optional<Refusal> refusal_;
  RateLimiter* limiter_ = nullptr;
  RateLimiter::Key key_{};
};

// Thread-safe. Borrows the table and the clocks.
class AccessControl {
 public:
  // `clock` is the time of day, by which invites expire; `steady_clock` measures rates.
  AccessControl(const AccessTable& table, const AccessPolicy& policy, const base::Clock& clock,
                const base::Clock& steady_clock);

  // The source of a request, behind trusted proxies.
  PeerAddress SourceOf(const PeerAddress& peer, const ForwardedFields& fields) const {
    return policy_.trusted_proxies.SourceOf(peer, fields);
  }
  // Whether this peer's fields about a request's source are trusted.
  bool Trusts(const PeerAddress& peer) const { return policy_.trusted_proxies.Trusts(peer); }

  // The reason to refuse a request before any work for it; nullopt: none. Takes from the buckets of
  // the visitor. `writes`: the request adds something to storage.
  std::optional<Refusal> RefusalOf(const Visitor& visitor, bool writes);

  // The part of it that an operator's records decide, and which takes from no bucket: for a request
  // that was admitted a while ago.
  std::optional<Refusal> RefusalByRecords(const Visitor& visitor) const;

  // Of a client of which only computers with a token of their own are served. `has_token`: the
  // request has one, which is none of theirs.
  static Refusal RefusalByDevices(bool has_token);

  // The same for a request that is no client's call: it takes from its address' bucket alone.
  std::optional<Refusal> RefusalOfAddress(const PeerAddress& source);

  // Whether a request of this peer could reveal an unnamed proxy.
  bool MayRevealProxy(const PeerAddress& peer) const {
    return !proxy_notice_.noticed() && !Trusts(peer);
  }
  // Looks for an unnamed proxy. Returns a sentence for the log, once.
  std::optional<std::string> DetectProxy(const PeerAddress& peer, const ForwardedFields& fields) {
    return proxy_notice_.Examine(peer, fields);
  }
  // The address of the unnamed proxy; nullopt: none.
  std::optional<std::string> unnamed_proxy() const { return proxy_notice_.peer(); }

  // For an add-version, once its body is complete or its upload to storage begins.
  CreationPermit PermitCreation(const Visitor& visitor);

  // For any other request of an unknown client: the reason why it could not become a client, so
  // that a setup learns it before it has something to add. nullopt: it could.
  std::optional<Refusal> RefusalOfUnknown(const Visitor& visitor) const;

  // The reason why nothing more is stored now; nullopt: there is room. For an unfinished body.
  std::optional<Refusal> RefusalByRoom() const;

  // Bounds the live bytes of all clients together, which are read before each write from now on.
  // Writes that were admitted before and are still under way may exceed the bound. Call it before
  // the first request.
  void SetLiveBytes(std::function<uint64_t()> live_bytes) { live_bytes_ = std::move(live_bytes); }

  // Refuses or admits writes by the present space on the disk. Call it every second or so: between
  // two calls, writes can go below the floor by as much as the disk takes meanwhile.
  void UpdateUsage(const StorageStats& stats);

 private:
  std::optional<Refusal> RefusalByBan(const Visitor& visitor) const;
  std::optional<Refusal> RefusalByToken(const Visitor& visitor) const;
  // The visitor's invite, if it is valid; otherwise the reason why not.
  std::optional<Refusal> RefusalByInvite(const Visitor& visitor) const;

  const AccessTable& table_;
  const AccessPolicy policy_;
  const base::Clock& clock_;
  RateLimiter clients_;
  RateLimiter addresses_;
  RateLimiter new_clients_;
  ProxyNotice proxy_notice_;
  std::function<uint64_t()> live_bytes_;  // null: unknown
  std::atomic<bool> is_disk_floor_reached_{false};
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_ACCESS_CONTROL_H_
