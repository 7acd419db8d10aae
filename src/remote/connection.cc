#include "remote/connection.h"

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http.hpp>
#include <cstring>
#include <new>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/version.h"
#include "remote/certificate_check.h"

namespace tcsync::remote {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

using ErrorCode = boost::system::error_code;
using TimePoint = std::chrono::steady_clock::time_point;

RemoteError Fault(RemoteFault fault, std::string message) {
  return {fault, std::move(message), std::nullopt, Uuid()};
}

// Some parts of Asio and Beast report a lack of memory as an error code.
void ThrowIfOutOfMemory(const ErrorCode& error) {
  if (error == boost::system::errc::not_enough_memory || error == asio::error::no_memory) {
    throw std::bad_alloc();
  }
}

// The other side closed or reset the connection.
bool IsClosed(const ErrorCode& error) {
  return error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::connection_aborted || error == asio::error::broken_pipe ||
         error == asio::error::not_connected || error == asio::ssl::error::stream_truncated ||
         error == http::error::end_of_stream || error == http::error::partial_message;
}

RemoteError TimedOut(const std::string& where, absl::string_view during) {
  return Fault(RemoteFault::kTimedOut,
               absl::StrCat(where, " did not answer in time, during ", during,
                            "; check that the server runs and the network lets this computer "
                            "through, and try again"));
}

RemoteError Cancelled(const std::string& where, absl::string_view during) {
  return Fault(RemoteFault::kCancelled,
               absl::StrCat("the call to ", where, " was cancelled, during ", during));
}

// The error for an operation that was ended before its completion.
std::optional<RemoteError> Interruption(const ErrorCode& error, const std::string& where,
                                        absl::string_view during) {
  if (error == asio::error::timed_out) return TimedOut(where, during);
  if (error == asio::error::operation_aborted) return Cancelled(where, during);
  return std::nullopt;
}

// Checks without blocking whether a socket has data, or is at its end.
bool IsReadable(int socket) {
  pollfd entry{socket, POLLIN, 0};
  return poll(&entry, 1, 0) != 0;
}

std::string UserAgent() { return absl::StrCat("tcsync/", base::kVersion); }

constexpr char kNotHttpHint[] =
    "check the host and port in the URL, and whether it should begin with https:// or http://";

}  // namespace

absl::string_view Answer::Header(absl::string_view name) const {
  for (const auto& [header_name, value] : headers) {
    if (absl::EqualsIgnoreCase(header_name, name)) return value;
  }
  return "";
}

Connection::Connection(const Destination& destination, const Cancellation& cancellation)
    : destination_(destination),
      cancellation_(cancellation),
      socket_(io_context_),
      cancel_descriptor_(io_context_, cancellation.fd()) {}

Connection::~Connection() { cancel_descriptor_.release(); }

RemoteResult<std::unique_ptr<Connection>> Connection::Open(const Destination& destination,
                                                           const Cancellation& cancellation,
                                                           const Deadlines& deadlines) {
  std::unique_ptr<Connection> connection(new Connection(destination, cancellation));
  std::optional<RemoteError> error = connection->Connect(deadlines.connected);
  if (!error && destination.server.uses_tls) {
    if (destination.proxy) error = connection->OpenTunnel(deadlines.connected);
    if (!error) error = connection->HandshakeTls(deadlines.connected);
  }
  if (error) return *std::move(error);
  return connection;
}

void Connection::Abandon(std::unique_ptr<Connection> inherited) {
  if (inherited == nullptr) return;
  try {
    // Both processes have one epoll set, and removing a socket in one would remove it in the other.
    // So this process gets a set of its own first.
    inherited->io_context_.notify_fork(asio::execution_context::fork_child);
  } catch (const std::exception&) {
    // Left as it is: some memory and descriptors are lost, once.
    static_cast<void>(inherited.release());
  }
}

void Connection::WatchCancellation() {
  if (is_watching_) return;
  cancel_descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
    is_watching_ = false;
    if (!error) cancellation_.ConsumeWake();
  });
  is_watching_ = true;
}

