// A connection on its way from the acceptor to an event loop.
#ifndef TCSYNC_SRC_LISTENER_ACCEPTED_H_
#define TCSYNC_SRC_LISTENER_ACCEPTED_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <optional>

#include "access/network.h"
#include "listener/tls_credentials.h"
#include "tcsync/peer_address.h"

namespace tcsync::listener {

using StreamSocket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol>;

// What to do with an accepted connection.
enum class Admission {
  kServe,
  kServeInstead,  // and close another one for it
  kTurnAway,      // with a 503
};

struct Accepted {
  StreamSocket socket;
  PeerAddress peer;
  // What it must speak TLS with; nullptr for plain HTTP. Borrowed for as long as the loop lives.
  const TlsCredentials* tls = nullptr;
  Admission admission = Admission::kServe;
  // Whose share it takes from; nullopt for a peer behind which others are: a Unix socket, or a
  // proxy that is trusted to say whom a request comes from.
  std::optional<access::Network> network = std::nullopt;
  // With kServeInstead, whose connection is to make room: the address that has the most. nullopt:
  // whichever has been idle for longest.
  std::optional<access::Network> crowd = std::nullopt;
  // Whether one of `crowd` makes room even if it is not idle.
  bool crowd_is_large = false;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ACCEPTED_H_
