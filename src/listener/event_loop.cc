#include "listener/event_loop.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/thread.h"

namespace tcsync::listener {
namespace {

// Often enough for the shortest timeout, and rarely enough to cost nothing.
std::chrono::milliseconds SweepInterval(const ConnectionTimeouts& timeouts) {
  const auto shortest = std::min({timeouts.idle, timeouts.header, timeouts.body, timeouts.request});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
}

// What no address has: a multicast one. Whom no share is taken from is in one group of that name.
constexpr access::Network kNobody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

// How many of the connections that have waited for longest are looked at for one to close.
constexpr int kLookedAtMax = 64;
// Connections that may stay, before it is given up to find one that may not.
constexpr int kPassedOverMax = 1024;

}  // namespace

class EventLoop::Mailbox {
 public:
  explicit Mailbox(EventLoop& loop) : loop_(&loop) {}

  void SetThread(std::thread::id thread) { thread_ = thread; }

  void Deliver(uint64_t id, Letter letter) {
    // On the loop's own thread the loop is certainly there.
    if (std::this_thread::get_id() == thread_) return loop_->Deliver(id, std::move(letter));
    Post(id, std::move(letter));
  }

  // For what must not be delivered within the call that it is about.
  void Post(uint64_t id, Letter letter) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    letters_.emplace_back(id, std::move(letter));
    // One wake-up for all that come before the loop gets to them.
    if (letters_.size() > 1) return;
    boost::asio::post(loop_->io_context_, [this] { Empty(); });
  }

  void Close() {
    // What the letters own may call back when it goes.
    std::vector<std::pair<uint64_t, Letter>> letters;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    letters_.swap(letters);
  }

 private:
  void Empty() {
    std::vector<std::pair<uint64_t, Letter>> letters;
    {
      const std::lock_guard lock(mutex_);
      letters.swap(letters_);
    }
    for (auto& [id, letter] : letters) loop_->Deliver(id, std::move(letter));
  }

  EventLoop* const loop_;
  std::thread::id thread_;  // set before the first request
  std::mutex mutex_;        // of what follows
  bool closed_ = false;
  std::vector<std::pair<uint64_t, Letter>> letters_;
};

EventLoop::EventLoop(const ConnectionTimeouts& timeouts, ConnectionCount& connection_count,
                     size_t index, const access::ProxyNetworks* trusted_proxies)
    : timeouts_(timeouts),
      connection_count_(connection_count),
      index_(index),
      trusted_proxies_(trusted_proxies),
      io_context_(1),
      work_(boost::asio::make_work_guard(io_context_)),
      sweep_timer_(io_context_),
      sweep_interval_(SweepInterval(timeouts)),
      mailbox_(std::make_shared<Mailbox>(*this)),
      read_buffer_(base::kReadBufferBytes) {}

EventLoop::~EventLoop() = default;

void EventLoop::Start(http::Handler& handler, const char* thread_name) {
  handler_ = &handler;
  ScheduleSweep();
  thread_ = base::StartThread(thread_name, [this] {
    mailbox_->SetThread(std::this_thread::get_id());
    io_context_.run();
  });
}

void EventLoop::EndConnections() {
  boost::asio::post(io_context_, [this] {
    ending_ = true;
    const std::vector<std::shared_ptr<Connection>> all = [this] {
      std::vector<std::shared_ptr<Connection>> list;
      for (const auto& [id, connection] : connections_) list.push_back(connection);
      return list;
    }();
    for (const auto& connection : all) connection->EndAfterRequest();
  });
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_context_, [this] {
    while (!connections_.empty()) {
      const std::shared_ptr<Connection> connection = connections_.begin()->second;
      connection->Close();
    }
    sweep_timer_.cancel();
    io_context_.stop();
  });
  thread_.join();
  mailbox_->Close();
}