template <typename Start>
ErrorCode Connection::Await(TimePoint deadline, Start&& start) {
  if (cancellation_.is_requested()) return asio::error::operation_aborted;
  std::optional<ErrorCode> ended;
  start([&ended](ErrorCode error, auto&&...) { ended = error; });
  bool is_in_time = true;
  while (!ended && is_in_time && !cancellation_.is_requested()) {
    WatchCancellation();
    io_context_.restart();
    is_in_time = io_context_.run_one_until(deadline) != 0;
  }
  if (!ended) {
    ErrorCode ignored;
    socket_.close(ignored);
    while (!ended) {
      io_context_.restart();
      io_context_.run_one();
    }
    return is_in_time ? asio::error::operation_aborted : asio::error::timed_out;
  }
  ThrowIfOutOfMemory(*ended);
  return *ended;
}

std::string Connection::Where() const {
  return destination_.proxy ? absl::StrCat(destination_.server.Origin(), " through the proxy ",
                                           destination_.proxy->HostAndPort())
                            : destination_.server.Origin();
}

ErrorCode Connection::ConnectTo(const SocketAddress& address, TimePoint deadline) {
  Tcp::endpoint endpoint;
  if (address.size > endpoint.capacity()) return asio::error::address_family_not_supported;
  std::memcpy(endpoint.data(), &address.storage, address.size);
  endpoint.resize(address.size);
  ErrorCode error;
  socket_.close(error);
  socket_.open(endpoint.protocol(), error);
  if (error) return error;
  error = Await(deadline, [&](auto&& done) { socket_.async_connect(endpoint, std::move(done)); });
  // Requests are written as a whole, so waiting to fill packets would only delay them.
  ErrorCode ignored;
  if (!error) socket_.set_option(Tcp::no_delay(true), ignored);
  return error;
}

std::optional<RemoteError> Connection::Connect(TimePoint deadline) {
  const std::optional<base::ProxyUrl>& proxy = destination_.proxy;
  const std::string& host = proxy ? proxy->host : destination_.server.host;
  const uint16_t port = proxy ? proxy->port : destination_.server.port;
  const std::string target = proxy ? absl::StrCat("the proxy ", proxy->HostAndPort(), " for ",
                                                  destination_.server.Origin())
                                   : destination_.server.Origin();
  const NameLookup found = LookUpName(host, port, deadline, cancellation_);
  const std::string lookup = absl::StrCat("the lookup of the name '", host, "'");
  if (found.outcome == NameLookup::Outcome::kTimedOut) return TimedOut(target, lookup);
  if (found.outcome == NameLookup::Outcome::kCancelled) return Cancelled(target, lookup);
  if (found.outcome == NameLookup::Outcome::kFailed) {
    return Fault(proxy ? RemoteFault::kProxyFailed : RemoteFault::kNameNotResolved,
                 absl::StrCat("the name '", host, "' of ", target, " is not found (", found.problem,
                              "); check its spelling and this computer's network"));
  }
  ErrorCode error;
  size_t left = found.addresses.size();
  for (const SocketAddress& address : found.addresses) {
    // An address that drops all packets must not use up the time of the following ones.
    const auto now = std::chrono::steady_clock::now();
    error = ConnectTo(address, now + (deadline - now) / static_cast<int64_t>(left--));
    if (!error) return std::nullopt;
    if (error == asio::error::operation_aborted) break;
  }
  if (auto fault = Interruption(error, target, "the connection")) return fault;
  if (proxy) {
    return Fault(RemoteFault::kProxyFailed,
                 absl::StrCat("cannot connect to ", target, ": ", error.message(),
                              "; check the proxy's address"));
  }
  if (error == asio::error::connection_refused) {
    return Fault(RemoteFault::kConnectionRefused,
                 absl::StrCat("cannot connect to ", target,
                              ": connection refused; check the host and port in the URL, and that "
                              "the server runs"));
  }
  return Fault(RemoteFault::kNetworkFailed,
               absl::StrCat("cannot connect to ", target, ": ", error.message(),
                            "; check the host in the URL and this computer's network"));
}

