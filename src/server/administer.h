// Administration in this process.
#ifndef TCSYNC_SRC_SERVER_ADMINISTER_H_
#define TCSYNC_SRC_SERVER_ADMINISTER_H_

#include <string_view>

#include "server/owned_handles.h"
#include "tcsync.h"

namespace tcsync::server {

// tcsync_administer, with any answer. Throws Failure without one.
Response Administer(const tcsync_config* config, tcsync_engine* engine, std::string_view method,
                    std::string_view target, std::string_view body = {});

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTER_H_
