// Proxies that may say where a request comes from.
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
//   unix  whoever connects by a Unix socket
//   fly   the network of Fly's proxy, 172.16.0.0/12 and fdaa::/16, and that it names the source in
//         Fly-Client-IP
//
// Fly-Client-IP is not believed of other trusted proxies: they hand on what they do not know, and a
// client that sent the field itself would choose where it comes from.
//
// A value; thread-compatible.
class ProxyNetworks {
 public:
  // Trusts nobody.
  ProxyNetworks() = default;

  // kInvalidArgument names the item that is none of these.
  static absl::StatusOr<ProxyNetworks> Parse(absl::Span<const std::string> items);

  bool Trusts(const PeerAddress& peer) const;

  // Where a request comes from: `peer`, unless that is a trusted proxy. Then what Fly-Client-IP
  // names, as above, or else the rightmost address of X-Forwarded-For that is not a trusted proxy
  // itself: what is further left, strangers may have written. Where they name nobody, or the text
  // on the way is none, it is `peer` again.
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
