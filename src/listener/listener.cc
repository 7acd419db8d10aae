#include "tcsync/listener.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "listener/acceptor.h"
#include "listener/address.h"
#include "listener/event_loop.h"

namespace tcsync {
namespace {

class BeastListener final : public Listener {
 public:
  BeastListener(const Options& options, const Limits& limits, Logger logger);
  ~BeastListener() override;

  absl::Status BindAddresses(const std::vector<std::string>& addresses);

  std::vector<std::string> addresses() const override;
  absl::Status Serve(http::Handler& handler) override;
  void Stop() override;

 private:
  enum class Phase { kBound, kServing, kStopped };

  void CloseAcceptors();
  void End(std::chrono::milliseconds timeout);

  const std::chrono::milliseconds shutdown_timeout_;
  const Logger logger_;
  ConnectionCount connection_count_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::mutex mutex_;  // of phase_; held by Stop until it is done, so that a second one waits for it
  Phase phase_ = Phase::kBound;
};

BeastListener::BeastListener(const Options& options, const Limits& limits, Logger logger)
    : shutdown_timeout_(options.shutdown_timeout_ms),
      logger_(std::move(logger)),
      connection_count_(limits.connections_max, limits.refused_connections_max) {
  const ConnectionTimeouts timeouts{
      .idle = std::chrono::milliseconds(options.idle_timeout_ms),
      .header = std::chrono::milliseconds(options.header_timeout_ms),
      .body = std::chrono::milliseconds(options.body_timeout_ms),
      .request = std::chrono::milliseconds(options.request_timeout_ms)};
  for (int i = 0; i < limits.event_loops; ++i) {
    loops_.push_back(std::make_unique<EventLoop>(timeouts, connection_count_));
  }
}

BeastListener::~BeastListener() {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kServing) End(std::chrono::milliseconds(0));
}

absl::Status BeastListener::BindAddresses(const std::vector<std::string>& addresses) {
  if (addresses.empty()) {
    return absl::InvalidArgumentError("option listen: there is no address to listen on");
  }
  // All are looked at before the first is bound.
  std::vector<ListenAddress> parsed;
  for (const std::string& text : addresses) {
    absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    if (!address.ok()) return address.status();
    parsed.push_back(std::move(*address));
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    auto bound = Acceptor::Bind(parsed[i], addresses[i], loops_, connection_count_, logger_);
    if (!bound.ok()) return bound.status();
    for (auto& acceptor : *bound) acceptors_.push_back(std::move(acceptor));
  }
  return absl::OkStatus();
}

std::vector<std::string> BeastListener::addresses() const {
  std::vector<std::string> urls;
  for (const auto& acceptor : acceptors_) urls.push_back(acceptor->url());
  return urls;
}

absl::Status BeastListener::Serve(http::Handler& handler) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kBound) {
    return absl::FailedPreconditionError("this listener has been started before");
  }
  try {
    for (const auto& loop : loops_) loop->Start(handler);
  } catch (const std::system_error& error) {
    for (const auto& loop : loops_) loop->Stop();
    phase_ = Phase::kStopped;
    return absl::UnavailableError(absl::StrCat("cannot start a thread: ", error.what()));
  }
  phase_ = Phase::kServing;
  boost::asio::post(loops_.front()->io_context(), [this] {
    for (const auto& acceptor : acceptors_) acceptor->Start();
  });
  return absl::OkStatus();
}

void BeastListener::Stop() {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kServing) End(shutdown_timeout_);
  // Without loops that run, the acceptors are closed from here.
  if (phase_ == Phase::kBound) {
    for (const auto& acceptor : acceptors_) acceptor->Close();
  }
  phase_ = Phase::kStopped;
}

void BeastListener::CloseAcceptors() {
  std::promise<void> closed;
  boost::asio::post(loops_.front()->io_context(), [this, &closed] {
    for (const auto& acceptor : acceptors_) acceptor->Close();
    closed.set_value();
  });
  closed.get_future().wait();
}

void BeastListener::End(std::chrono::milliseconds timeout) {
  CloseAcceptors();
  for (const auto& loop : loops_) loop->EndConnections();
  connection_count_.AwaitZero(timeout);
  for (const auto& loop : loops_) loop->Stop();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const Options& options, LogFunction log) {
  auto listener = std::make_unique<BeastListener>(options, Limits(options),
                                                  Logger(std::move(log), LogLevelOf(options)));
  const absl::Status status = listener->BindAddresses(options.listen);
  if (!status.ok()) return status;
  return listener;
}

}  // namespace tcsync
