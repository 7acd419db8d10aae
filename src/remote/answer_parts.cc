#include "remote/answer_parts.h"

#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "remote/answer_fault.h"

namespace tcsync::remote {

bool HasMediaType(const Answer& answer, absl::string_view type) {
  const absl::string_view value = answer.Header("Content-Type");
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(value.substr(0, value.find(';'))), type);
}

RemoteResult<Uuid> UuidHeader(const Answer& answer, const char* name, const std::string& request) {
  const absl::string_view value = answer.Header(name);
  if (value.empty()) return BrokenAnswer(request, absl::StrCat("has no header ", name));
  const std::optional<Uuid> uuid = Uuid::Parse(value);
  if (!uuid) {
    return BrokenAnswer(request, absl::StrCat("has the header ", name, " '", value.substr(0, 100),
                                              "', which is not a UUID"));
  }
  return *uuid;
}

std::optional<RemoteError> CheckBody(const Answer& answer, absl::string_view type,
                                     const std::string& request) {
  if (!HasMediaType(answer, type)) {
    return BrokenAnswer(
        request, absl::StrCat("has the content type '",
                              answer.Header("Content-Type").substr(0, 100), "', not ", type));
  }
  const absl::string_view coding = answer.Header("Content-Encoding");
  if (!coding.empty() && !absl::EqualsIgnoreCase(coding, "identity")) {
    return BrokenAnswer(request, absl::StrCat("is compressed (", coding.substr(0, 100),
                                              "), which was not requested"));
  }
  return std::nullopt;
}

RemoteResult<SecretString> Unsealed(const SealingKey& key, const Cancellation& cancellation,
                                    const Uuid& sealed_with, const Uuid& version_id,
                                    absl::string_view sealed, absl::string_view what) {
  // Unsealing cannot be interrupted, and takes less than a second.
  if (cancellation.is_requested()) {
    return RemoteError{RemoteFault::kCancelled,
                       absl::StrCat("the call was cancelled, before ", what, " ",
                                    version_id.ToString(), " was unsealed"),
                       std::nullopt, Uuid()};
  }
  auto opened = Unseal(key, sealed_with, sealed);
  if (const auto* const fault = std::get_if<UnsealFault>(&opened)) {
    return RemoteError{RemoteFault::kUnsealFailed,
                       absl::StrCat(what, " ", version_id.ToString(),
                                    " does not unseal: ", UnsealFaultMessage(*fault)),
                       *fault, version_id};
  }
  return std::get<SecretString>(std::move(opened));
}

}  // namespace tcsync::remote
