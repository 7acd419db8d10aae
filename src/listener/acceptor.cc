#include "listener/acceptor.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "access/network.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "tcsync/peer_address.h"

namespace tcsync::listener {
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

// An address family that this machine lacks, or has no address of.
bool IsUnavailableFamily(const error_code& error) {
  return error == asio::error::address_family_not_supported || error.value() == EADDRNOTAVAIL;
}

tcp::endpoint TcpEndpoint(const asio::generic::stream_protocol::endpoint& endpoint) {
  tcp::endpoint address;
  address.resize(endpoint.size());
  std::memcpy(address.data(), endpoint.data(), endpoint.size());
  return address;
}

std::string TcpUrl(absl::string_view scheme,
                   const asio::generic::stream_protocol::endpoint& endpoint) {
  const tcp::endpoint address = TcpEndpoint(endpoint);
  const std::string host = address.address().to_string();
  return absl::StrCat(scheme, "://",
                      address.address().is_v6() ? absl::StrCat("[", host, "]") : host, ":",
                      address.port());
}

PeerAddress PeerOf(const asio::generic::stream_protocol::endpoint& endpoint) {
  const asio::ip::address address = TcpEndpoint(endpoint).address();
  return address.is_v4() ? PeerAddress::FromIpv4(address.to_v4().to_bytes())
                         : PeerAddress::FromIpv6(address.to_v6().to_bytes());
}

}  // namespace

Acceptor::Acceptor(const Destination& destination, const TlsCredentials* tls,
                   const base::Logger& logger)
    : loops_(destination.loops),
      connection_count_(destination.connection_count),
      trusted_proxies_(destination.trusted_proxies),
      tls_(tls),
      logger_(logger),
      acceptor_(loops_.front()->io_context()),
      retry_timer_(loops_.front()->io_context()) {}

Acceptor::~Acceptor() { Close(); }

absl::StatusOr<std::vector<std::unique_ptr<Acceptor>>> Acceptor::Bind(
    const ListenAddress& address, absl::string_view text, const Destination& destination,
    const TlsCredentials* tls, const base::Logger& logger) {
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  if (const auto* unix_address = std::get_if<UnixAddress>(&address)) {
    // Clients of a Unix socket are on this machine, so it needs no TLS.
    std::unique_ptr<Acceptor> acceptor(new Acceptor(destination, nullptr, logger));
    const absl::Status status = acceptor->OpenUnix(*unix_address, text);
    if (!status.ok()) return status;
    acceptors.push_back(std::move(acceptor));
    return acceptors;
  }

  const auto& tcp_address = std::get<TcpAddress>(address);
  error_code error;
  tcp::resolver resolver(destination.loops.front()->io_context());
  const tcp::resolver::results_type results =
      resolver.resolve(tcp_address.host, tcp_address.port,
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on '", base::ShowForeign(text),
                                                   "': the host ", tcp_address.host,
                                                   " has no address: ", error.message()));
  }
  absl::Status unavailable;
  for (const auto& result : results) {
    std::unique_ptr<Acceptor> acceptor(new Acceptor(destination, tls, logger));
    const absl::Status status = acceptor->OpenTcp(result.endpoint(), text);
    if (status.ok()) {
      acceptors.push_back(std::move(acceptor));
      continue;
    }
    // localhost often has an IPv6 address on machines without IPv6.
    if (!absl::IsFailedPrecondition(status)) return status;
    unavailable = status;
  }
  if (acceptors.empty()) return unavailable;
  return acceptors;
}

absl::Status Acceptor::RemoveStaleSocket(const std::string& path, absl::string_view text) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();  // bind reports a fault
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot listen on ", text, ": there is a file of that name"));
  }
  asio::io_context context;
  UnixProtocol::socket probe(context);
  error_code error;
  probe.connect(UnixProtocol::endpoint(path), error);
  if (error != asio::error::connection_refused) return BindError(asio::error::address_in_use, text);
  // There is no listener: the program that made the socket has ended without removing it.
  unlink(path.c_str());
  return absl::OkStatus();
}

absl::Status Acceptor::OpenTcp(const Endpoint& endpoint, absl::string_view text) {
  error_code error;
  const auto failed = [&] {
    return IsUnavailableFamily(error) ? absl::FailedPreconditionError(absl::StrCat(
                                            "cannot listen on ", text, ": ", error.message()))
                                      : BindError(error, text);
  };
  acceptor_.open(endpoint.protocol(), error);
  if (error) return failed();
  // A restart need not wait for the last packets of old connections.
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (error) return failed();
  if (endpoint.protocol().family() == AF_INET6) {
    // Allows [::]:80 and 0.0.0.0:80 side by side on every system.
    acceptor_.set_option(asio::ip::v6_only(true), error);
    if (error) return failed();
  }
  acceptor_.bind(endpoint, error);
  if (error) return failed();
  if (const absl::Status status = Listen(text); !status.ok()) return status;
  url_ = TcpUrl(tls_ == nullptr ? "http" : "https", acceptor_.local_endpoint(error));
  return absl::OkStatus();
}