http::ResponseCallback EventLoop::ResponseCallbackFor(uint64_t id) {
  return [mailbox = mailbox_, id](http::Response response) {
    mailbox->Deliver(id, std::move(response));
  };
}

http::BodySource::PieceCallback EventLoop::PieceCallbackFor(uint64_t id) {
  return [mailbox = mailbox_, id](Piece piece) { mailbox->Deliver(id, std::move(piece)); };
}

absl::AnyInvocable<void()> EventLoop::ResumeCallbackFor(uint64_t id, uint64_t number) {
  return [mailbox = mailbox_, id, number] { mailbox->Post(id, Resumption{number}); };
}

void EventLoop::Deliver(uint64_t id, Letter letter) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;  // the client did not wait
  const std::shared_ptr<Connection> connection = it->second;
  if (auto* const response = std::get_if<http::Response>(&letter)) {
    connection->OnResponse(std::move(*response));
  } else if (auto* const piece = std::get_if<Piece>(&letter)) {
    connection->OnPiece(std::move(*piece));
  } else {
    connection->OnResume(std::get<Resumption>(letter).number);
  }
}

void EventLoop::Adopt(Accepted accepted) {
  boost::asio::post(io_context_, [this, accepted = std::move(accepted)]() mutable {
    AdoptOnLoop(std::move(accepted));
  });
}

void EventLoop::AdoptOnLoop(Accepted accepted) {
  const auto remove = [this, &accepted] {
    if (accepted.admission == Admission::kTurnAway) return connection_count_.RemoveRefused();
    connection_count_.RemoveServed();
    if (accepted.network) connection_count_.RemoveOf(*accepted.network, index_);
  };
  // The one that was to make room when this was decided may have become busy.
  if (accepted.admission == Admission::kServeInstead && !MakeRoom(accepted)) {
    remove();
    accepted.admission = Admission::kTurnAway;
    if (!connection_count_.AddRefused()) return;
  }
  if (ending_) return remove();
  const uint64_t id = next_id_++;
  const bool turned_away = accepted.admission == Admission::kTurnAway;
  const std::optional<access::Network> network = turned_away ? std::nullopt : accepted.network;
  const auto connection = std::make_shared<Connection>(*this, id, std::move(accepted));
  connections_.emplace(id, connection);
  Join(*connection, network);
  if (turned_away) {
    connection->TurnAway();
  } else {
    connection->Start();
  }
}

void EventLoop::Forget(Connection& connection) {
  Leave(connection);
  connections_.erase(connection.id());
  if (connection.turned_away()) {
    connection_count_.RemoveRefused();
  } else {
    connection_count_.RemoveServed();
  }
}

// The places in lists are nodes that a connection has for as long as it lives, so that moving it
// takes no memory.

void EventLoop::EnterIdle(Connection& connection) {
  idle_.splice(idle_.end(), connection.idle_node_);
  idle_count_.fetch_add(1, std::memory_order_relaxed);
  AddressGroup& group = *connection.group_;
  group.idle.splice(group.idle.end(), group.active, connection.group_position_);
}

void EventLoop::LeaveIdle(Connection& connection) {
  connection.idle_node_.splice(connection.idle_node_.end(), idle_, connection.idle_position_);
  idle_count_.fetch_sub(1, std::memory_order_relaxed);
  AddressGroup& group = *connection.group_;
  group.active.splice(group.active.end(), group.idle, connection.group_position_);
}

void EventLoop::Touch(Connection& connection) {
  if (connection.IsIdle()) return;
  std::list<Connection*>& active = connection.group_->active;
  active.splice(active.end(), active, connection.group_position_);
}

// Shares

void EventLoop::Join(Connection& connection, const std::optional<access::Network>& network) {
  const access::Network& key = network ? *network : kNobody;
  std::unique_ptr<AddressGroup>& group = groups_[key];
  if (group == nullptr) group = std::make_unique<AddressGroup>(key);
  connection.group_ = group.get();
  std::list<Connection*>& list = connection.IsIdle() ? group->idle : group->active;
  connection.group_position_ = list.insert(list.end(), &connection);
  group->bytes += connection.charged_bytes_;
}

