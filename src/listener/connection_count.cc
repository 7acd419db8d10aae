#include "listener/connection_count.h"

#include <algorithm>

namespace tcsync::listener {

ConnectionCount::Figures ConnectionCount::figures() const {
  Figures figures;
  {
    const std::lock_guard lock(mutex_);
    figures = {.served = served_,
               .refused = refused_,
               .served_total = served_total_,
               .refused_total = refused_total_,
               .dropped_total = dropped_total_};
  }
  figures.bytes = bytes();
  for (size_t i = 0; i < kEndReasonCount; ++i) {
    figures.ended_total[i] = ended_[i].load(std::memory_order_relaxed);
  }
  return figures;
}

void ConnectionCount::AwaitZero(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  is_zero_.wait_for(lock, timeout, [this] { return served_ + refused_ == 0; });
}

void ConnectionCount::AddConnectionOf(const access::Network& network, size_t loop) {
  const std::lock_guard lock(by_address_mutex_);
  Connections& connections = by_address_[network];
  if (connections.by_loop.size() <= loop) connections.by_loop.resize(loop + 1);
  ++connections.by_loop[loop];
  by_connections_.erase({connections.count, network});
  by_connections_.insert({++connections.count, network});
}

void ConnectionCount::RemoveConnectionOf(const access::Network& network, size_t loop) {
  const std::lock_guard lock(by_address_mutex_);
  const auto it = by_address_.find(network);
  if (it == by_address_.end()) return;
  --it->second.by_loop[loop];
  by_connections_.erase({it->second.count, network});
  if (--it->second.count == 0) {
    by_address_.erase(it);
  } else {
    by_connections_.insert({it->second.count, network});
  }
}

int64_t ConnectionCount::ConnectionsOf(const access::Network& network) const {
  const std::lock_guard lock(by_address_mutex_);
  const auto it = by_address_.find(network);
  return it == by_address_.end() ? 0 : it->second.count;
}

std::optional<ConnectionCount::TopAddress> ConnectionCount::FindTopAddress() const {
  const std::lock_guard lock(by_address_mutex_);
  if (by_connections_.empty()) return std::nullopt;
  const auto& [connections, network] = *by_connections_.rbegin();
  const auto& by_loop = by_address_.find(network)->second.by_loop;
  const auto most = std::max_element(by_loop.begin(), by_loop.end());
  return TopAddress{network, connections, static_cast<size_t>(most - by_loop.begin())};
}

}  // namespace tcsync::listener
