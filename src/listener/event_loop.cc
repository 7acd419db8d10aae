#include "listener/event_loop.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/thread.h"

namespace tcsync::listener {
namespace {

// Frequent enough for the shortest timeout, and rare enough to cost nothing.
std::chrono::milliseconds SweepInterval(const ConnectionTimeouts& timeouts) {
  const auto shortest = std::min({timeouts.idle, timeouts.header, timeouts.body, timeouts.request});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
}

}  // namespace

class EventLoop::Mailbox {
 public:
  explicit Mailbox(EventLoop& loop) : loop_(&loop) {}

  // Never delivers within the call that causes the letter.
  void Post(uint64_t id, Letter letter) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    letters_.emplace_back(id, std::move(letter));
    // One wake-up for all letters that arrive before the loop reads them.
    if (letters_.size() > 1) return;
    boost::asio::post(loop_->io_context_, [this] { Empty(); });
  }

  void Close() {
    // Objects in the letters may call back when they are destroyed.
    std::vector<std::pair<uint64_t, Letter>> letters;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    letters_.swap(letters);
  }

 private:
  void Empty() {
    loop_->clock_.Read();
    std::vector<std::pair<uint64_t, Letter>> letters;
    {
      const std::lock_guard lock(mutex_);
      letters.swap(letters_);
    }
    for (auto& [id, letter] : letters) loop_->Deliver(id, std::move(letter));
  }

  EventLoop* const loop_;
  std::mutex mutex_;  // guards the members below
  bool closed_ = false;
  std::vector<std::pair<uint64_t, Letter>> letters_;
};

EventLoop::EventLoop(const ConnectionTimeouts& timeouts, ConnectionCount& connection_count,
                     size_t index)
    : timeouts_(timeouts),
      connection_count_(connection_count),
      index_(index),
      io_context_(1),
      work_(boost::asio::make_work_guard(io_context_)),
      sweep_timer_(io_context_),
      sweep_interval_(SweepInterval(timeouts)),
      mailbox_(std::make_shared<Mailbox>(*this)),
      shares_(io_context_, clock_, connection_count, index),
      read_buffer_(base::kReadBufferBytes) {}

EventLoop::~EventLoop() = default;

void EventLoop::SetSiblings(const std::vector<std::unique_ptr<EventLoop>>& loops) {
  std::vector<FairShares*> siblings;
  for (const auto& loop : loops) siblings.push_back(&loop->shares_);
  shares_.SetSiblings(std::move(siblings));
}

void EventLoop::Start(http::Handler& handler, const char* thread_name) {
  handler_ = &handler;
  ScheduleSweep();
  thread_ = base::StartThread(thread_name, [this] { io_context_.run(); });
}

void EventLoop::EndConnections() {
  boost::asio::post(io_context_, [this] {
    clock_.Read();
    ending_ = true;
    for (const auto& connection : Connections()) connection->EndAfterRequest();
  });
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_context_, [this] {
    clock_.Read();
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
  return
      [mailbox = mailbox_, id](http::Response response) { mailbox->Post(id, std::move(response)); };
}

http::BodySource::PieceCallback EventLoop::PieceCallbackFor(uint64_t id) {
  return [mailbox = mailbox_, id](http::BodySource::Piece piece) {
    mailbox->Post(id, std::move(piece));
  };
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
  } else if (auto* const piece = std::get_if<http::BodySource::Piece>(&letter)) {
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
  clock_.Read();
  const auto remove = [this, &accepted] {
    if (accepted.admission == Admission::kTurnAway) return connection_count_.RemoveRefused();
    connection_count_.RemoveServed();
    if (accepted.network) connection_count_.RemoveConnectionOf(*accepted.network, index_);
  };
  // The connection that was to make room may have become busy since the decision.
  if (accepted.admission == Admission::kReplace && !shares_.MakeRoom(accepted)) {
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
  shares_.Join(*connection, network);
  if (turned_away) {
    connection->TurnAway();
  } else {
    connection->Start();
  }
}

void EventLoop::Forget(Connection& connection) {
  shares_.Leave(connection);
  connections_.erase(connection.id());
  if (connection.turned_away()) {
    connection_count_.RemoveRefused();
  } else {
    connection_count_.RemoveServed();
  }
}

void EventLoop::ScheduleSweep() {
  sweep_timer_.expires_after(sweep_interval_);
  sweep_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    Sweep();
    ScheduleSweep();
  });
}

std::vector<std::shared_ptr<Connection>> EventLoop::Connections() const {
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) all.push_back(connection);
  return all;
}

void EventLoop::Sweep() {
  const Connection::Instant now = clock_.Read();
  for (const auto& connection : Connections()) connection->CheckDeadlines(now);
  shares_.RemoveUnusedGroups();
}

}  // namespace tcsync::listener