void EventLoop::Leave(Connection& connection) {
  AddressGroup& group = *connection.group_;
  if (connection.awaits_turn_) {
    group.waiting.erase(connection.turn_position_);
    connection.awaits_turn_ = false;
  }
  (connection.IsIdle() ? group.idle : group.active).erase(connection.group_position_);
  group.bytes -= connection.charged_bytes_;
  if (group.network != kNobody) connection_count_.RemoveOf(group.network, index_);
}

void EventLoop::ChangeNetwork(Connection& connection,
                              const std::optional<access::Network>& network) {
  if (connection.group_->network == (network ? *network : kNobody)) return;
  Leave(connection);
  Join(connection, network);
  if (network) connection_count_.AddOf(*network, index_);
}

bool EventLoop::MakeRoom(const Accepted& accepted) {
  if (accepted.crowd) {
    const auto it = groups_.find(*accepted.crowd);
    if (it != groups_.end()) {
      if (CloseLongestIdle(it->second->idle, 0)) return true;
      if (accepted.crowd_is_large && CloseStalest(*it->second)) return true;
    }
    // Whoever has the most must not push out those who have less.
    if (accepted.crowd == accepted.network) return false;
  }
  return CloseLongestIdle(
      idle_, accepted.network ? connection_count_.ConnectionsOf(*accepted.network) : 0);
}

bool EventLoop::CloseLongestIdle(const std::list<Connection*>& idle, int64_t crowd_min) {
  int passed_over = 0;
  int looked_at = 0;
  for (Connection* const candidate : idle) {
    const access::Network& network = candidate->group_->network;
    const int64_t own = network == kNobody ? 1 : connection_count_.ConnectionsOf(network);
    if (own < crowd_min) {
      if (++passed_over > kPassedOverMax) return false;
      continue;
    }
    if (++looked_at > kLookedAtMax) return false;
    if (candidate->HasUnreadInput()) continue;
    const std::shared_ptr<Connection> connection = candidate->shared_from_this();
    connection->Close();
    return true;
  }
  return false;
}

bool EventLoop::CloseStalest(const AddressGroup& group) {
  int looked_at = 0;
  for (Connection* const candidate : group.active) {
    if (++looked_at > kLookedAtMax) return false;
    if (!candidate->WaitsForClient()) continue;
    const std::shared_ptr<Connection> connection = candidate->shared_from_this();
    connection->End(EndReason::kMadeRoom);
    return true;
  }
  // Between two requests, the next of which is here and waits for its turn.
  if (group.idle.empty()) return false;
  const std::shared_ptr<Connection> connection = group.idle.front()->shared_from_this();
  connection->End(EndReason::kMadeRoom);
  return true;
}

AddressGroup* EventLoop::GroupToShed() {
  int64_t most = 0;
  for (const auto& [network, group] : groups_) most = std::max(most, group->bytes);
  // Of those that have about as much, the one whose connection has stood still for longest: honest
  // transfers move. One that only waits for its turn did not choose to stand still.
  AddressGroup* chosen = nullptr;
  std::pair<bool, Connection::Instant> oldest;
  for (const auto& [network, group] : groups_) {
    const std::list<Connection*>& list = group->idle.empty() ? group->active : group->idle;
    if (group->bytes < most / 2 || list.empty()) continue;
    const std::pair since(list.front()->awaits_turn_, list.front()->touched_at());
    if (chosen != nullptr && since >= oldest) continue;
    chosen = group.get();
    oldest = since;
  }
  return chosen;
}