std::optional<RemoteError> Connection::OpenTunnel(TimePoint deadline) {
  const std::string to_proxy = absl::StrCat("the proxy ", destination_.proxy->HostAndPort());
  const std::string target = destination_.server.HostAndPort();
  http::request<http::empty_body> request(http::verb::connect, target, 11);
  request.set(http::field::host, target);
  request.set(http::field::user_agent, UserAgent());
  if (!destination_.proxy->authorization.empty()) {
    request.set(http::field::proxy_authorization, destination_.proxy->authorization);
  }
  http::response_parser<http::empty_body> parser;
  parser.header_limit(base::kRemoteHeadBytesMax);
  parser.skip(true);  // a successful answer to CONNECT has no body
  ErrorCode error =
      Await(deadline, [&](auto&& done) { http::async_write(socket_, request, std::move(done)); });
  if (!error) {
    error = Await(deadline, [&](auto&& done) {
      http::async_read_header(socket_, buffer_, parser, std::move(done));
    });
  }
  if (auto fault = Interruption(error, to_proxy, "the opening of a tunnel")) return fault;
  if (error) {
    return Fault(RemoteFault::kProxyFailed,
                 absl::StrCat(to_proxy, " does not open a tunnel to ", target, ": ",
                              IsClosed(error) ? "it closed the connection" : error.message(),
                              "; check the proxy's address"));
  }
  const int status = parser.get().result_int();
  if (status / 100 == 2) return std::nullopt;
  return Fault(RemoteFault::kProxyFailed,
               absl::StrCat(to_proxy, " refuses a tunnel to ", target, " with HTTP status ", status,
                            status == 407 ? "; give it a user name and a password: "
                                            "http://user:password@host:port"
                                          : "; it does not allow this server, or cannot reach it"));
}

std::optional<RemoteError> Connection::HandshakeTls(TimePoint deadline) {
  const std::string origin = destination_.server.Origin();
  tls_stream_.emplace(socket_, *destination_.tls);
  SSL* const ssl = tls_stream_->native_handle();
  if (!RequireCertificateFor(ssl, destination_.server)) throw std::bad_alloc();
  std::optional<RemoteError> problem;
  bool is_out_of_memory = false;
  ErrorCode error;
  tls_stream_->set_verify_mode(asio::ssl::verify_peer, error);
  // OpenSSL's result stands. The callback is called from C, where no exception may pass.
  tls_stream_->set_verify_callback(
      [&](bool is_valid, asio::ssl::verify_context& check) noexcept {
        try {
          if (!is_valid) {
            problem = CertificateProblem(check.native_handle(), destination_.server,
                                         destination_.authorities);
          }
        } catch (...) {
          is_out_of_memory = true;
        }
        return is_valid;
      },
      error);
  error = Await(deadline, [&](auto&& done) {
    tls_stream_->async_handshake(asio::ssl::stream_base::client, std::move(done));
  });
  if (is_out_of_memory) throw std::bad_alloc();
  if (!error) {
    certificate_expires_ = CertificateExpiry(ssl);
    return std::nullopt;
  }
  if (auto fault = Interruption(error, Where(), "the TLS handshake")) return fault;
  if (problem) return problem;
  if (error.category() == asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER) {
    return Fault(RemoteFault::kNotTls,
                 absl::StrCat("the server at ", origin,
                              " does not speak TLS, but perhaps plain HTTP; check the port in the "
                              "URL, and whether it should begin with http://"));
  }
  return Fault(
      RemoteFault::kTlsFailed,
      absl::StrCat("the TLS handshake with ", Where(), " failed: ",
                   IsClosed(error) ? "the server closed the connection" : error.message(),
                   "; check the port in the URL, and that the server supports TLS 1.2 or newer"));
}

RemoteResult<Answer> Connection::Exchange(const OutgoingRequest& request,
                                          const Deadlines& deadlines, int64_t response_bytes_max) {
  is_kept_alive_ = false;
  was_closed_early_ = false;
  return tls_stream_ ? ExchangeOver(*tls_stream_, request, deadlines.done, response_bytes_max)
                     : ExchangeOver(socket_, request, deadlines.done, response_bytes_max);
}

