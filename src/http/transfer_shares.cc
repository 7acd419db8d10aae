#include "http/transfer_shares.h"

#include <algorithm>

#include "base/limits.h"

namespace tcsync::http {
namespace {

// A share of little memory would be of no use.
constexpr uint64_t kAddressBytesMin = 8 * base::kPieceBytesMax;
// The number of entries up to which the table is not searched for unused ones.
constexpr size_t kAddressesUnswept = 64;

}  // namespace

std::shared_ptr<ByteBudget> TransferShares::SmallFor(const PeerAddress& source) {
  return PartFor(source, all_, small_parts_);
}

std::shared_ptr<ByteBudget> TransferShares::LargeFor(const PeerAddress& source) {
  return PartFor(source, large_, large_parts_);
}

std::shared_ptr<ByteBudget> TransferShares::PartFor(const PeerAddress& source,
                                                    const std::shared_ptr<ByteBudget>& budget,
                                                    Parts& parts) {
  const std::optional<access::Network> network = access::NetworkOf(source);
  if (!network) return budget;
  const std::lock_guard lock(mutex_);
  if (parts.by_address.size() >= parts.sweep_at) {
    absl::erase_if(parts.by_address, [](const auto& entry) { return entry.second.expired(); });
    parts.sweep_at = std::max(kAddressesUnswept, 2 * parts.by_address.size());
  }
  std::weak_ptr<ByteBudget>& part = parts.by_address[*network];
  if (std::shared_ptr<ByteBudget> found = part.lock()) return found;
  auto made =
      std::make_shared<ByteBudget>(std::max(budget->bytes_max() / 2, kAddressBytesMin), budget);
  part = made;
  return made;
}

std::optional<TransferShares::Place> TransferShares::TryBegin(const Uuid& client_id) {
  {
    const std::lock_guard lock(mutex_);
    int& transfers = transfers_[client_id];
    if (transfers >= base::kLargeTransfersPerClientMax) return std::nullopt;
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
