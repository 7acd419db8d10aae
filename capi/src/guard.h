// The border between C++ and the C ABI: every function of tcsync.h that returns a tcsync_code does
// its work inside Guard(), which turns results, and every exception, into codes and errors.
#ifndef TCSYNC_CAPI_SRC_GUARD_H_
#define TCSYNC_CAPI_SRC_GUARD_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tcsync.h"

namespace tcsync::capi {

// The outcome of a call: TCSYNC_OK, or another code and the sentence that explains it.
struct [[nodiscard]] Result {
  tcsync_code code = TCSYNC_OK;
  std::string message;

  bool ok() const { return code == TCSYNC_OK; }
};

// The call's meaning of some status codes.
struct StatusMeaning {
  tcsync_code invalid_argument = TCSYNC_INVALID_ARGUMENT;
  tcsync_code failed_precondition = TCSYNC_INTERNAL;
  tcsync_code not_found = TCSYNC_SYSTEM;
  // Else an unusable directory or address, or no thread.
  tcsync_code unavailable = TCSYNC_SYSTEM;
};

// The only mapping from a status to a tcsync_code.
Result FromStatus(const absl::Status& status, const StatusMeaning& meaning = {});

// For a NULL argument that must not be one.
Result NullArgument(absl::string_view name);

// Whether `index` is one of `count` things of that name, counted from 0.
Result CheckIndex(size_t index, size_t count, absl::string_view name);

// Whether `count` items of `item_size` bytes can be at `data`: a null pointer is valid only with
// none, and no memory has more than PTRDIFF_MAX bytes, so such a length was a negative number of
// the caller's. Every argument with a length is checked here before its first use.
Result CheckData(const void* data, size_t count, absl::string_view name, size_t item_size = 1);

// `size` bytes at `data`, borrowed; CheckData has accepted them.
inline absl::string_view View(const char* data, size_t size) {
  return size == 0 ? absl::string_view() : absl::string_view(data, size);
}

// The end of every guarded call: sets *error, if there is an `error`, and returns the code. Without
// memory for the error, the code stands alone.
tcsync_code Report(Result&& result, tcsync_error** error) noexcept;

// The same for the exception that is being handled.
tcsync_code ReportCurrentException(tcsync_error** error) noexcept;

// Calls `body`, a function that returns a Result, and reports its result or exception.
template <typename Body>
tcsync_code Guard(tcsync_error** error, Body&& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    return Report(std::forward<Body>(body)(), error);
  } catch (...) {
    return ReportCurrentException(error);
  }
}

// For outputs, before anything can fail: NULL, 0, or a struct of these.
template <typename T>
void ClearOutput(T* output) noexcept {
  if (output != nullptr) *output = {};
}

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_GUARD_H_
