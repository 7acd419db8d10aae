#include "http/transfer_shares.h"

#include "base/limits.h"

namespace tcsync::http {

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
