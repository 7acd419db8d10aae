// What a listener serves, and the parts of an engine that it tells of itself.
#ifndef TCSYNC_SRC_LISTENER_SERVED_PARTS_H_
#define TCSYNC_SRC_LISTENER_SERVED_PARTS_H_

#include "base/log_levels.h"
#include "base/reload_hooks.h"
#include "metrics/registry.h"
#include "tcsync/handler.h"

namespace tcsync::listener {

// All borrowed, and but for `log_levels` they must live until the listener was stopped.
struct ServedParts {
  http::Handler& sync;                      // at the addresses of the option listen
  http::Handler* administration = nullptr;  // at admin.sock in the data directory
  http::Handler* metrics = nullptr;         // at the addresses of the option metrics-listen
  base::ReloadHooks* reload_hooks = nullptr;
  base::LogLevels* log_levels = nullptr;  // must outlive the call alone
  metrics::Registry* registry = nullptr;  // of connections and the certificate
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_SERVED_PARTS_H_
