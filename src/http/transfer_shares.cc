#include "http/transfer_shares.h"

#include <algorithm>

#include "base/limits.h"

namespace tcsync::http {
namespace {

// Of little memory nobody could have a part that is of use.
constexpr uint64_t kAddressBytesMin = 8 * kPieceBytesMax;

std::shared_ptr<ByteBudget> Lend(std::weak_ptr<ByteBudget>& lent,
                                 const std::shared_ptr<ByteBudget>& whole) {
  if (std::shared_ptr<ByteBudget> found = lent.lock()) return found;
  auto made =
      std::make_shared<ByteBudget>(std::max(whole->bytes_max() / 2, kAddressBytesMin), whole);
  lent = made;
  return made;
}

}  // namespace

TransferShares::OfAddress TransferShares::For(const PeerAddress& source) {
  const std::optional<access::Network> network = access::NetworkOf(source);
  if (!network) return {.small = all_, .large = large_};
  const std::lock_guard lock(mutex_);
  if (lent_.size() >= sweep_at_) {
    absl::erase_if(lent_, [](const auto& entry) {
      return entry.second.small.expired() && entry.second.large.expired();
    });
    sweep_at_ = std::max(kAddressesUnswept, 2 * lent_.size());
  }
  Lent& lent = lent_[*network];
  return {.small = Lend(lent.small, all_), .large = Lend(lent.large, large_)};
}

std::optional<TransferShares::Place> TransferShares::TryBegin(const Uuid& client_id) {
  {
    const std::lock_guard lock(mutex_);
    int& transfers = transfers_[client_id];
    if (transfers >= kLargeTransfersPerClientMax) return std::nullopt;
    ++transfers;
  }
  return Place(shared_from_this(), client_id);
}

void TransferShares::End(const Uuid& client_id) {
  const std::lock_guard lock(mutex_);
  const auto it = transfers_.find(client_id);
  if (--it->second == 0) transfers_.erase(it);
}

}  // namespace tcsync::http
