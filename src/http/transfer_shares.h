// The memory for bodies, and its fair shares.
//
// Large bodies pass in pieces, so each takes a few pieces of memory and not its size. All of them
// together have three quarters of the memory for bodies: the rest is a reserve for requests whose
// bodies are no larger than one piece, so that no number of large transfers stops those. One client
// has a bounded number of large transfers at a time, and one address has half of the memory of
// either kind, so that no one takes it from all others.
#ifndef TCSYNC_SRC_HTTP_TRANSFER_SHARES_H_
#define TCSYNC_SRC_HTTP_TRANSFER_SHARES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "access/network.h"
#include "http/byte_budget.h"
#include "tcsync/peer_address.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// Thread-safe.
class TransferShares : public std::enable_shared_from_this<TransferShares> {
 public:
  // A client's place among large transfers during this object's life. Move-only.
  class Place {
   public:
    Place(Place&& other) noexcept
        : shares_(std::move(other.shares_)), client_id_(other.client_id_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(shares_, other.shares_);
      std::swap(client_id_, other.client_id_);
      return *this;
    }
    ~Place() {
      if (shares_ != nullptr) shares_->End(client_id_);
    }

   private:
    friend class TransferShares;
    Place(std::shared_ptr<TransferShares> shares, const Uuid& client_id)
        : shares_(std::move(shares)), client_id_(client_id) {}

    std::shared_ptr<TransferShares> shares_;
    Uuid client_id_;
  };

  explicit TransferShares(uint64_t bytes_max)
      : all_(std::make_shared<ByteBudget>(bytes_max)),
        large_(std::make_shared<ByteBudget>(LargeBytesOf(bytes_max), all_)) {}

  // The part of it that large transfers may have together.
  static uint64_t LargeBytesOf(uint64_t bytes_max) { return bytes_max / 4 * 3; }

  // For bodies of one piece at most.
  const std::shared_ptr<ByteBudget>& small() const { return all_; }
  // For pieces of large ones, and for large ones that are nevertheless whole in memory.
  const std::shared_ptr<ByteBudget>& large() const { return large_; }

  // An address' part of each; for a source without an address, all of it.
  std::shared_ptr<ByteBudget> SmallFor(const PeerAddress& source);
  std::shared_ptr<ByteBudget> LargeFor(const PeerAddress& source);

  // nullopt: the client has reached its maximum.
  std::optional<Place> TryBegin(const Uuid& client_id);

 private:
  struct Parts {
    // Some may be expired: no charge refers to them any more.
    absl::flat_hash_map<access::Network, std::weak_ptr<ByteBudget>> by_address;
    size_t sweep_at = 0;
  };

  std::shared_ptr<ByteBudget> PartFor(const PeerAddress& source,
                                      const std::shared_ptr<ByteBudget>& budget, Parts& parts);
  void End(const Uuid& client_id);

  const std::shared_ptr<ByteBudget> all_;
  const std::shared_ptr<ByteBudget> large_;  // its bytes are taken from all_ as well
  std::mutex mutex_;
  absl::flat_hash_map<Uuid, int> transfers_;  // of clients that have any
  Parts small_parts_;
  Parts large_parts_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_TRANSFER_SHARES_H_
