// The source of a request.
#ifndef TCSYNC_PEER_ADDRESS_H_
#define TCSYNC_PEER_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tcsync {

// An IP address, a Unix socket, or unknown. An IPv4 address is kept in its IPv6-mapped form (RFC
// 4291, section 2.5.5.2), so that one address has one form.
class PeerAddress {
 public:
  enum class Kind : uint8_t {
    kUnknown,  // not given
    kLocal,    // a Unix socket
    kIp,
  };
  using Bytes = std::array<uint8_t, 16>;

  PeerAddress() = default;
  static PeerAddress Local() { return PeerAddress(Kind::kLocal, {}); }
  static PeerAddress FromIpv4(const std::array<uint8_t, 4>& bytes);
  static PeerAddress FromIpv6(const Bytes& bytes) { return PeerAddress(Kind::kIp, bytes); }

  // An address in text, without a port: "192.0.2.7", "2001:db8::7". nullopt for anything else.
  static std::optional<PeerAddress> Parse(absl::string_view text);

  Kind kind() const { return kind_; }
  bool IsIpv4() const;
  // Meaningful for kIp.
  const Bytes& bytes() const { return bytes_; }

  // "192.0.2.7", "2001:db8::7", "unix" or "unknown".
  std::string ToString() const;

  friend bool operator==(const PeerAddress& a, const PeerAddress& b) = default;
  template <typename H>
  friend H AbslHashValue(H state, const PeerAddress& address) {
    return H::combine(std::move(state), address.kind_, address.bytes_);
  }

 private:
  PeerAddress(Kind kind, const Bytes& bytes) : kind_(kind), bytes_(bytes) {}

  Kind kind_ = Kind::kUnknown;
  Bytes bytes_{};
};

}  // namespace tcsync

#endif  // TCSYNC_PEER_ADDRESS_H_
