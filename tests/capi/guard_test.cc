// The border itself: results and exceptions inside the library, and the codes that a caller sees.
// Most cannot be provoked from outside, so this is compiled with the library's guard.cc.
#include "capi/src/guard.h"

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "absl/status/status.h"

extern "C" {
#include "check.h"
}

using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::Result;

namespace {

void ExceptionsBecomeCodes() {
  CHECK_FAILS(Guard(&error, []() -> Result { throw std::bad_alloc(); }), TCSYNC_OUT_OF_MEMORY,
              "out of memory");
  CHECK_FAILS(Guard(&error,
                    []() -> Result {
                      throw std::system_error(EAGAIN, std::generic_category(), "no thread");
                    }),
              TCSYNC_SYSTEM, "no thread");
  CHECK_FAILS(Guard(&error, []() -> Result { throw std::runtime_error("the\nreason"); }),
              TCSYNC_INTERNAL, "the?reason");
  CHECK_FAILS(Guard(&error, []() -> Result { throw 7; }), TCSYNC_INTERNAL, "unknown");
  CHECK_INT(Guard(nullptr, []() -> Result { throw 7; }), TCSYNC_INTERNAL);
  CHECK_OK(Guard(&error, []() -> Result { return {}; }));
}

void StatusesBecomeCodes() {
  const struct {
    absl::StatusCode status;
    tcsync_code code;
  } kExpected[] = {
      {absl::StatusCode::kOk, TCSYNC_OK},
      {absl::StatusCode::kInvalidArgument, TCSYNC_INVALID_ARGUMENT},
      {absl::StatusCode::kAlreadyExists, TCSYNC_IN_USE},
      {absl::StatusCode::kPermissionDenied, TCSYNC_SYSTEM},
      {absl::StatusCode::kNotFound, TCSYNC_SYSTEM},
      {absl::StatusCode::kResourceExhausted, TCSYNC_SYSTEM},
      {absl::StatusCode::kUnknown, TCSYNC_SYSTEM},
      {absl::StatusCode::kUnavailable, TCSYNC_SYSTEM},
      {absl::StatusCode::kDataLoss, TCSYNC_DATA_LOSS},
      {absl::StatusCode::kFailedPrecondition, TCSYNC_INTERNAL},
      {absl::StatusCode::kInternal, TCSYNC_INTERNAL},
      {absl::StatusCode::kUnimplemented, TCSYNC_UNSUPPORTED},
  };
  for (const auto& expected : kExpected) {
    const Result result = FromStatus(absl::Status(expected.status, "why"));
    CHECK_INT(result.code, expected.code);
    CHECK_TEXT(result.message.c_str(), expected.code == TCSYNC_OK ? "" : "why");
  }
}

void CallsGiveStatusesTheirMeaning() {
  CHECK_INT(
      FromStatus(absl::InvalidArgumentError(""), {.invalid_argument = TCSYNC_UNKNOWN_OPTION}).code,
      TCSYNC_UNKNOWN_OPTION);
  CHECK_INT(
      FromStatus(absl::FailedPreconditionError(""), {.failed_precondition = TCSYNC_WRONG_FORMAT})
          .code,
      TCSYNC_WRONG_FORMAT);
}

void MessagesHaveNoNul() {
  CHECK_FAILS(Guard(&error,
                    []() -> Result {
                      return {TCSYNC_INTERNAL, std::string("before\0after", 12)};
                    }),
              TCSYNC_INTERNAL, "before?after");
}

}  // namespace

int main() {
  RUN(ExceptionsBecomeCodes, "an exception ends programs that are written in other languages");
  RUN(StatusesBecomeCodes, "programs decide by a wrong code");
  RUN(CallsGiveStatusesTheirMeaning, "programs decide by a wrong code");
  RUN(MessagesHaveNoNul, "the end of a message is lost");
  return check_exit_status();
}
