#include "tcsync/http_message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/return_or_call_back.h"

namespace tcsync::http {

absl::string_view RequestHead::Header(absl::string_view name) const {
  for (const HeaderView& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return {};
}

int RequestHead::CountOf(absl::string_view name) const {
  int count = 0;
  for (const HeaderView& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) ++count;
  }
  return count;
}

BodySource::Piece BodySource::Read() {
  return base::WaitFor<Piece>([this](PieceCallback done) { return Read(std::move(done)); });
}

Response EmptyResponse(int status) {
  Response response;
  response.status = status;
  response.headers.push_back({"Cache-Control", "no-store, max-age=0"});
  return response;
}

Response TextResponse(int status, absl::string_view sentence) {
  Response response = EmptyResponse(status);
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = absl::StrCat(sentence, "\n");
  return response;
}

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace tcsync::http
