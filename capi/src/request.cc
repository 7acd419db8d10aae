#include "capi/src/request.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "capi/src/sized_struct.h"
#include "tcsync/peer_address.h"

namespace tcsync::capi {
namespace {

// The struct in the first release.
constexpr size_t kRequestBytesMin =
    offsetof(tcsync_request, peer_address_size) + sizeof(tcsync_request::peer_address_size);

// The peer's address as the caller wrote it; empty if absent.
absl::string_view PeerText(const tcsync_request& request) {
  return View(request.peer_address, request.peer_address_size);
}

// The caller's request, read into `request`.
Result ReadRequest(const tcsync_request& given, tcsync_request& request) {
  if (Result result = ReadStruct(given, kRequestBytesMin, {"request", "tcsync_request"}, request);
      !result.ok()) {
    return result;
  }
  const struct {
    const void* data;
    size_t count;
    absl::string_view name;
    size_t item_size;
  } kParts[] = {
      {request.method, request.method_size, "request->method", 1},
      {request.target, request.target_size, "request->target", 1},
      {request.headers, request.header_count, "request->headers", sizeof(tcsync_header)},
      {request.body, request.body_size, "request->body", 1},
      {request.peer_address, request.peer_address_size, "request->peer_address", 1},
  };
  for (const auto& part : kParts) {
    Result result = CheckData(part.data, part.count, part.name, part.item_size);
    if (!result.ok()) return result;
  }
  for (size_t i = 0; i < request.header_count; ++i) {
    const tcsync_header& header = request.headers[i];
    Result result = CheckData(header.name, header.name_size, "name");
    if (result.ok()) result = CheckData(header.value, header.value_size, "value");
    if (!result.ok()) {
      result.message = absl::StrCat("request->headers[", i, "]: ", result.message);
      return result;
    }
  }
  if (const absl::string_view text = PeerText(request);
      !text.empty() && !PeerAddress::Parse(text)) {
    return {TCSYNC_INVALID_ARGUMENT,
            absl::StrCat("request->peer_address is '", text,
                         "'; it must be an IP address without a port, such as 192.0.2.7 or "
                         "2001:db8::7")};
  }
  return {};
}

}  // namespace

Result Request::Read(const tcsync_request& given) {
  tcsync_request request;
  if (Result result = ReadRequest(given, request); !result.ok()) return result;
  headers_.reserve(request.header_count);
  for (size_t i = 0; i < request.header_count; ++i) {
    const tcsync_header& header = request.headers[i];
    headers_.push_back(
        {View(header.name, header.name_size), View(header.value, header.value_size)});
  }
  head_ = {View(request.method, request.method_size), View(request.target, request.target_size),
           headers_, PeerAddress::Parse(PeerText(request)).value_or(PeerAddress())};
  body_ = View(request.body, request.body_size);
  return {};
}

}  // namespace tcsync::capi
