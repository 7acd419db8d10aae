// One handler at some of the addresses, with connections and event loops that it shares with no
// other service, so that a crowd at one does not obstruct another.
#ifndef TCSYNC_SRC_LISTENER_SERVICE_H_
#define TCSYNC_SRC_LISTENER_SERVICE_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "access/proxy_networks.h"
#include "base/logger.h"
#include "listener/acceptor.h"
#include "listener/address.h"
#include "listener/event_loop.h"
#include "metrics/registry.h"
#include "tcsync/handler.h"

namespace tcsync::listener {

// One thread at a time. The steps of a stop are separate, so that several services can take each
// step together.
class Service {
 public:
  struct Settings {
    ConnectionTimeouts timeouts;
    int64_t connections_max;
    int64_t refused_connections_max;
    int64_t connection_bytes_max;
    int event_loops;
    const char* thread_name;
    access::ProxyNetworks trusted_proxies = {};
  };

  Service(const Settings& settings, base::Logger logger);
  // Call StopNow() first, if it was started.
  ~Service() = default;

  // Binds one address. Errors as of Listener::Bind.
  absl::Status Bind(const ListenAddress& address, absl::string_view text,
                    const TlsCredentials* tls);
  bool IsBound() const { return !acceptors_.empty(); }
  // The URL of each bound address.
  std::vector<std::string> urls() const;

  // `handler` must live until StopNow() has returned. kUnavailable, with nothing running, when no
  // thread can be started.
  absl::Status Start(http::Handler& handler);

  // Reports the metrics of the connections and the loops; between Start() and StopNow().
  void Collect(metrics::Registry::Sink& sink) const;

  // Closes the addresses; may be called without Start.
  void StopAccepting();
  // Lets the requests in flight finish, and begins no further ones.
  void EndConnections();
  // Waits until no connection is left.
  void AwaitConnections(std::chrono::steady_clock::time_point deadline) const;
  // Closes all remaining connections, and ends the threads.
  void StopNow();

 private:
  const char* const thread_name_;
  const base::Logger logger_;
  const access::ProxyNetworks trusted_proxies_;
  ConnectionCount connection_count_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  bool is_running_ = false;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_SERVICE_H_
