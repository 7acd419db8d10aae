// Codes and errors.
#include "capi/src/error.h"

#include <memory>

#include "tcsync.h"

namespace {

// The header promises that every code fits a binding of 32 bits, for any enumeration.
static_assert(sizeof(tcsync_code) == 4);

struct NamedCode {
  tcsync_code code;
  const char* name;
};

#define TCSYNC_NAMED_CODE(code) \
  { code, #code }
constexpr NamedCode kCodes[] = {
    TCSYNC_NAMED_CODE(TCSYNC_OK),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_ARGUMENT),
    TCSYNC_NAMED_CODE(TCSYNC_OUT_OF_MEMORY),
    TCSYNC_NAMED_CODE(TCSYNC_INTERNAL),
    TCSYNC_NAMED_CODE(TCSYNC_SYSTEM),
    TCSYNC_NAMED_CODE(TCSYNC_IN_USE),
    TCSYNC_NAMED_CODE(TCSYNC_UNAVAILABLE),
    TCSYNC_NAMED_CODE(TCSYNC_WRONG_FORMAT),
    TCSYNC_NAMED_CODE(TCSYNC_DATA_LOSS),
    TCSYNC_NAMED_CODE(TCSYNC_UNSUPPORTED),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_CANCELLED),
    TCSYNC_NAMED_CODE(TCSYNC_NULL_ARGUMENT),
    TCSYNC_NAMED_CODE(TCSYNC_UNKNOWN_OPTION),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_OPTION_VALUE),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_UUID),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_ADDRESS),
    TCSYNC_NAMED_CODE(TCSYNC_FORKED),
    TCSYNC_NAMED_CODE(TCSYNC_RESPONSE_INCOMPLETE),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_TRUNCATED),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_UNKNOWN_FORMAT),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_WRONG_KEY),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_NOT_AUTHENTIC),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_NAME_NOT_RESOLVED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_CONNECTION_REFUSED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_NETWORK_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_TIMED_OUT),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_PROXY_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_CERTIFICATE_EXPIRED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_NOT_TLS),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_TLS_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_NOT_ALLOWED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_TOO_LARGE),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_RATE_LIMITED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_REJECTED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_SERVER_UNAVAILABLE),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_SERVER_FULL),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_SERVER_FAILED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_REDIRECTED),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_BROKEN_ANSWER),
    TCSYNC_NAMED_CODE(TCSYNC_REMOTE_ANSWER_TOO_LARGE),
};
#undef TCSYNC_NAMED_CODE

const char* NameOf(tcsync_code code) {
  for (const NamedCode& named : kCodes) {
    if (named.code == code) return named.name;
  }
  return nullptr;
}

}  // namespace

const char* tcsync_code_name(tcsync_code code) {
  if (const char* const name = NameOf(code); name != nullptr) return name;
  // Negative codes are the host's own, with any low byte.
  if (code < 0) return "TCSYNC_UNKNOWN_CODE";
  if (const char* const name = NameOf(TCSYNC_COARSE(code)); name != nullptr) return name;
  return "TCSYNC_UNKNOWN_CODE";
}

tcsync_code tcsync_error_code(const tcsync_error* error) {
  return tcsync::capi::Checked(error) == nullptr ? TCSYNC_OK : error->code;
}

const char* tcsync_error_message(const tcsync_error* error) {
  return tcsync::capi::Checked(error) == nullptr ? "" : error->message.c_str();
}

void tcsync_error_free(tcsync_error* error) {
  const std::unique_ptr<tcsync_error> owned(tcsync::capi::Checked(error));
}
