// Peers and trusted proxies in the notation of tests.
#ifndef TCSYNC_TESTS_UNIT_ACCESS_PEERS_H_
#define TCSYNC_TESTS_UNIT_ACCESS_PEERS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "access/proxy_networks.h"
#include "gtest/gtest.h"
#include "tcsync/peer_address.h"

namespace tcsync::access {

inline ProxyNetworks TrustedNetworks(const std::vector<std::string>& items) {
  const absl::StatusOr<ProxyNetworks> networks = ProxyNetworks::Parse(items);
  EXPECT_TRUE(networks.ok()) << networks.status();
  return networks.ok() ? *networks : ProxyNetworks();
}

// An address, "unix" or "unknown".
inline PeerAddress PeerNamed(absl::string_view text) {
  if (text == "unix") return PeerAddress::Local();
  if (text == "unknown") return PeerAddress();
  const std::optional<PeerAddress> address = PeerAddress::Parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(PeerAddress());
}

}  // namespace tcsync::access

#endif  // TCSYNC_TESTS_UNIT_ACCESS_PEERS_H_
