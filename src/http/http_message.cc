#include "tcsync/http_message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/return_or_call_back.h"

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

bool ByteBudget::TryTake(uint64_t bytes) {
  uint64_t taken = bytes_taken_.load(std::memory_order_relaxed);
  do {
    if (bytes > bytes_max_ || taken > bytes_max_ - bytes) return false;
  } while (!bytes_taken_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed));
  if (whole_ == nullptr || whole_->TryTake(bytes)) return true;
  bytes_taken_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

void ByteBudget::GiveBack(uint64_t bytes) {
  bytes_taken_.fetch_sub(bytes, std::memory_order_relaxed);
  if (whole_ != nullptr) whole_->GiveBack(bytes);
}

ByteCharge& ByteCharge::operator=(ByteCharge&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ByteCharge::~ByteCharge() {
  if (bytes_ > 0) budget_->GiveBack(bytes_);
}

bool ByteCharge::TryResize(uint64_t bytes) {
  if (bytes > bytes_) {
    if (!budget_->TryTake(bytes - bytes_)) return false;
  } else if (bytes < bytes_) {
    budget_->GiveBack(bytes_ - bytes);
  }
  bytes_ = bytes;
  return true;
}

BodySource::Piece BodySource::Read() {
  return WaitFor<Piece>([this](PieceCallback done) { return Read(std::move(done)); });
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