absl::Status Acceptor::OpenUnix(const UnixAddress& address, absl::string_view text) {
  if (const absl::Status status = RemoveStaleSocket(address.path, text); !status.ok()) {
    return status;
  }
  const UnixProtocol::endpoint endpoint(address.path);
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (error) return BindError(error, text);
  acceptor_.bind(endpoint, error);
  if (error) return BindError(error, text);
  unix_path_ = address.path;
  // Before the socket listens, nobody can connect, so other users never can.
  if (address.owner_only && chmod(address.path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot keep others from connecting to ", text));
  }
  url_ = absl::StrCat("unix:", address.path);
  return Listen(text);
}

absl::Status Acceptor::Listen(absl::string_view text) {
  error_code error;
  // Before listening, because accepted sockets inherit the option. A system may ignore it.
  acceptor_.set_option(asio::socket_base::send_buffer_size(base::kSocketSendBufferBytes), error);
  acceptor_.set_option(asio::socket_base::receive_buffer_size(base::kSocketReceiveBufferBytes),
                       error);
  acceptor_.listen(base::kAcceptBacklog, error);
  closed_in_child_.emplace(acceptor_.native_handle());
  if (!error) acceptor_.non_blocking(true, error);
  return error ? BindError(error, text) : absl::OkStatus();
}

void Acceptor::Close() {
  error_code ignored;
  retry_timer_.cancel();
  closed_in_child_.reset();
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
  for (int i = 0; i < base::kAcceptsPerTurn; ++i) {
    next_loop_ = (next_loop_ + 1) % loops_.size();
    StreamSocket socket(loops_[next_loop_]->io_context());
    Endpoint peer;
    error_code error;
    acceptor_.accept(socket, peer, error);
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (error == asio::error::connection_aborted) continue;  // the client has closed it meanwhile
    if (error) {
      logger_.Log(LogLevel::kError, "cannot accept a connection on ", url_, ": ", error.message());
      retry_timer_.expires_after(std::chrono::milliseconds(base::kAcceptRetryMs));
      retry_timer_.async_wait([this](error_code cancelled) {
        if (!cancelled) WaitForConnection();
      });
      return;
    }
    // Responses are written as a whole; waiting to fill packets would only delay them. (Unix
    // sockets have no such option.)
    socket.set_option(tcp::no_delay(true), error);
    Accepted accepted{.socket = std::move(socket),
                      .peer = unix_path_.empty() ? PeerOf(peer) : PeerAddress::Local(),
                      .tls = tls_};
    EventLoop* const loop = Choose(accepted);
    if (accepted.admission != Admission::kTurnAway) {
      connection_count_.AddServed();
      if (accepted.network) connection_count_.AddConnectionOf(*accepted.network, loop->index());
    } else if (!connection_count_.AddRefused(accepted.top_address_is_large)) {
      continue;  // closed without an answer
    }
    if (loop != loops_[next_loop_].get() && !MoveTo(*loop, accepted)) {
      connection_count_.RemoveServed();
      if (accepted.network) connection_count_.RemoveConnectionOf(*accepted.network, loop->index());
      continue;
    }
    loop->Adopt(std::move(accepted));
  }
  WaitForConnection();
}

bool Acceptor::MoveTo(EventLoop& loop, Accepted& accepted) {
  error_code error;
  const auto protocol = acceptor_.local_endpoint(error).protocol();
  if (error) return false;
  const int descriptor = accepted.socket.release(error);
  if (error) return false;
  accepted.socket = StreamSocket(loop.io_context());
  accepted.socket.assign(protocol, descriptor, error);
  if (error) close(descriptor);
  return !error;
}

EventLoop* Acceptor::Choose(Accepted& accepted) {
  EventLoop* const next = loops_[next_loop_].get();
  if (trusted_proxies_.Trusts(accepted.peer)) {
    accepted.trusted_proxies = &trusted_proxies_;
  } else {
    accepted.network = access::NetworkOf(accepted.peer);
  }
  if (!connection_count_.IsFull()) return next;

  const std::optional<ConnectionCount::TopAddress> top = connection_count_.FindTopAddress();
  const int64_t own = accepted.network ? connection_count_.ConnectionsOf(*accepted.network) : 0;
  EventLoop* most_idle = next;
  for (const std::unique_ptr<EventLoop>& loop : loops_) {
    if (loop->idle_count() > most_idle->idle_count()) most_idle = loop.get();
  }
  if (top && top->connections > own) {
    accepted.top_address = top->network;
    // An address with far more connections than the newcomer's gives way even where it is busy:
    // otherwise it could keep all others out.
    accepted.top_address_is_large = top->connections >= base::kLargeAddressConnections &&
                                    top->connections >= base::kLargeAddressRatio * (own + 1);
    accepted.admission = Admission::kReplace;
    EventLoop* const top_loop = loops_[top->loop].get();
    // If all connections are busy, only an address with many makes room.
    return accepted.top_address_is_large || top_loop->idle_count() > 0 ? top_loop : most_idle;
  }
  // Among equals, the longest idle connection makes room, or else one of the newcomer's own.
  if (own > 1) accepted.top_address = accepted.network;
  accepted.admission = most_idle->idle_count() > 0 ? Admission::kReplace : Admission::kTurnAway;
  accepted.top_address_is_large =
      own >= base::kLargeAddressConnections && accepted.admission == Admission::kTurnAway;
  return accepted.admission == Admission::kTurnAway ? next : most_idle;
}

}  // namespace tcsync::listener
