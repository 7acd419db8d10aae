#include "access/proxy_networks.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/foreign_text.h"

namespace tcsync::access {
namespace {

constexpr int kIpv4PrefixBits = 96;
constexpr int kAddressBits = 128;

// The networks of Fly's proxy: the machine's own side, and the private network.
constexpr absl::string_view kFlyNetworks[] = {"172.16.0.0/12", "fdaa::/16"};

bool IsPort(absl::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isdigit(c); });
}

// An address in a proxy's notation: with or without a port; an IPv6 one with a port in brackets.
std::optional<PeerAddress> ParseForwarded(absl::string_view text) {
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return std::nullopt;
    absl::string_view port = text.substr(end + 1);
    if (!port.empty() && (!absl::ConsumePrefix(&port, ":") || !IsPort(port))) return std::nullopt;
    return PeerAddress::Parse(text.substr(0, end));
  }
  const size_t colon = text.find(':');
  if (colon != absl::string_view::npos && text.find(':', colon + 1) == absl::string_view::npos) {
    if (!IsPort(text.substr(colon + 1))) return std::nullopt;
    text = text.substr(0, colon);
  }
  return PeerAddress::Parse(text);
}

bool SharesBits(const PeerAddress::Bytes& a, const PeerAddress::Bytes& b, int bits) {
  const int whole_bytes = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole_bytes, b.begin())) return false;
  const int more_bits = bits % 8;
  return more_bits == 0 || (a[whole_bytes] ^ b[whole_bytes]) >> (8 - more_bits) == 0;
}

}  // namespace

absl::StatusOr<ProxyNetworks::Network> ProxyNetworks::ParseNetwork(const std::string& item) {
  const absl::string_view text = item;
  const size_t slash = text.find('/');
  const std::optional<PeerAddress> address = PeerAddress::Parse(text.substr(0, slash));
  int bits = 0;
  if (address) {
    const int first_bit = address->IsIpv4() && !absl::StrContains(text, ':') ? kIpv4PrefixBits : 0;
    if (slash == absl::string_view::npos) {
      bits = kAddressBits;
    } else if (const absl::string_view length = text.substr(slash + 1);
               IsPort(length) && absl::SimpleAtoi(length, &bits) &&
               bits <= kAddressBits - first_bit) {
      bits += first_bit;
    } else {
      bits = -1;
    }
  }
  if (!address || bits < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("option trusted-proxy: '", base::ShowForeign(item),
                     "' is not a network like 10.0.0.0/8 or fd00::/8, an address like 192.0.2.7, "
                     "or one of the words unix and fly"));
  }
  return Network{.prefix = address->bytes(),
                 .bits = bits,
                 .is_ipv4 = address->IsIpv4() && bits >= kIpv4PrefixBits};
}

absl::StatusOr<ProxyNetworks> ProxyNetworks::Parse(absl::Span<const std::string> items) {
  ProxyNetworks networks;
  std::vector<std::string> written;
  for (const std::string& item : items) {
    if (item == "unix") {
      networks.trusts_unix_ = true;
    } else if (item == "fly") {
      networks.believes_fly_ = true;
      for (const absl::string_view network : kFlyNetworks) written.emplace_back(network);
    } else {
      written.push_back(item);
    }
  }
  for (const std::string& item : written) {
    const absl::StatusOr<Network> network = ParseNetwork(item);
    if (!network.ok()) return network.status();
    networks.networks_.push_back(*network);
  }
  return networks;
}

bool ProxyNetworks::Trusts(const PeerAddress& peer) const {
  if (peer.kind() == PeerAddress::Kind::kLocal) return trusts_unix_;
  if (peer.kind() != PeerAddress::Kind::kIp) return false;
  return std::any_of(networks_.begin(), networks_.end(), [&peer](const Network& network) {
    // ::/0 is all of IPv6, without the IPv4 addresses that are kept in its form.
    return network.is_ipv4 == peer.IsIpv4() &&
           SharesBits(network.prefix, peer.bytes(), network.bits);
  });
}

PeerAddress ProxyNetworks::SourceOf(const PeerAddress& peer, const ForwardedFields& fields) const {
  if (!Trusts(peer)) return peer;
  if (believes_fly_ && fields.fly_client_ip) {
    return ParseForwarded(absl::StripAsciiWhitespace(*fields.fly_client_ip)).value_or(peer);
  }
  // Several fields are one list (RFC 9110, section 5.3), read here from its end. Empty items are
  // ignored (section 5.6.1).
  for (auto field = fields.forwarded_for.rbegin(); field != fields.forwarded_for.rend(); ++field) {
    absl::string_view rest = *field;
    while (!rest.empty()) {
      const size_t comma = rest.rfind(',');
      const bool is_first = comma == absl::string_view::npos;
      const absl::string_view item =
          absl::StripAsciiWhitespace(is_first ? rest : rest.substr(comma + 1));
      rest = is_first ? absl::string_view() : rest.substr(0, comma);
      if (item.empty()) continue;
      const std::optional<PeerAddress> address = ParseForwarded(item);
      if (!address) return peer;
      if (!Trusts(*address)) return *address;
    }
  }
  return peer;
}

}  // namespace tcsync::access
