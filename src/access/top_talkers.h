// The busiest clients and network addresses: those with the most requests, bytes and refusals of
// the last minutes, for an operator of a busy server.
//
// Memory is bounded for any traffic: a ranking is a "space-saving" sketch (Metwally, Agrawal, El
// Abbadi: Efficient computation of frequent and top-k elements in data streams, 2005). A new key
// takes the last place, with its count: so counts may be too large, by a known number, and every
// key with more than the total divided by the number of places is included.
//
// Nothing of it is stored or logged (docs/privacy.md).
#ifndef TCSYNC_SRC_ACCESS_TOP_TALKERS_H_
#define TCSYNC_SRC_ACCESS_TOP_TALKERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tcsync/peer_address.h"
#include "tcsync/uuid.h"

namespace tcsync::access {

// One thread at a time.
class TalkerRanking {
 public:
  using Key = std::array<uint8_t, 16>;
  struct Place {
    Key key{};
    uint64_t count = 0;      // at most this much...
    uint64_t count_min = 0;  // ...and at least this much
  };

  void Add(const Key& key, uint64_t amount);
  void Clear() { size_ = 0; }

  // In no order.
  const Place* begin() const { return places_.data(); }
  const Place* end() const { return places_.data() + size_; }

 private:
  size_t size_ = 0;
  std::array<Place, base::kTopTalkersMax> places_;
};

// Thread-safe. Borrows the clock.
class TopTalkers {
 public:
  enum class Measure : uint8_t { kRequests, kBytes, kRefusals };
  static constexpr std::array<Measure, 3> kMeasures = {Measure::kRequests, Measure::kBytes,
                                                       Measure::kRefusals};

  // `clock` must never step: Clock::Steady().
  explicit TopTalkers(const base::Clock& clock) : clock_(clock), since_(clock.Now()) {}

  struct AnsweredRequest {
    std::optional<Uuid> client_id;
    PeerAddress source;
    uint64_t bytes = 0;  // of both bodies
    bool is_refused = false;
  };
  void Count(const AnsweredRequest& request);

  struct Rankings {
    absl::Duration span;  // the time that the counts cover
    // By measure, the largest count first. A source that is no address, such as a Unix socket, has
    // the key of zeros; IPv6 addresses have one key for each /64.
    std::array<std::vector<TalkerRanking::Place>, 3> clients;
    std::array<std::vector<TalkerRanking::Place>, 3> sources;
  };
  Rankings Read() const;

 private:
  struct Window {
    std::array<TalkerRanking, 3> clients;
    std::array<TalkerRanking, 3> sources;
  };

  const base::Clock& clock_;
  mutable std::mutex mutex_;  // of the members below
  absl::Time since_;          // the beginning of the present window
  std::optional<absl::Time> before_since_;
  Window now_;
  Window before_;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_TOP_TALKERS_H_
