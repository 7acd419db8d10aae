#include "access/top_talkers.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "access/network.h"

namespace tcsync::access {
namespace {

// As two numbers: a comparison of arrays is a call, and each request needs dozens.
bool AreSame(const TalkerRanking::Key& one, const TalkerRanking::Key& other) {
  return std::memcmp(one.data(), other.data(), sizeof(TalkerRanking::Key)) == 0;
}

void AddAll(const TalkerRanking& ranking,
            std::map<TalkerRanking::Key, TalkerRanking::Place>& places) {
  for (const TalkerRanking::Place& place : ranking) {
    TalkerRanking::Place& sum = places[place.key];
    sum.key = place.key;
    sum.count += place.count;
    sum.count_min += place.count_min;
  }
}

std::vector<TalkerRanking::Place> Joined(const TalkerRanking& now, const TalkerRanking& before) {
  std::map<TalkerRanking::Key, TalkerRanking::Place> places;
  AddAll(before, places);
  AddAll(now, places);
  std::vector<TalkerRanking::Place> list;
  list.reserve(places.size());
  for (const auto& [key, place] : places) list.push_back(place);
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  if (list.size() > base::kTopTalkersMax) list.resize(base::kTopTalkersMax);
  return list;
}

}  // namespace

void TalkerRanking::Add(const Key& key, uint64_t amount) {
  // A linear search of so few takes less time than a hash.
  Place* const first = places_.data();
  Place* const last = first + size_;
  Place* const found =
      std::find_if(first, last, [&](const Place& p) { return AreSame(p.key, key); });
  if (found != last) {
    found->count += amount;
    found->count_min += amount;
    return;
  }
  if (size_ < places_.size()) {
    places_[size_++] = {.key = key, .count = amount, .count_min = amount};
    return;
  }
  Place& least = *std::min_element(
      first, last, [](const Place& a, const Place& b) { return a.count < b.count; });
  least = {.key = key, .count = least.count + amount, .count_min = amount};
}

void TopTalkers::Count(const AnsweredRequest& request) {
  const std::array<uint64_t, 3> amounts = {1, request.bytes, request.is_refused ? 1u : 0u};
  const TalkerRanking::Key source = NetworkOf(request.source).value_or(TalkerRanking::Key());
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  if (now - since_ >= absl::Milliseconds(base::kTopTalkersWindowMs)) {
    before_ = now_;
    before_since_ = since_;
    for (TalkerRanking& ranking : now_.clients) ranking.Clear();
    for (TalkerRanking& ranking : now_.sources) ranking.Clear();
    since_ = now;
  }
  for (size_t i = 0; i < amounts.size(); ++i) {
    if (amounts[i] == 0) continue;
    now_.sources[i].Add(source, amounts[i]);
    if (request.client_id) now_.clients[i].Add(request.client_id->bytes(), amounts[i]);
  }
}

TopTalkers::Rankings TopTalkers::Read() const {
  const absl::Time now = clock_.Now();
  const absl::Duration window = absl::Milliseconds(base::kTopTalkersWindowMs);
  const std::lock_guard lock(mutex_);
  Rankings rankings;
  static const Window kNothing;
  // Without requests, one window or two have passed without a new beginning.
  const Window& latest = now - since_ >= 2 * window ? kNothing : now_;
  const Window& earlier = now - since_ >= window || !before_since_ ? kNothing : before_;
  rankings.span = &latest == &kNothing    ? 2 * window
                  : &earlier == &kNothing ? now - since_
                                          : now - *before_since_;
  for (size_t i = 0; i < kMeasures.size(); ++i) {
    rankings.clients[i] = Joined(latest.clients[i], earlier.clients[i]);
    rankings.sources[i] = Joined(latest.sources[i], earlier.sources[i]);
  }
  return rankings;
}

}  // namespace tcsync::access
