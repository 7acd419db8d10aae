// What is behind a tcsync_config.
#ifndef TCSYNC_CAPI_SRC_CONFIG_H_
#define TCSYNC_CAPI_SRC_CONFIG_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "tcsync.h"
#include "tcsync/log.h"
#include "tcsync/options.h"

struct tcsync_config {
  tcsync::Options options;
  tcsync::LogFunction log;
};

namespace tcsync::capi {

// Gives the value of the option, which is one of `options`.
Result GiveOption(const std::vector<EffectiveOption>& options, absl::string_view name,
                  tcsync_bytes** value);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_CONFIG_H_
