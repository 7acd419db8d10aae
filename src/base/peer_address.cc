#include "tcsync/peer_address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace tcsync {
namespace {

constexpr std::array<uint8_t, 12> kIpv4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

PeerAddress PeerAddress::FromIpv4(const std::array<uint8_t, 4>& bytes) {
  Bytes mapped{};
  std::copy(kIpv4Prefix.begin(), kIpv4Prefix.end(), mapped.begin());
  std::copy(bytes.begin(), bytes.end(), mapped.begin() + kIpv4Prefix.size());
  return PeerAddress(Kind::kIp, mapped);
}

std::optional<PeerAddress> PeerAddress::Parse(absl::string_view text) {
  const std::string terminated(text);
  // inet_pton would stop at the NUL.
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  std::array<uint8_t, 4> ipv4{};
  if (inet_pton(AF_INET, terminated.c_str(), ipv4.data()) == 1) return FromIpv4(ipv4);
  Bytes ipv6{};
  if (inet_pton(AF_INET6, terminated.c_str(), ipv6.data()) == 1) return FromIpv6(ipv6);
  return std::nullopt;
}

bool PeerAddress::IsIpv4() const {
  return kind_ == Kind::kIp && std::equal(kIpv4Prefix.begin(), kIpv4Prefix.end(), bytes_.begin());
}

std::string PeerAddress::ToString() const {
  switch (kind_) {
    case Kind::kUnknown:
      return "unknown";
    case Kind::kLocal:
      return "unix";
    case Kind::kIp:
      break;
  }
  char text[INET6_ADDRSTRLEN];
  const char* const written =
      IsIpv4() ? inet_ntop(AF_INET, bytes_.data() + kIpv4Prefix.size(), text, sizeof(text))
               : inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  return written == nullptr ? "unknown" : written;
}

}  // namespace tcsync
