#include "listener/fair_shares.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/limits.h"
#include "listener/connection.h"

namespace tcsync::listener {
namespace {

// A multicast address, which no peer has: the key of the group of connections without a share.
constexpr access::Network kNoShare = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// The number of the longest waiting connections that are considered for closing.
constexpr int kCandidatesMax = 64;
// The number of connections that may stay, before the search for one to close ends.
constexpr int kPassedOverMax = 1024;

}  // namespace

FairShares::FairShares(boost::asio::io_context& io_context, LoopClock& clock,
                       ConnectionCount& connection_count, size_t loop_index)
    : io_context_(io_context),
      clock_(clock),
      connection_count_(connection_count),
      loop_index_(loop_index) {}

// The nodes in lists live as long as their connection, so that moving it allocates no memory.

std::list<Connection*>& FairShares::IdleListOf(const Connection& connection) {
  return connection.IsWaiting() ? waiting_ : idle_;
}

void FairShares::EnterIdle(Connection& connection) {
  std::list<Connection*>& idle = IdleListOf(connection);
  idle.splice(idle.end(), connection.place().idle_node);
  idle_count_.fetch_add(1, std::memory_order_relaxed);
  AddressGroup& group = *connection.place().group;
  group.idle.splice(group.idle.end(), group.active, connection.place().in_group);
}

void FairShares::LeaveIdle(Connection& connection) {
  connection.place().idle_node.splice(connection.place().idle_node.end(), IdleListOf(connection),
                                      connection.place().in_idle);
  idle_count_.fetch_sub(1, std::memory_order_relaxed);
  AddressGroup& group = *connection.place().group;
  group.active.splice(group.active.end(), group.idle, connection.place().in_group);
}

void FairShares::Touch(Connection& connection) {
  if (connection.IsIdle()) return;
  std::list<Connection*>& active = connection.place().group->active;
  active.splice(active.end(), active, connection.place().in_group);
}

// Shares

void FairShares::Join(Connection& connection, const std::optional<access::Network>& network) {
  const access::Network& key = network ? *network : kNoShare;
  std::unique_ptr<AddressGroup>& group = groups_[key];
  if (group == nullptr) group = std::make_unique<AddressGroup>(key);
  connection.place().group = group.get();
  std::list<Connection*>& list = connection.IsIdle() ? group->idle : group->active;
  connection.place().in_group = list.insert(list.end(), &connection);
  group->bytes += connection.place().charged_bytes;
  ++connections_;
}

void FairShares::Leave(Connection& connection) {
  AddressGroup& group = *connection.place().group;
  if (connection.place().awaits_turn()) {
    connection.place().turn_node.splice(connection.place().turn_node.end(), group.waiting,
                                        connection.place().in_waiting);
  }
  (connection.IsIdle() ? group.idle : group.active).erase(connection.place().in_group);
  group.bytes -= connection.place().charged_bytes;
  --connections_;
  if (group.network != kNoShare) connection_count_.RemoveConnectionOf(group.network, loop_index_);
}

void FairShares::ChangeNetwork(Connection& connection,
                               const std::optional<access::Network>& network) {
  if (connection.place().group->network == (network ? *network : kNoShare)) return;
  Leave(connection);
  Join(connection, network);
  if (network) connection_count_.AddConnectionOf(*network, loop_index_);
}

bool FairShares::MakeRoom(const Accepted& accepted) {
  if (accepted.top_address) {
    const auto it = groups_.find(*accepted.top_address);
    if (it != groups_.end()) {
      if (CloseLongestIdle(it->second->idle, 0)) return true;
      if (accepted.top_address_is_large && CloseStalest(*it->second)) return true;
    }
    // The address with the most connections must not push out others.
    if (accepted.top_address == accepted.network) return false;
  }
  const int64_t own = accepted.network ? connection_count_.ConnectionsOf(*accepted.network) : 0;
  return CloseLongestIdle(idle_, own) || CloseLongestIdle(waiting_, own);
}

bool FairShares::CloseLongestIdle(const std::list<Connection*>& idle, int64_t connections_min) {
  int passed_over = 0;
  int candidates = 0;
  for (Connection* const candidate : idle) {
    const access::Network& network = candidate->place().group->network;
    const int64_t own = network == kNoShare ? 1 : connection_count_.ConnectionsOf(network);
    if (own < connections_min) {
      if (++passed_over > kPassedOverMax) return false;
      continue;
    }
    if (++candidates > kCandidatesMax) return false;
    if (!candidate->IsWaiting() && candidate->HasUnreadInput()) continue;
    const std::shared_ptr<Connection> connection = candidate->shared_from_this();
    connection->Close();
    return true;
  }
  return false;
}

bool FairShares::CloseStalest(const AddressGroup& group) {
  int candidates = 0;
  for (Connection* const candidate : group.active) {
    if (++candidates > kCandidatesMax) return false;
    if (!candidate->WaitsForClient()) continue;
    const std::shared_ptr<Connection> connection = candidate->shared_from_this();
    connection->End(EndReason::kMadeRoom);
    return true;
  }
  // This one is between two requests, the next of which is here and waits for its turn.
  if (group.idle.empty()) return false;
  const std::shared_ptr<Connection> connection = group.idle.front()->shared_from_this();
  connection->End(EndReason::kMadeRoom);
  return true;
}

AddressGroup* FairShares::GroupToShed() {
  int64_t most = 0;
  for (const auto& [network, group] : groups_) most = std::max(most, group->bytes);
  // Of the groups with about as much, the one whose connection has stood still for longest: honest
  // transfers move. A connection that waits for its turn comes last.
  AddressGroup* chosen = nullptr;
  std::pair<bool, Connection::Instant> oldest;
  for (const auto& [network, group] : groups_) {
    const std::list<Connection*>& list = group->idle.empty() ? group->active : group->idle;
    if (group->bytes < most / 2 || list.empty()) continue;
    const std::pair since(list.front()->place().awaits_turn(), list.front()->touched_at());
    if (chosen != nullptr && since >= oldest) continue;
    chosen = group.get();
    oldest = since;
  }
  return chosen;
}

void FairShares::Charge(AddressGroup& group, int64_t more_bytes) {
  group.bytes += more_bytes;
  bytes_ += more_bytes;
  if (connection_count_.Charge(more_bytes) || more_bytes < 0) return;
  Shed();
  if (siblings_.empty() || connection_count_.bytes() <= connection_count_.bytes_max() ||
      !connection_count_.BeginShedding()) {
    return;
  }
  for (FairShares* const sibling : siblings_) {
    boost::asio::post(sibling->io_context_, [sibling] {
      sibling->clock_.Read();
      sibling->connection_count_.EndShedding();
      sibling->Shed();
    });
  }
}

void FairShares::Shed() {
  if (is_shedding_) return;
  is_shedding_ = true;
  const int64_t enough = connection_count_.bytes_max() / 8 * 7;
  const int64_t share = enough / static_cast<int64_t>(std::max<size_t>(1, siblings_.size()));
  for (size_t left = connections_; left > 0 && connection_count_.bytes() > enough && bytes_ > share;
       --left) {
    AddressGroup* const group = GroupToShed();
    if (group == nullptr) break;
    Connection* chosen = group->idle.empty() ? group->active.front() : group->idle.front();
    int candidates = 0;
    for (Connection* const candidate : group->active) {
      if (!group->idle.empty() || ++candidates > kCandidatesMax) break;
      if (!candidate->WaitsForClient() ||
          candidate->place().charged_bytes <= static_cast<int64_t>(base::kConnectionBytes))
        continue;
      chosen = candidate;
      break;
    }
    const std::shared_ptr<Connection> connection = chosen->shared_from_this();
    connection->End(EndReason::kMemory);
  }
  is_shedding_ = false;
}

// Turns

bool FairShares::MayTakeTurn(const Connection& connection) const {
  const AddressGroup& group = *connection.place().group;
  if (!group.waiting.empty()) return false;
  return group.round != round_ || group.used < base::kTurnTime || group.network == kNoShare;
}

void FairShares::Spend(AddressGroup& group, std::chrono::nanoseconds time) {
  if (group.round != round_) {
    group.round = round_;
    group.used = std::chrono::nanoseconds(0);
  }
  group.used += time;
}

void FairShares::AwaitTurn(Connection& connection) {
  if (connection.place().awaits_turn()) return;
  AddressGroup& group = *connection.place().group;
  group.waiting.splice(group.waiting.end(), connection.place().turn_node);
  if (!group.in_ring) {
    group.in_ring = true;
    ring_.push_back(&group);
  }
  PostTurns();
}

void FairShares::PostTurns() {
  if (turns_are_posted_) return;
  turns_are_posted_ = true;
  // After the pending events of the system, so that addresses that have used less come first.
  boost::asio::post(io_context_, [this] {
    turns_are_posted_ = false;
    RunTurns();
  });
}

void FairShares::RunTurns() {
  ++round_;
  const Connection::Instant begin = clock_.Read();
  const std::chrono::nanoseconds share = base::kTurnsTime / std::max<size_t>(1, ring_.size());
  for (size_t left = ring_.size(); left > 0 && clock_.now() - begin < base::kTurnsTime; --left) {
    AddressGroup* const group = ring_.front();
    ring_.pop_front();
    // Connections without a share are of many addresses, and each that waits now gets a turn.
    size_t turns = group->network == kNoShare ? group->waiting.size() : 1;
    const Connection::Instant group_begin = clock_.now();
    while (!group->waiting.empty() &&
           (turns > 0 || (group->network != kNoShare && clock_.now() - group_begin < share))) {
      if (turns > 0) --turns;
      const std::shared_ptr<Connection> connection = group->waiting.front()->shared_from_this();
      connection->place().turn_node.splice(connection->place().turn_node.end(), group->waiting,
                                           group->waiting.begin());
      connection->TakeTurn();
    }
    if (group->waiting.empty()) {
      group->in_ring = false;
    } else {
      ring_.push_back(group);
    }
  }
  if (!ring_.empty()) PostTurns();
}

void FairShares::RemoveUnusedGroups() {
  for (auto it = groups_.begin(); it != groups_.end();) {
    if (it->second->IsUnused()) {
      groups_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace tcsync::listener
