// What is behind a tcsync_config.
#ifndef TCSYNC_CAPI_SRC_CONFIG_H_
#define TCSYNC_CAPI_SRC_CONFIG_H_

#include "tcsync.h"
#include "tcsync/log.h"
#include "tcsync/options.h"

struct tcsync_config {
  tcsync::Options options;
  tcsync::LogFunction log;
};

#endif  // TCSYNC_CAPI_SRC_CONFIG_H_
