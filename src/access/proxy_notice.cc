#include "access/proxy_notice.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace tcsync::access {
namespace {

// This machine, and the networks that are private on the internet: RFC 1918, RFC 6598, RFC 3927,
// RFC 4193, RFC 4291.
bool IsLocalOrPrivate(const PeerAddress& peer) {
  if (peer.kind() == PeerAddress::Kind::kLocal) return true;
  if (peer.kind() != PeerAddress::Kind::kIp) return false;
  const PeerAddress::Bytes& bytes = peer.bytes();
  if (!peer.IsIpv4()) {
    const bool is_loopback = bytes[15] == 1 && std::all_of(bytes.begin(), bytes.end() - 1,
                                                           [](uint8_t b) { return b == 0; });
    return is_loopback || (bytes[0] & 0xfe) == 0xfc ||
           (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
  }
  const uint8_t first = bytes[12];
  const uint8_t second = bytes[13];
  return first == 10 || first == 127 || (first == 172 && (second & 0xf0) == 16) ||
         (first == 192 && second == 168) || (first == 169 && second == 254) ||
         (first == 100 && (second & 0xc0) == 64);
}

}  // namespace

bool ProxyNotice::IsProxy(const PeerAddress& peer, absl::string_view source) {
  if (IsLocalOrPrivate(peer)) {
    peer_ = peer;
    return true;
  }
  if (!(peer == peer_)) {
    peer_ = peer;
    source_count_ = 0;
  }
  const size_t hash = absl::HashOf(source);
  const auto end = sources_.begin() + static_cast<ptrdiff_t>(source_count_);
  if (std::find(sources_.begin(), end, hash) == end) sources_[source_count_++] = hash;
  return source_count_ == kSourcesOfProxy;
}

std::optional<std::string> ProxyNotice::Examine(const PeerAddress& peer,
                                                const ForwardedFields& fields) {
  if (noticed() || fields.first.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (noticed() || !IsProxy(peer, fields.first)) return std::nullopt;
  noticed_.store(true, std::memory_order_release);
  return absl::StrCat("requests seem to come through a proxy at ", peer_.ToString(),
                      " that option trusted-proxy does not name, so that all clients count as one "
                      "address and share its limits. If it is your proxy, set trusted-proxy=",
                      peer_.ToString(),
                      ". If it is not, a client forges such requests, whose X-Forwarded-For, "
                      "Forwarded or X-Real-IP is ignored");
}

std::optional<std::string> ProxyNotice::peer() const {
  if (!noticed()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return peer_.ToString();
}

}  // namespace tcsync::access
