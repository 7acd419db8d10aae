// The object of a tcsync_error.
#ifndef TCSYNC_CAPI_SRC_ERROR_H_
#define TCSYNC_CAPI_SRC_ERROR_H_

#include <string>

#include "capi/src/handle.h"
#include "tcsync.h"

struct tcsync_error : tcsync::capi::Handle<tcsync::capi::HandleType::kError> {
  tcsync_code code;
  std::string message;  // one line; see base/one_line.h
};

#endif  // TCSYNC_CAPI_SRC_ERROR_H_
