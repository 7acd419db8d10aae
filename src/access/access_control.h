// Who may do what, decided by a request's head: the list of allowed clients, bans, tokens, invites,
// rates, and whether there is room for more.
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
  // Who may become a client.
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

// Who asks, as far as a request's head says it.
struct Visitor {
  Uuid client_id;
  std::optional<TokenDigest> token;  // of the one in the path
  PeerAddress source;
};

// Whether a request may create its client. Move-only.
//
// While it lives, one of the clients that the address may create today is set aside, so that many
// requests at once do not create more. It is put back at the end, unless the client was created.
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

  // What to answer when storage has no such client and has not created it; nullopt: just that.
  const std::optional<Refusal>& refusal() const { return refusal_; }

  void ClientWasCreated() { limiter_ = nullptr; }

  // Puts back what was set aside, before the answer is given: with it the server may be told to
  // stop.
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

  // Where a request comes from, behind proxies that are trusted.
  PeerAddress SourceOf(const PeerAddress& peer, const ForwardedFields& fields) const {
    return policy_.trusted_proxies.SourceOf(peer, fields);
  }
  // Whether what this peer says of a request's source is believed.
  bool Trusts(const PeerAddress& peer) const { return policy_.trusted_proxies.Trusts(peer); }

  // Why a request is refused before anything is done for it; nullopt: it is not. Takes from the
  // buckets of the visitor. `writes`: the request adds something to what is stored.
  std::optional<Refusal> RefusalOf(const Visitor& visitor, bool writes);

  // The same for what is not a client's call: it takes from the bucket of its address alone.
  std::optional<Refusal> RefusalOfAddress(const PeerAddress& source);

  // Whether a request of this peer could show a proxy that is not named.
  bool LooksForProxy(const PeerAddress& peer) const {
    return !proxy_notice_.noticed() && !Trusts(peer);
  }
  // Looks for a proxy that is not named. A sentence for the log, once.
  std::optional<std::string> NoticeProxy(const PeerAddress& peer, const ForwardedFields& fields) {
    return proxy_notice_.Look(peer, fields);
  }
  // The address of the proxy that was noticed; nullopt: none.
  std::optional<std::string> unnamed_proxy() const { return proxy_notice_.peer(); }

  // For an add-version, when its body is there, or begins to be stored before it is.
  CreationPermit PermitCreation(const Visitor& visitor);

  // For any other request, when storage has no such client: why it could not become one, so that a
  // setup that asks learns it before it has something to add. nullopt: it could.
  std::optional<Refusal> RefusalOfUnknown(const Visitor& visitor) const;

  // Why nothing more is stored now; nullopt: there is room. For a body that is still coming.
  std::optional<Refusal> RefusalByRoom() const;

  // What all clients together have is asked for before each write from now on, if there is a bound
  // to it: what goes over the bound is what was let in before and is still on its way. Before the
  // first request.
  void SetLiveBytes(std::function<uint64_t()> live_bytes) { live_bytes_ = std::move(live_bytes); }

  // Lets writes be refused, or served again, by how full the disk is now. To be called every second
  // or so: what comes in between can go below the floor by as much as the disk takes meanwhile.
  void UpdateUsage(const StorageStats& stats);

 private:
  // The invite that the visitor came with, if it is good; otherwise why it is not.
  std::optional<Refusal> RefusalByInvite(const Visitor& visitor) const;

  const AccessTable& table_;
  const AccessPolicy policy_;
  const base::Clock& clock_;
  RateLimiter clients_;
  RateLimiter addresses_;
  RateLimiter new_clients_;
  ProxyNotice proxy_notice_;
  std::function<uint64_t()> live_bytes_;  // null: nobody knows
  std::atomic<bool> is_disk_floor_reached_{false};
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_ACCESS_CONTROL_H_
