#include "capi/src/bytes.h"

#include <cstring>

tcsync_bytes::tcsync_bytes(absl::string_view bytes)
    : with_nul(tcsync::SecretString::WithSize(bytes.size() + 1)) {
  // WithSize gives zero bytes, including the final NUL.
  if (!bytes.empty()) std::memcpy(with_nul.data(), bytes.data(), bytes.size());
}

const char* tcsync_bytes_data(const tcsync_bytes* bytes) {
  return tcsync::capi::Checked(bytes) == nullptr ? nullptr : bytes->with_nul.data();
}

size_t tcsync_bytes_size(const tcsync_bytes* bytes) {
  return tcsync::capi::Checked(bytes) == nullptr ? 0 : bytes->with_nul.size() - 1;
}

void tcsync_bytes_free(tcsync_bytes* bytes) {
  const std::unique_ptr<tcsync_bytes> owned(tcsync::capi::Checked(bytes));
}
