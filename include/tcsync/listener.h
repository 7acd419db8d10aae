// Serves handlers to the network: HTTP/1.1 over TCP, with TLS or without, and Unix sockets, by
// event loops.
//
// Binding and serving are two steps, so that a program can learn that an address is in use before
// it opens its storage, and so that connections made during a slow start wait instead of failing.
#ifndef TCSYNC_LISTENER_H_
#define TCSYNC_LISTENER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/handler.h"
#include "tcsync/log.h"
#include "tcsync/options.h"

namespace tcsync {

class Engine;

// Thread-safe after Serve returned. Uses of `options`: listen, metrics-listen, tls-cert, tls-key,
// trusted-proxy, connections-max, event-loops, the timeouts, log-level, memory-budget where
// connections-max is derived; and storage, data-dir and admin-socket for the administration's
// socket.
class Listener {
 public:
  // Binds every address of options.listen and options.metrics_listen. Errors: kInvalidArgument for
  // an address that does not parse or resolve, or an item of options.trusted_proxies that does not
  // parse, kAlreadyExists for an address in use, kPermissionDenied, kUnavailable, and
  // kFailedPrecondition for an address that this machine lacks, or for unusable tls-cert and
  // tls-key; the message names the address, or the option and the file. On error nothing stays
  // bound.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const Options& options,
                                                        LogFunction log = {});

  // Stops at once if Stop was not called; removes the Unix sockets that it made.
  virtual ~Listener() = default;

  // The URL of each bound address, with the port that was picked: "http://127.0.0.1:8080", with TLS
  // "https://127.0.0.1:8080", or "unix:/run/tcsync.sock". Those of listen come before those of
  // metrics-listen.
  virtual std::vector<std::string> addresses() const = 0;

  // Starts to serve, on threads of its own, logs every address, and returns. Call it once: later
  // calls give kFailedPrecondition. kUnavailable when no thread can be started; the listener is
  // then stopped. `engine` is borrowed, and must live until Stop returned. It is served
  //
  //   at the addresses of the option listen: sync;
  //   at those of metrics-listen: its metrics and health;
  //   at admin.sock in the data directory, which only its owner may connect to: its administration,
  //     but not with storage=memory, nor with admin-socket off. A socket that cannot be made is a
  //     warning in the log: clients are served all the same. Its answers may take as long as they
  //     need, beyond request-timeout.
  //
  // The engine's administration can then have the listener reread tls-cert and tls-key (`reload`).
  // New connections use the new files, and existing ones continue. Unusable files change nothing,
  // and are an error that is logged, too.
  virtual absl::Status Serve(Engine& engine) = 0;

  // The same for a handler of the program's own, which is borrowed in the same way.
  // kInvalidArgument with metrics-listen, because there are no metrics.
  virtual absl::Status Serve(http::Handler& sync) = 0;

  // Stops accepting, lets the requests in flight finish for up to options.shutdown_timeout_ms, then
  // closes the rest, and returns. Calls after the first do nothing.
  virtual void Stop() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_LISTENER_H_
