// One bound address: accepts connections and distributes them to the event loops.
#ifndef TCSYNC_SRC_LISTENER_ACCEPTOR_H_
#define TCSYNC_SRC_LISTENER_ACCEPTOR_H_

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "base/process_mark.h"
#include "listener/address.h"
#include "listener/event_loop.h"
#include "listener/tls_credentials.h"

namespace tcsync::listener {

// The destination of accepted connections. Borrowed, and must outlive the acceptor.
struct Destination {
  const std::vector<std::unique_ptr<EventLoop>>& loops;
  ConnectionCount& connection_count;
  // Proxies, whose connections carry others' requests.
  const access::ProxyNetworks& trusted_proxies;
};

// Used on the first event loop's thread once Start() has been called.
class Acceptor {
 public:
  // Binds `address`, which a person wrote as `text`. A name is bound at all of its addresses. With
  // `tls`, which is borrowed, TCP connections must speak TLS. Errors as of Listener::Bind.
  static absl::StatusOr<std::vector<std::unique_ptr<Acceptor>>> Bind(const ListenAddress& address,
                                                                     absl::string_view text,
                                                                     const Destination& destination,
                                                                     const TlsCredentials* tls,
                                                                     const base::Logger& logger);

  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void Start() { WaitForConnection(); }
  // On the loop's thread, or when the loop does not run.
  void Close();

  // "http://127.0.0.1:8080", with TLS "https://127.0.0.1:8080", or "unix:/path".
  const std::string& url() const { return url_; }

 private:
  using StreamAcceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;
  using Endpoint = boost::asio::generic::stream_protocol::endpoint;

  Acceptor(const Destination& destination, const TlsCredentials* tls, const base::Logger& logger);

  absl::Status OpenTcp(const Endpoint& endpoint, absl::string_view text);
  absl::Status OpenUnix(const UnixAddress& address, absl::string_view text);
  absl::Status Listen(absl::string_view text);
  static absl::Status RemoveStaleSocket(const std::string& path, absl::string_view text);

  void WaitForConnection();
  void AcceptWaiting();
  // Returns the loop for a connection, and sets its treatment there: its admission, trusted
  // proxies, network, top_address and top_address_is_large.
  EventLoop* Choose(Accepted& accepted);
  // Hands the socket over to another loop; false when the system does not allow it.
  bool MoveTo(EventLoop& loop, Accepted& accepted);

  const std::vector<std::unique_ptr<EventLoop>>& loops_;
  ConnectionCount& connection_count_;
  const access::ProxyNetworks& trusted_proxies_;
  const TlsCredentials* const tls_;  // nullptr for plain HTTP
  const base::Logger logger_;
  StreamAcceptor acceptor_;
  // In a forked child it would keep the address in use without accepting connections.
  std::optional<base::ClosedInChild> closed_in_child_;
  boost::asio::steady_timer retry_timer_;
  size_t next_loop_ = 0;
  std::string url_;
  std::string unix_path_;  // removed at the end; "" for TCP
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ACCEPTOR_H_
