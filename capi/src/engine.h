// What is behind a tcsync_engine.
#ifndef TCSYNC_CAPI_SRC_ENGINE_H_
#define TCSYNC_CAPI_SRC_ENGINE_H_

#include <memory>
#include <utility>
#include <vector>

#include "base/process_mark.h"
#include "tcsync.h"
#include "tcsync/engine.h"
#include "tcsync/options.h"

struct tcsync_engine {
  tcsync_engine(std::unique_ptr<tcsync::Engine> opened,
                std::vector<tcsync::EffectiveOption> opened_with)
      : options(std::move(opened_with)), engine(std::move(opened)) {}

  const std::vector<tcsync::EffectiveOption> options;

  std::unique_ptr<tcsync::Engine> engine;
  const tcsync::base::ProcessMark opener = tcsync::base::ProcessMark::Current();
};

#endif  // TCSYNC_CAPI_SRC_ENGINE_H_