template <typename Stream>
RemoteResult<Answer> Connection::ExchangeOver(Stream& stream, const OutgoingRequest& request,
                                              TimePoint deadline, int64_t response_bytes_max) {
  const bool is_absolute = destination_.proxy && !destination_.server.uses_tls;
  http::request<http::span_body<const char>> message;
  message.version(11);
  message.method_string({request.method.data(), request.method.size()});
  message.target(is_absolute ? absl::StrCat(destination_.server.Origin(), request.path)
                             : request.path);
  message.set(http::field::host, destination_.server.HostHeader());
  message.set(http::field::user_agent, UserAgent());
  if (is_absolute && !destination_.proxy->authorization.empty()) {
    message.set(http::field::proxy_authorization, destination_.proxy->authorization);
  }
  for (const auto& [name, value] : request.headers) {
    message.set(beast::string_view(name.data(), name.size()), value);
  }
  message.body() = beast::span<const char>(request.body.data(), request.body.size());
  message.prepare_payload();
  const ErrorCode write_error =
      Await(deadline, [&](auto&& done) { http::async_write(stream, message, std::move(done)); });
  if (auto fault = Interruption(write_error, Where(), "the sending of the request")) {
    return *std::move(fault);
  }

  // Also after a failed write: the server may have answered early, and closed before reading the
  // rest.
  std::optional<http::response_parser<http::string_body>> parser;
  ErrorCode error;
  do {
    parser.emplace();
    parser->header_limit(base::kRemoteHeadBytesMax);
    parser->body_limit(static_cast<uint64_t>(response_bytes_max));
    error = Await(deadline, [&](auto&& done) {
      http::async_read_header(stream, buffer_, *parser, std::move(done));
    });
    // 100 Continue and similar responses precede the answer.
  } while (!error && parser->get().result_int() / 100 == 1);
  const auto too_large = [&] {
    return Fault(RemoteFault::kAnswerTooLarge,
                 absl::StrCat("the answer of ", Where(), " is longer than the ", response_bytes_max,
                              " bytes that are accepted; check the URL, or allow more"));
  };
  if (auto fault = Interruption(error, Where(), "the wait for an answer")) {
    return *std::move(fault);
  }
  if (error == http::error::body_limit) return too_large();
  if (IsClosed(error)) {
    was_closed_early_ = error != http::error::partial_message;
    return Fault(RemoteFault::kNetworkFailed,
                 absl::StrCat(Where(), " closed the connection without a complete answer (",
                              (write_error ? write_error : error).message(),
                              "); try again, and check the host and port in the URL"));
  }
  if (error) {
    return Fault(RemoteFault::kBrokenAnswer,
                 absl::StrCat("the answer of ", Where(), " is not HTTP (", error.message(), "); ",
                              kNotHttpHint));
  }

  last_used_ = std::chrono::steady_clock::now();
  Answer answer;
  answer.status = static_cast<int>(parser->get().result_int());
  for (const auto& field : parser->get()) {
    answer.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  const WantedBody wanted = answer.status == 200 ? request.wanted : WantedBody::kIfShort;
  const bool is_optional = wanted == WantedBody::kIfShort;
  const boost::optional<uint64_t> announced = parser->content_length();
  if (wanted == WantedBody::kNone ||
      (is_optional && announced && *announced > base::kRemoteErrorBodyBytesMax)) {
    is_kept_alive_ = parser->is_done() && parser->keep_alive();
    return answer;
  }
  if (is_optional) parser->body_limit(base::kRemoteErrorBodyBytesMax);
  if (!parser->is_done()) {
    error = Await(deadline, [&](auto&& done) {
      http::async_read(stream, buffer_, *parser, std::move(done));
    });
  }
  if (error && is_optional) return answer;
  const auto broken_off = [&](RemoteError fault) -> RemoteResult<Answer> {
    if (!request.accepts_beginning || fault.fault == RemoteFault::kCancelled) return fault;
    answer.body = std::move(parser->get().body());
    answer.broken_off = std::move(fault);
    return std::move(answer);
  };
  if (auto fault = Interruption(error, Where(),
                                absl::StrCat("the receiving of the answer, after ",
                                             parser->get().body().size(), " bytes of it"))) {
    return broken_off(*std::move(fault));
  }
  if (error == http::error::body_limit) return too_large();
  if (IsClosed(error)) {
    return broken_off(
        Fault(RemoteFault::kNetworkFailed,
              absl::StrCat(Where(), " closed the connection in the middle of an answer, after ",
                           parser->get().body().size(), " bytes of it; try again")));
  }
  if (error) {
    return Fault(RemoteFault::kBrokenAnswer,
                 absl::StrCat("the answer of ", Where(), " breaks the rules of HTTP (",
                              error.message(), "); ", kNotHttpHint));
  }
  is_kept_alive_ = write_error ? false : parser->keep_alive();
  answer.body = std::move(parser->get().body());
  return answer;
}

bool Connection::IsReusable() {
  return is_kept_alive_ && buffer_.size() == 0 &&
         std::chrono::steady_clock::now() - last_used_ <
             std::chrono::milliseconds(base::kRemoteIdleMsMax) &&
         !IsReadable(socket_.native_handle());
}

}  // namespace tcsync::remote
