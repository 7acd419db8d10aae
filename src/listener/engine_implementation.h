// An engine as a listener sees it: beside the services, the parts that the listener reports to.
#ifndef TCSYNC_SRC_LISTENER_ENGINE_IMPLEMENTATION_H_
#define TCSYNC_SRC_LISTENER_ENGINE_IMPLEMENTATION_H_

#include "base/log_levels.h"
#include "base/reload_hooks.h"
#include "metrics/registry.h"
#include "tcsync/engine.h"

namespace tcsync {

// The base of all engines: no other class can derive from Engine. Its parts live as long as it.
class Engine::Implementation : public Engine {
 public:
  virtual base::ReloadHooks& reload_hooks() = 0;
  virtual base::LogLevels& log_levels() = 0;
  virtual metrics::Registry& registry() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_LISTENER_ENGINE_IMPLEMENTATION_H_
