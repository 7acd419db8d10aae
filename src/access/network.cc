#include "access/network.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tcsync::access {

std::optional<Network> NetworkOf(const PeerAddress& source) {
  if (source.kind() != PeerAddress::Kind::kIp) return std::nullopt;
  Network network = source.bytes();
  if (!source.IsIpv4()) std::fill(network.begin() + 8, network.end(), 0);
  return network;
}

std::string NetworkText(const PeerAddress& source) {
  const Network network = *NetworkOf(source);
  return absl::StrCat(PeerAddress::FromIpv6(network).ToString(), source.IsIpv4() ? "" : "/64");
}

}  // namespace tcsync::access
