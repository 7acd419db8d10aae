// What is behind a tcsync_engine.
#ifndef TCSYNC_CAPI_SRC_ENGINE_H_
#define TCSYNC_CAPI_SRC_ENGINE_H_

#include <memory>
#include <utility>

#include "tcsync.h"
#include "tcsync/engine.h"

struct tcsync_engine {
  explicit tcsync_engine(std::unique_ptr<tcsync::Engine> opened) : engine(std::move(opened)) {}

  std::unique_ptr<tcsync::Engine> engine;
};

#endif  // TCSYNC_CAPI_SRC_ENGINE_H_
