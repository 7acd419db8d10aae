// The object of a tcsync_config.
#ifndef TCSYNC_CAPI_SRC_CONFIG_H_
#define TCSYNC_CAPI_SRC_CONFIG_H_

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/log_target.h"
#include "tcsync.h"
#include "tcsync/options.h"

struct tcsync_config : tcsync::capi::Handle<tcsync::capi::HandleType::kConfig> {
  tcsync::Options options;
  std::shared_ptr<tcsync::capi::LogTarget> log;  // null: silence
};

namespace tcsync::capi {

// Whether an engine or listener of this process can log where the configuration says.
Result CheckLog(const tcsync_config& config);

// Gives the value of the option, which is one of `options`.
Result CopyOption(const std::vector<EffectiveOption>& options, absl::string_view name,
                  tcsync_bytes** value);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_CONFIG_H_
