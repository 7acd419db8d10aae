// Detects a proxy that trusted-proxy does not name: all clients then have the proxy's address, and
// share the limits of one address.
#ifndef TCSYNC_SRC_ACCESS_PROXY_NOTICE_H_
#define TCSYNC_SRC_ACCESS_PROXY_NOTICE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "access/forwarded_fields.h"
#include "tcsync/peer_address.h"

namespace tcsync::access {

// A field that its client may have written says that a request was forwarded. So this only informs
// the operator: no limit is wider for it, and a forged field gains a line in the log, once. A peer
// on this machine or in a private network is most likely a proxy; any other must send requests of
// several sources. Thread-safe.
class ProxyNotice {
 public:
  // Examines a request of an untrusted peer. Returns the sentence for the log if this request
  // reveals a proxy.
  std::optional<std::string> Examine(const PeerAddress& peer, const ForwardedFields& fields);

  // The detected peer.
  std::optional<std::string> peer() const;
  bool noticed() const { return noticed_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kSourcesOfProxy = 8;

  bool IsProxy(const PeerAddress& peer, absl::string_view source);

  std::atomic<bool> noticed_{false};
  mutable std::mutex mutex_;  // of the members below
  PeerAddress peer_;          // the peer whose sources are counted, or that was detected
  std::array<size_t, kSourcesOfProxy> sources_{};  // hashes
  size_t source_count_ = 0;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_PROXY_NOTICE_H_
