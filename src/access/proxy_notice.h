// Notices that requests come through a proxy which trusted-proxy does not name: everybody then has
// the proxy's address, and all limits of an address are those of all people together.
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

// A request says that it was forwarded by a field that its client may have written. So this changes
// nothing but what an operator is told: no limit is wider for it, and whoever writes the field
// gains a line in the log, once. A peer on this machine or in a private network is most likely a
// proxy; of any other there must be requests of several sources. Thread-safe.
class ProxyNotice {
 public:
  // Looks at a request of a peer that is not trusted. The sentence for the log, if it is this
  // request that shows it.
  std::optional<std::string> Look(const PeerAddress& peer, const ForwardedFields& fields);

  // The peer that was noticed.
  std::optional<std::string> peer() const;
  bool noticed() const { return noticed_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kSourcesOfProxy = 8;

  bool IsProxy(const PeerAddress& peer, absl::string_view source);

  std::atomic<bool> noticed_{false};
  mutable std::mutex mutex_;  // of what follows
  PeerAddress peer_;          // the one whose sources are counted, or that was noticed
  std::array<size_t, kSourcesOfProxy> sources_{};  // hashes
  size_t source_count_ = 0;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_PROXY_NOTICE_H_
