// Codes, errors and the version.
#include "capi/src/error.h"

#include <memory>

#include "base/version.h"
#include "tcsync.h"

namespace {

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
    TCSYNC_NAMED_CODE(TCSYNC_NULL_ARGUMENT),
    TCSYNC_NAMED_CODE(TCSYNC_UNKNOWN_OPTION),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_OPTION_VALUE),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_UUID),
    TCSYNC_NAMED_CODE(TCSYNC_INVALID_ADDRESS),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_TRUNCATED),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_UNKNOWN_FORMAT),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_WRONG_KEY),
    TCSYNC_NAMED_CODE(TCSYNC_UNSEAL_NOT_AUTHENTIC),
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
  if (const char* const name = NameOf(TCSYNC_COARSE(code)); name != nullptr) return name;
  return "TCSYNC_UNKNOWN_CODE";
}

tcsync_code tcsync_error_code(const tcsync_error* error) {
  return error == nullptr ? TCSYNC_OK : error->code;
}

const char* tcsync_error_message(const tcsync_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void tcsync_error_free(tcsync_error* error) { const std::unique_ptr<tcsync_error> owned(error); }

const char* tcsync_version(void) { return tcsync::kVersion; }
