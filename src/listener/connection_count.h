// The number of connections of all event loops of a service, by address; their memory; and the
// reasons of those that were ended.
#ifndef TCSYNC_SRC_LISTENER_CONNECTION_COUNT_H_
#define TCSYNC_SRC_LISTENER_CONNECTION_COUNT_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "access/network.h"

namespace tcsync::listener {

// The reason for which the server ended a connection that its client would have kept.
enum class EndReason : uint8_t {
  kMadeRoom,  // places ran out, and its address had the most
  kMemory,    // memory for connections ran out, and its address had the most
  kStalled,   // its input or output stood still or was slower than the minimum
  kOverRate,  // it kept sending requests that were answered 429
};
inline constexpr size_t kEndReasonCount = 4;

// Served connections and those that are only told 503 are counted separately: in a crowd there are
// always more of the latter, and with one count they would take the places of the former until no
// client is served. Thread-safe.
class ConnectionCount {
 public:
  ConnectionCount(int64_t served_max, int64_t refused_max,
                  int64_t bytes_max = std::numeric_limits<int64_t>::max())
      : served_max_(served_max), refused_max_(refused_max), bytes_max_(bytes_max) {}

  // The present numbers, and the totals.
  struct Figures {
    int64_t served = 0;
    int64_t refused = 0;
    int64_t served_total = 0;
    int64_t refused_total = 0;
    int64_t dropped_total = 0;  // closed without an answer
    int64_t bytes = 0;
    std::array<int64_t, kEndReasonCount> ended_total{};
  };
  Figures figures() const;

  bool IsFull() const {
    const std::lock_guard lock(mutex_);
    return served_ >= served_max_;
  }
  void AddServed() {
    const std::lock_guard lock(mutex_);
    ++served_;
    ++served_total_;
  }
  // False, and nothing is counted, when there are too many even for refusals. The address with the
  // most connections leaves half of the places to others.
  bool AddRefused(bool has_the_most = false) {
    const std::lock_guard lock(mutex_);
    if (refused_ >= (has_the_most ? (refused_max_ + 1) / 2 : refused_max_)) {
      ++dropped_total_;
      return false;
    }
    ++refused_;
    ++refused_total_;
    return true;
  }
  void RemoveServed() { Remove(served_); }
  void RemoveRefused() { Remove(refused_); }

  // Waits until there are none, for up to `timeout`.
  void AwaitZero(std::chrono::milliseconds timeout) const;

  // Counts the served connections by address and loop.
  void AddConnectionOf(const access::Network& network, size_t loop);
  void RemoveConnectionOf(const access::Network& network, size_t loop);
  int64_t ConnectionsOf(const access::Network& network) const;
  struct TopAddress {
    access::Network network;
    int64_t connections = 0;
    size_t loop = 0;  // the one with most of them
  };
  // The address with the most connections.
  std::optional<TopAddress> FindTopAddress() const;

  // Adds to the memory of all connections; false when it exceeds the limit.
  bool Charge(int64_t more_bytes) {
    return bytes_.fetch_add(more_bytes, std::memory_order_relaxed) + more_bytes <= bytes_max_;
  }
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t bytes_max() const { return bytes_max_; }

  // False while the loops have already been told.
  bool BeginShedding() { return !is_shedding_.exchange(true); }
  void EndShedding() { is_shedding_ = false; }

  void CountEnd(EndReason reason) {
    ended_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }

 private:
  struct Connections {
    int64_t count = 0;
    absl::InlinedVector<int32_t, 4> by_loop;
  };

  void Remove(int64_t& count) {
    const std::lock_guard lock(mutex_);
    --count;
    if (served_ + refused_ == 0) is_zero_.notify_all();
  }

  const int64_t served_max_;
  const int64_t refused_max_;
  const int64_t bytes_max_;
  std::atomic<int64_t> bytes_{0};
  std::atomic<bool> is_shedding_{false};
  std::array<std::atomic<int64_t>, kEndReasonCount> ended_{};
  mutable std::mutex mutex_;  // guards the members below
  mutable std::condition_variable is_zero_;
  int64_t served_ = 0;
  int64_t refused_ = 0;
  int64_t served_total_ = 0;
  int64_t refused_total_ = 0;
  int64_t dropped_total_ = 0;
  mutable std::mutex by_address_mutex_;  // guards the members below
  absl::flat_hash_map<access::Network, Connections> by_address_;
  std::set<std::pair<int64_t, access::Network>> by_connections_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_CONNECTION_COUNT_H_
