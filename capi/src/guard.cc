#include "capi/src/guard.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/one_line.h"
#include "capi/src/error.h"

namespace tcsync::capi {
namespace {

tcsync_code CodeOf(absl::StatusCode code, const StatusMeaning& meaning) {
  switch (code) {
    case absl::StatusCode::kOk:
      return TCSYNC_OK;
    case absl::StatusCode::kInvalidArgument:
      return meaning.invalid_argument;
    case absl::StatusCode::kAlreadyExists:
      return TCSYNC_IN_USE;
    case absl::StatusCode::kFailedPrecondition:
      return meaning.failed_precondition;
    case absl::StatusCode::kNotFound:
      return meaning.not_found;
    case absl::StatusCode::kUnavailable:
      return meaning.unavailable;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
    // absl::ErrnoToStatus makes this of EIO and similar errors.
    case absl::StatusCode::kUnknown:
      return TCSYNC_SYSTEM;
    case absl::StatusCode::kDataLoss:
      return TCSYNC_DATA_LOSS;
    case absl::StatusCode::kUnimplemented:
      return TCSYNC_UNSUPPORTED;
    default:
      return TCSYNC_INTERNAL;
  }
}

// The exception that is being handled; only its handler can tell its type.
Result CurrentException() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {TCSYNC_OUT_OF_MEMORY, "out of memory"};
  } catch (const std::system_error& exception) {
    // In practice: no further thread could be started.
    return {TCSYNC_SYSTEM, exception.what()};
  } catch (const std::exception& exception) {
    return {TCSYNC_INTERNAL, absl::StrCat("unexpected exception: ", exception.what())};
  } catch (...) {
    return {TCSYNC_INTERNAL, "unexpected exception of an unknown type"};
  }
}

}  // namespace

Result FromStatus(const absl::Status& status, const StatusMeaning& meaning) {
  if (status.ok()) return {};
  return {CodeOf(status.code(), meaning), std::string(status.message())};
}

Result NullArgument(absl::string_view name) {
  return {TCSYNC_NULL_ARGUMENT, absl::StrCat("the argument '", name, "' is NULL")};
}

Result CheckIndex(size_t index, size_t count, absl::string_view name) {
  if (index < count) return {};
  return {TCSYNC_INVALID_ARGUMENT, absl::StrCat("there is no ", name, " ", index, "; there are ",
                                                count, ", counted from 0")};
}

Result CheckData(const void* data, size_t count, absl::string_view name, size_t item_size) {
  if (count > static_cast<size_t>(PTRDIFF_MAX) / item_size) {
    return {TCSYNC_INVALID_ARGUMENT,
            absl::StrCat("the length of '", name, "' is ", count,
                         ", which is more than memory can have; as a signed number it is ",
                         static_cast<ptrdiff_t>(count))};
  }
  if (data == nullptr && count != 0) return NullArgument(name);
  return {};
}

tcsync_code Report(Result&& result, tcsync_error** error) noexcept {
  if (!result.ok() && error != nullptr) {
    base::MakeOneLine(result.message);
    *error = new (std::nothrow) tcsync_error{{}, result.code, std::move(result.message)};
  }
  return result.code;
}

tcsync_code ReportCurrentException(tcsync_error** error) noexcept {
  try {
    return Report(CurrentException(), error);
  } catch (...) {
    // No memory is left for the message.
    return TCSYNC_OUT_OF_MEMORY;
  }
}

}  // namespace tcsync::capi
