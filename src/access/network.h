// The network that counts as one address for limits and shares.
#ifndef TCSYNC_SRC_ACCESS_NETWORK_H_
#define TCSYNC_SRC_ACCESS_NETWORK_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "tcsync/peer_address.h"

namespace tcsync::access {

using Network = std::array<uint8_t, 16>;

// An IPv4 address, or the /64 of an IPv6 one, because one customer of a provider has a /64. nullopt
// for a source without an address, such as a Unix socket, whose permissions are the file system's.
std::optional<Network> NetworkOf(const PeerAddress& source);

// The same for the log: "192.0.2.7" or "2001:db8::/64". `source` is an address.
std::string NetworkText(const PeerAddress& source);

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_NETWORK_H_
