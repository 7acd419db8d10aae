#include "listener/service.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <future>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::listener {

Service::Service(const Settings& settings, base::Logger logger)
    : thread_name_(settings.thread_name),
      logger_(std::move(logger)),
      trusted_proxies_(settings.trusted_proxies),
      connection_count_(settings.connections_max, settings.refused_connections_max,
                        settings.connection_bytes_max) {
  for (int i = 0; i < settings.event_loops; ++i) {
    loops_.push_back(
        std::make_unique<EventLoop>(settings.timeouts, connection_count_, loops_.size()));
  }
  for (const auto& loop : loops_) loop->SetSiblings(loops_);
}

absl::Status Service::Bind(const ListenAddress& address, absl::string_view text,
                           const TlsCredentials* tls) {
  auto bound =
      Acceptor::Bind(address, text, {loops_, connection_count_, trusted_proxies_}, tls, logger_);
  if (!bound.ok()) return bound.status();
  for (auto& acceptor : *bound) acceptors_.push_back(std::move(acceptor));
  return absl::OkStatus();
}

std::vector<std::string> Service::urls() const {
  std::vector<std::string> urls;
  for (const auto& acceptor : acceptors_) urls.push_back(acceptor->url());
  return urls;
}

absl::Status Service::Start(http::Handler& handler) {
  try {
    for (const auto& loop : loops_) loop->Start(handler, thread_name_);
  } catch (const std::system_error& error) {
    for (const auto& loop : loops_) loop->Stop();
    return absl::UnavailableError(absl::StrCat("cannot start a thread: ", error.what()));
  }
  is_running_ = true;
  boost::asio::post(loops_.front()->io_context(), [this] {
    for (const auto& acceptor : acceptors_) acceptor->Start();
  });
  return absl::OkStatus();
}

void Service::Collect(metrics::Registry::Sink& sink) const {
  using metrics::Type;
  const ConnectionCount::Figures figures = connection_count_.figures();
  const auto connections = [&sink](const char* state, int64_t count) {
    sink.Add(Type::kGauge, "tcsync_connections",
             "Connections that are being served, and those that are only told 503.",
             {{"state", state}}, static_cast<double>(count));
  };
  connections("served", figures.served);
  connections("refused", figures.refused);
  const auto accepted = [&sink](const char* outcome, int64_t count) {
    sink.Add(
        Type::kCounter, "tcsync_connections_accepted_total",
        "Connections that clients made, by their outcome: served, told 503 because there were too "
        "many (refused), or closed without a response (dropped).",
        {{"outcome", outcome}}, static_cast<double>(count));
  };
  accepted("served", figures.served_total);
  accepted("refused", figures.refused_total);
  accepted("dropped", figures.dropped_total);
  sink.Add(Type::kGauge, "tcsync_connection_bytes",
           "Memory of all connections, in this process and in the kernel: buffers, TLS, unread "
           "responses.",
           {}, static_cast<double>(figures.bytes));
  constexpr const char* kReasons[kEndReasonCount] = {"made-room", "memory", "stalled", "over-rate"};
  for (size_t i = 0; i < kEndReasonCount; ++i) {
    sink.Add(
        Type::kCounter, "tcsync_connections_ended_total",
        "Connections that the server ended: for a newcomer, because their address had the most "
        "(made-room), or most of a memory that ran out (memory); because nothing moved, or too "
        "slowly (stalled); because requests went on after many answers of 429 (over-rate).",
        {{"reason", kReasons[i]}}, static_cast<double>(figures.ended_total[i]));
  }
  for (size_t i = 0; i < loops_.size(); ++i) {
    const std::optional<double> seconds = loops_[i]->CpuSeconds();
    if (!seconds) continue;
    sink.Add(Type::kCounter, "tcsync_event_loop_cpu_seconds_total",
             "CPU time of each event loop's thread: its rate is the loop's busy share.",
             {{"loop", absl::StrCat(i)}}, *seconds);
  }
}

void Service::StopAccepting() {
  const auto close_all = [this] {
    for (const auto& acceptor : acceptors_) acceptor->Close();
  };
  // Acceptors live on the first loop's thread, if there is one.
  if (!is_running_) return close_all();
  std::promise<void> closed;
  boost::asio::post(loops_.front()->io_context(), [&] {
    close_all();
    closed.set_value();
  });
  closed.get_future().wait();
}

void Service::EndConnections() {
  for (const auto& loop : loops_) loop->EndConnections();
}

void Service::AwaitConnections(std::chrono::steady_clock::time_point deadline) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  connection_count_.AwaitZero(std::max(left, std::chrono::milliseconds(0)));
}

void Service::StopNow() {
  for (const auto& loop : loops_) loop->Stop();
  is_running_ = false;
}

}  // namespace tcsync::listener
