#include "listener/acceptor.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using UnixProtocol = asio::local::stream_protocol;

absl::Status BindError(const error_code& error, absl::string_view text) {
  if (error == asio::error::address_in_use) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot listen on ", text, ": the address is in use by another program"));
  }
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot listen on ", text));
}

// An address family that this machine has not, or has no address of.
bool IsUnavailableFamily(const error_code& error) {
  return error == asio::error::address_family_not_supported || error.value() == EADDRNOTAVAIL;
}

std::string TcpUrl(const asio::generic::stream_protocol::endpoint& endpoint) {
  tcp::endpoint address;
  address.resize(endpoint.size());
  std::memcpy(address.data(), endpoint.data(), endpoint.size());
  const std::string host = address.address().to_string();
  return absl::StrCat("http://", address.address().is_v6() ? absl::StrCat("[", host, "]") : host,
                      ":", address.port());
}

}  // namespace

Acceptor::Acceptor(const std::vector<std::unique_ptr<EventLoop>>& loops,
                   ConnectionCount& connection_count, const Logger& logger)
    : loops_(loops),
      connection_count_(connection_count),
      logger_(logger),
      acceptor_(loops.front()->io_context()),
      retry_timer_(loops.front()->io_context()) {}

Acceptor::~Acceptor() { Close(); }

absl::StatusOr<std::vector<std::unique_ptr<Acceptor>>> Acceptor::Bind(
    const ListenAddress& address, absl::string_view text,
    const std::vector<std::unique_ptr<EventLoop>>& loops, ConnectionCount& connection_count,
    const Logger& logger) {
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  const auto add = [&](const Endpoint& endpoint) {
    std::unique_ptr<Acceptor> acceptor(new Acceptor(loops, connection_count, logger));
    const absl::Status status = acceptor->Open(endpoint, text);
    if (status.ok()) acceptors.push_back(std::move(acceptor));
    return status;
  };

  if (const auto* unix_address = std::get_if<UnixAddress>(&address)) {
    if (const absl::Status status = RemoveStaleSocket(unix_address->path, text); !status.ok()) {
      return status;
    }
    if (const absl::Status status = add(UnixProtocol::endpoint(unix_address->path)); !status.ok()) {
      return status;
    }
    acceptors.back()->unix_path_ = unix_address->path;
    acceptors.back()->url_ = absl::StrCat("unix:", unix_address->path);
    return acceptors;
  }

  const auto& tcp_address = std::get<TcpAddress>(address);
  error_code error;
  tcp::resolver resolver(loops.front()->io_context());
  const tcp::resolver::results_type results =
      resolver.resolve(tcp_address.host, tcp_address.port,
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("option listen: '", text, "': the host ",
                                                   tcp_address.host,
                                                   " has no address: ", error.message()));
  }
  absl::Status unavailable;
  for (const auto& result : results) {
    const absl::Status status = add(result.endpoint());
    if (status.ok()) continue;
    // localhost often names an IPv6 address on machines that have none.
    if (!absl::IsFailedPrecondition(status)) return status;
    unavailable = status;
  }
  if (acceptors.empty()) return unavailable;
  return acceptors;
}

absl::Status Acceptor::RemoveStaleSocket(const std::string& path, absl::string_view text) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0)
    return absl::OkStatus();  // bind says what is wrong, if it is
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot listen on ", text, ": there is a file of that name"));
  }
  asio::io_context context;
  UnixProtocol::socket probe(context);
  error_code error;
  probe.connect(UnixProtocol::endpoint(path), error);
  if (error != asio::error::connection_refused) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot listen on ", text, ": the address is in use by another program"));
  }
  // Nobody listens: the program that made it has ended without removing it.
  unlink(path.c_str());
  return absl::OkStatus();
}

absl::Status Acceptor::Open(const Endpoint& endpoint, absl::string_view text) {
  error_code error;
  const auto failed = [&] {
    return IsUnavailableFamily(error) ? absl::FailedPreconditionError(absl::StrCat(
                                            "cannot listen on ", text, ": ", error.message()))
                                      : BindError(error, text);
  };
  acceptor_.open(endpoint.protocol(), error);
  if (error) return failed();
  const int family = endpoint.protocol().family();
  if (family != AF_UNIX) {
    // A restart need not wait for the old connections' last packets.
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (error) return failed();
  }
  if (family == AF_INET6) {
    // So that [::]:80 and 0.0.0.0:80 can be listened on side by side, on every system.
    acceptor_.set_option(asio::ip::v6_only(true), error);
    if (error) return failed();
  }
  acceptor_.bind(endpoint, error);
  if (error) return failed();
  acceptor_.listen(kAcceptBacklog, error);
  if (error) return failed();
  acceptor_.non_blocking(true, error);
  if (error) return failed();
  if (family != AF_UNIX) url_ = TcpUrl(acceptor_.local_endpoint(error));
  return absl::OkStatus();
}

void Acceptor::Close() {
  error_code ignored;
  retry_timer_.cancel();
  acceptor_.close(ignored);
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
  unix_path_.clear();
}

void Acceptor::WaitForConnection() {
  acceptor_.async_wait(StreamAcceptor::wait_read, [this](error_code error) {
    if (error) return;  // closed
    AcceptWaiting();
  });
}

void Acceptor::AcceptWaiting() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const auto [loop, admission] = Choose();
    StreamSocket socket(loop->io_context());
    error_code error;
    acceptor_.accept(socket, error);
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (error == asio::error::connection_aborted) continue;  // the client gave up meanwhile
    if (error) {
      logger_.Log(LogLevel::kError, "cannot accept a connection on ", url_, ": ", error.message());
      retry_timer_.expires_after(std::chrono::milliseconds(kAcceptRetryMs));
      retry_timer_.async_wait([this](error_code cancelled) {
        if (!cancelled) WaitForConnection();
      });
      return;
    }
    if (admission != Admission::kTurnAway) {
      connection_count_.AddServed();
    } else if (!connection_count_.AddRefused()) {
      continue;  // closed without a word
    }
    // Responses are written whole; waiting to fill packets would only delay them. (Unix sockets
    // have no such option.)
    socket.set_option(tcp::no_delay(true), error);
    loop->Adopt(std::move(socket), admission);
  }
  WaitForConnection();
}

std::pair<EventLoop*, Admission> Acceptor::Choose() {
  next_loop_ = (next_loop_ + 1) % loops_.size();
  EventLoop* const next = loops_[next_loop_].get();
  if (!connection_count_.IsFull()) return {next, Admission::kServe};
  EventLoop* most_idle = next;
  for (const std::unique_ptr<EventLoop>& loop : loops_) {
    if (loop->idle_count() > most_idle->idle_count()) most_idle = loop.get();
  }
  if (most_idle->idle_count() > 0) return {most_idle, Admission::kServeInsteadOfIdle};
  return {next, Admission::kTurnAway};
}

}  // namespace tcsync
