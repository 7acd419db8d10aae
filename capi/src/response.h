// What is behind a tcsync_response.
#ifndef TCSYNC_CAPI_SRC_RESPONSE_H_
#define TCSYNC_CAPI_SRC_RESPONSE_H_

#include "tcsync.h"
#include "tcsync/http_message.h"

struct tcsync_response {
  tcsync::http::Response response;
};

#endif  // TCSYNC_CAPI_SRC_RESPONSE_H_