void EventLoop::Charge(AddressGroup& group, int64_t more_bytes) {
  group.bytes += more_bytes;
  bytes_ += more_bytes;
  if (connection_count_.Charge(more_bytes) || more_bytes < 0) return;
  Shed();
  if (siblings_ == nullptr || connection_count_.bytes() <= connection_count_.bytes_max() ||
      !connection_count_.BeginShedding()) {
    return;
  }
  for (const std::unique_ptr<EventLoop>& loop : *siblings_) {
    boost::asio::post(loop->io_context_, [sibling = loop.get()] {
      sibling->connection_count_.EndShedding();
      sibling->Shed();
    });
  }
}

void EventLoop::Shed() {
  if (is_shedding_) return;
  is_shedding_ = true;
  const int64_t enough = connection_count_.bytes_max() / 8 * 7;
  const int64_t share = enough / static_cast<int64_t>(siblings_ == nullptr ? 1 : siblings_->size());
  for (size_t left = connections_.size();
       left > 0 && connection_count_.bytes() > enough && bytes_ > share; --left) {
    AddressGroup* const group = GroupToShed();
    if (group == nullptr) break;
    Connection* chosen = group->idle.empty() ? group->active.front() : group->idle.front();
    int looked_at = 0;
    for (Connection* const candidate : group->active) {
      if (!group->idle.empty() || ++looked_at > kLookedAtMax) break;
      if (!candidate->WaitsForClient() ||
          candidate->charged_bytes_ <= static_cast<int64_t>(base::kConnectionBytes))
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

bool EventLoop::MayTakeTurn(const Connection& connection) const {
  const AddressGroup& group = *connection.group_;
  if (!group.waiting.empty()) return false;
  return group.round != round_ || group.used < base::kTurnTime || group.network == kNobody;
}

void EventLoop::Spend(AddressGroup& group, std::chrono::nanoseconds time) {
  if (group.round != round_) {
    group.round = round_;
    group.used = std::chrono::nanoseconds(0);
  }
  group.used += time;
}

void EventLoop::AwaitTurn(Connection& connection) {
  if (connection.awaits_turn_) return;
  AddressGroup& group = *connection.group_;
  connection.awaits_turn_ = true;
  connection.turn_position_ = group.waiting.insert(group.waiting.end(), &connection);
  if (!group.in_ring) {
    group.in_ring = true;
    ring_.push_back(&group);
  }
  PostTurns();
}

void EventLoop::PostTurns() {
  if (turns_are_posted_) return;
  turns_are_posted_ = true;
  // Behind what the system has told meanwhile, so that those who have had less come first.
  boost::asio::post(io_context_, [this] {
    turns_are_posted_ = false;
    RunTurns();
  });
}

void EventLoop::RunTurns() {
  ++round_;
  const Connection::Instant begin = Now();
  const std::chrono::nanoseconds share = base::kTurnsTime / std::max<size_t>(1, ring_.size());
  for (size_t left = ring_.size(); left > 0 && Now() - begin < base::kTurnsTime; --left) {
    AddressGroup* const group = ring_.front();
    ring_.pop_front();
    // Whoever has nobody's share taken from is many, and all of those who wait now have a turn.
    size_t turns = group->network == kNobody ? group->waiting.size() : 1;
    const Connection::Instant group_begin = Now();
    while (!group->waiting.empty() &&
           (turns > 0 || (group->network != kNobody && Now() - group_begin < share))) {
      if (turns > 0) --turns;
      const std::shared_ptr<Connection> connection = group->waiting.front()->shared_from_this();
      group->waiting.pop_front();
      connection->awaits_turn_ = false;
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

void EventLoop::ScheduleSweep() {
  sweep_timer_.expires_after(sweep_interval_);
  sweep_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    Sweep();
    ScheduleSweep();
  });
}

void EventLoop::Sweep() {
  const Connection::Instant now = std::chrono::steady_clock::now();
  // Closing a connection takes it out of the map, so those to look at are copied first.
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->CheckDeadlines(now);
  for (auto it = groups_.begin(); it != groups_.end();) {
    if (it->second->IsUnused()) {
      groups_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace tcsync::listener
