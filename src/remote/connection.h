// One connection to a sync server: name lookup, proxy, TLS, and HTTP/1.1 exchanges over it, each
// step within a deadline.
#ifndef TCSYNC_SRC_REMOTE_CONNECTION_H_
#define TCSYNC_SRC_REMOTE_CONNECTION_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/server_url.h"
#include "remote/cancellation.h"
#include "remote/name_lookup.h"
#include "tcsync/remote_server.h"

namespace tcsync::remote {

// The destination of connections. Must outlive them.
struct Destination {
  base::ServerUrl server;
  std::optional<base::ProxyUrl> proxy;
  boost::asio::ssl::context* tls = nullptr;  // if server.uses_tls
  std::string authorities;                   // the place of the system's authorities
};

// The deadlines of a call; `connected`, never later than `done`, is for the connection.
struct Deadlines {
  std::chrono::steady_clock::time_point connected;
  std::chrono::steady_clock::time_point done;
};

// The wanted part of a 200's body. For any other answer it is kIfShort.
enum class WantedBody { kNone, kIfShort, kWhole };

struct OutgoingRequest {
  absl::string_view method;
  std::string path;  // with the base path
  std::vector<std::pair<absl::string_view, std::string>> headers;
  absl::string_view body;
  WantedBody wanted = WantedBody::kWhole;
  // Whether the beginning of a 200's body is of use: then an answer that breaks off within it, or
  // takes too long, is no error.
  bool accepts_beginning = false;
};

struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // The reason why the body is only its beginning.
  std::optional<RemoteError> broken_off = std::nullopt;

  // The value of the first header of that name, in any case; empty if there is none.
  absl::string_view Header(absl::string_view name) const;
};

// One thread at a time. After any error or exception the connection must be destroyed.
class Connection {
 public:
  // `cancellation` applies to each step and to the exchanges, and must outlive the connection.
  static RemoteResult<std::unique_ptr<Connection>> Open(const Destination& destination,
                                                        const Cancellation& cancellation,
                                                        const Deadlines& deadlines);

  // For a connection of the parent process, in a forked child: closes this process' copy of it, and
  // sends nothing, because the stream of bytes belongs to the parent.
  static void Abandon(std::unique_ptr<Connection> inherited);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Sends the request and receives its answer. For any status but 200, the body is omitted if it is
  // long or does not arrive.
  RemoteResult<Answer> Exchange(const OutgoingRequest& request, const Deadlines& deadlines,
                                int64_t response_bytes_max);

  // Whether another exchange may follow: the server keeps the connection open, as far as is known,
  // and it was not idle for long.
  bool IsReusable();

  // Whether the server keeps the connection open after the last exchange, all of which was read.
  bool is_kept_alive() const { return is_kept_alive_; }

  // Whether the last exchange failed without a byte of an answer, as on a connection that the
  // server had closed before.
  bool was_closed_early() const { return was_closed_early_; }

  // The time at which the server's certificate expires; nullopt without TLS.
  std::optional<int64_t> certificate_expires() const { return certificate_expires_; }

 private:
  using Tcp = boost::asio::ip::tcp;
  using TimePoint = std::chrono::steady_clock::time_point;
  using ErrorCode = boost::system::error_code;

  Connection(const Destination& destination, const Cancellation& cancellation);

  std::optional<RemoteError> Connect(TimePoint deadline);
  ErrorCode ConnectTo(const SocketAddress& address, TimePoint deadline);
  std::optional<RemoteError> OpenTunnel(TimePoint deadline);
  std::optional<RemoteError> HandshakeTls(TimePoint deadline);

  template <typename Stream>
  RemoteResult<Answer> ExchangeOver(Stream& stream, const OutgoingRequest& request,
                                    TimePoint deadline, int64_t response_bytes_max);

  // Runs one asynchronous operation to its end, or ends it at the deadline and returns timed_out,
  // or when the call is cancelled and returns operation_aborted. `start` is called with the
  // completion handler.
  template <typename Start>
  ErrorCode Await(TimePoint deadline, Start&& start);
  void WatchCancellation();

  std::string Where() const;

  const Destination& destination_;
  const Cancellation& cancellation_;
  boost::asio::io_context io_context_;
  Tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<Tcp::socket&>> tls_stream_;
  boost::beast::flat_buffer buffer_;  // bytes behind the last answer
  bool is_kept_alive_ = false;
  bool was_closed_early_ = false;
  TimePoint last_used_;
  std::optional<int64_t> certificate_expires_;
  // Borrows the cancellation's descriptor. The last to be created, so that it is destroyed only by
  // the destructor, which releases the descriptor.
  boost::asio::posix::stream_descriptor cancel_descriptor_;
  bool is_watching_ = false;
};

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_CONNECTION_H_
