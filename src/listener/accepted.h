// A connection on its way from the acceptor to an event loop.
#ifndef TCSYNC_SRC_LISTENER_ACCEPTED_H_
#define TCSYNC_SRC_LISTENER_ACCEPTED_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "listener/tls_credentials.h"
#include "tcsync/peer_address.h"

namespace tcsync {

using StreamSocket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol>;

// What to do with an accepted connection.
enum class Admission {
  kServe,
  kServeInsteadOfIdle,  // and close the connection that has been idle longest for it
  kTurnAway,            // with a 503
};

struct Accepted {
  StreamSocket socket;
  PeerAddress peer;
  // What it must speak TLS with; nullptr for plain HTTP. Borrowed for as long as the loop lives.
  const TlsCredentials* tls = nullptr;
  Admission admission = Admission::kServe;
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_LISTENER_ACCEPTED_H_
