// Serves a handler to the network: HTTP/1.1 over TCP and Unix sockets, by event loops.
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

// Thread-safe after Serve returned. Uses of `options`: listen, connections-max, event-loops, the
// timeouts, log-level, and memory-budget where connections-max is derived.
class Listener {
 public:
  // Binds every address of options.listen. Errors: kInvalidArgument for an address that does not
  // parse or resolve, kAlreadyExists for one in use, kPermissionDenied, kUnavailable; the message
  // names the address. On error nothing stays bound.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const Options& options,
                                                        LogFunction log = {});

  // Stops at once if Stop was not called; removes the Unix sockets that it made.
  virtual ~Listener() = default;

  // The URL of each bound address, with the port that was picked: "http://127.0.0.1:8080", or
  // "unix:/run/tcsync.sock".
  virtual std::vector<std::string> addresses() const = 0;

  // Starts to serve, on threads of its own, and returns. `handler` must live until Stop returned.
  // Call it once: later calls give kFailedPrecondition. kUnavailable when no thread can be started.
  virtual absl::Status Serve(http::Handler& handler) = 0;

  // Stops accepting, lets the requests in flight finish for up to options.shutdown_timeout_ms, then
  // closes what is left, and returns. Calls after the first do nothing.
  virtual void Stop() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_LISTENER_H_
