// Proxies that are trusted to name the source of a request.
#ifndef TCSYNC_SRC_ACCESS_PROXY_NETWORKS_H_
#define TCSYNC_SRC_ACCESS_PROXY_NETWORKS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "access/forwarded_fields.h"
#include "tcsync/peer_address.h"

namespace tcsync::access {

// The option trusted-proxy: networks such as 10.0.0.0/8, single addresses, and two words.
//
//   unix  a peer that connects by a Unix socket
//   fly   the network of Fly's proxy, 172.16.0.0/12 and fdaa::/16, which names the source in
//         Fly-Client-IP
//
// Fly-Client-IP is ignored from other trusted proxies: they forward unknown fields, and a client
// that sent the field itself would choose its source.
//
// A value; thread-compatible.
class ProxyNetworks {
 public:
  // Trusts no peer.
  ProxyNetworks() = default;

  // kInvalidArgument names an item of another form.
  static absl::StatusOr<ProxyNetworks> Parse(absl::Span<const std::string> items);

  bool Trusts(const PeerAddress& peer) const;

  // The source of a request: `peer`, unless that is a trusted proxy. Then the address in
  // Fly-Client-IP, as above, or else the rightmost address of X-Forwarded-For that is not a trusted
  // proxy itself: strangers may have written the part further left. If there is none, or an item on
  // the way is no address, it is `peer` again.
  PeerAddress SourceOf(const PeerAddress& peer, const ForwardedFields& fields) const;

 private:
  struct Network {
    PeerAddress::Bytes prefix{};
    int bits = 0;
    bool is_ipv4 = false;
  };
  static absl::StatusOr<Network> ParseNetwork(const std::string& item);

  std::vector<Network> networks_;
  bool trusts_unix_ = false;
  bool believes_fly_ = false;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_PROXY_NETWORKS_H_
