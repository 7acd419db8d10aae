// Reading an answer.
#include "capi/src/response.h"

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "capi/src/guard.h"

using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

int tcsync_response_status(const tcsync_response* response) {
  return response == nullptr ? 0 : response->response.status;
}

size_t tcsync_response_header_count(const tcsync_response* response) {
  return response == nullptr ? 0 : response->response.headers.size();
}

tcsync_code tcsync_response_header(const tcsync_response* response, size_t index,
                                   tcsync_header* header, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (response == nullptr) return NullArgument("response");
    if (header == nullptr) return NullArgument("header");
    const auto& headers = response->response.headers;
    if (index >= headers.size()) {
      return {TCSYNC_INVALID_ARGUMENT, absl::StrCat("there is no header ", index, "; there are ",
                                                    headers.size(), ", counted from 0")};
    }
    const tcsync::http::Header& found = headers[index];
    *header = {found.name.data(), found.name.size(), found.value.data(), found.value.size()};
    return {};
  });
}

const char* tcsync_response_header_value(const tcsync_response* response, const char* name) {
  if (response == nullptr || name == nullptr) return nullptr;
  for (const tcsync::http::Header& header : response->response.headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) return header.value.c_str();
  }
  return nullptr;
}

const char* tcsync_response_body(const tcsync_response* response, size_t* size) {
  if (size != nullptr) *size = response == nullptr ? 0 : response->response.body.size();
  return response == nullptr ? nullptr : response->response.body.c_str();
}

void tcsync_response_free(tcsync_response* response) {
  const std::unique_ptr<tcsync_response> owned(response);
}
