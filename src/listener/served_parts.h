// The services of a listener, and the parts of an engine that it reports to.
#ifndef TCSYNC_SRC_LISTENER_SERVED_PARTS_H_
#define TCSYNC_SRC_LISTENER_SERVED_PARTS_H_

#include "base/log_levels.h"
#include "base/reload_hooks.h"
#include "metrics/registry.h"
#include "tcsync/handler.h"

namespace tcsync::listener {

// All borrowed. All but `log_levels` must live until the listener has stopped.
struct ServedParts {
  http::Handler& sync;                      // at the addresses of the option listen
  http::Handler* administration = nullptr;  // at admin.sock in the data directory
  http::Handler* metrics = nullptr;         // at the addresses of the option metrics-listen
  base::ReloadHooks* reload_hooks = nullptr;
  base::LogLevels* log_levels = nullptr;  // only needs to outlive the call
  metrics::Registry* registry = nullptr;  // for metrics of connections and the certificate
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_SERVED_PARTS_H_
