// A connection on its way from the acceptor to an event loop.
#ifndef TCSYNC_SRC_LISTENER_ACCEPTED_H_
#define TCSYNC_SRC_LISTENER_ACCEPTED_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <optional>

#include "access/network.h"
#include "access/proxy_networks.h"
#include "listener/tls_credentials.h"
#include "tcsync/peer_address.h"

namespace tcsync::listener {

using StreamSocket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol>;

// The treatment of an accepted connection.
enum class Admission {
  kServe,
  kReplace,   // and close another one for it
  kTurnAway,  // with a 503
};

struct Accepted {
  StreamSocket socket;
  PeerAddress peer;
  // The credentials for TLS; nullptr for plain HTTP. Borrowed during the loop's lifetime.
  const TlsCredentials* tls = nullptr;
  Admission admission = Admission::kServe;
  // For a peer that is trusted to name the source of a request; nullptr for any other. Borrowed
  // during the loop's lifetime.
  const access::ProxyNetworks* trusted_proxies = nullptr;
  // The address whose share it takes from; nullopt for a peer with other clients behind it: a Unix
  // socket, or a trusted proxy.
  std::optional<access::Network> network = std::nullopt;
  // With kReplace, the address whose connection makes room: the one with the most. nullopt:
  // the address of the longest idle connection.
  std::optional<access::Network> top_address = std::nullopt;
  // Whether a connection of `top_address` makes room even if none is idle.
  bool top_address_is_large = false;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ACCEPTED_H_
