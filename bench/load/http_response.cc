// The incremental reader of a response: finds the head, takes the relevant fields, waits for the
// body.
#include "load/http_response.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tcsync::load {
namespace {

// A sync server's head is about 300 bytes; this leaves room for a proxy's headers.
constexpr size_t kHeadBytesMax = size_t{16} << 10;

constexpr absl::string_view kEndOfHead = "\r\n\r\n";

absl::string_view Trimmed(absl::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

ResponseReader::ResponseReader(size_t body_bytes_max)
    : body_bytes_max_(body_bytes_max), buffer_(kHeadBytesMax) {}

void ResponseReader::Reset() {
  used_ = 0;
  head_bytes_ = 0;
}

absl::Span<char> ResponseReader::Space() {
  return absl::MakeSpan(buffer_.data() + used_, buffer_.size() - used_);
}

ResponseReader::State ResponseReader::Malformed(absl::string_view fault) {
  fault_ = std::string(fault);
  return State::kMalformed;
}

ResponseReader::State ResponseReader::Advance(size_t bytes) {
  // The end of the head may straddle the old bytes and the new.
  const size_t search_from = used_ < kEndOfHead.size() ? 0 : used_ - (kEndOfHead.size() - 1);
  used_ += bytes;
  if (head_bytes_ == 0) {
    const absl::string_view received(buffer_.data(), used_);
    const size_t end = received.find(kEndOfHead, search_from);
    if (end == absl::string_view::npos) {
      if (used_ == buffer_.size()) return Malformed("the response's head does not end");
      return State::kIncomplete;
    }
    head_bytes_ = end + kEndOfHead.size();
    if (!ParseHead(received.substr(0, end + 2))) return State::kMalformed;
    if (buffer_.size() < head_bytes_ + body_bytes_) {
      // The views point into the old buffer; read them again in the new one.
      buffer_.resize(head_bytes_ + body_bytes_);
      if (!ParseHead({buffer_.data(), end + 2})) return State::kMalformed;
    }
  }
  if (used_ < head_bytes_ + body_bytes_) return State::kIncomplete;
  // One request is outstanding at a time, so nothing may follow its response.
  if (used_ > head_bytes_ + body_bytes_) {
    return Malformed("bytes follow the end that Content-Length gives");
  }
  response_.body = absl::string_view(buffer_.data() + head_bytes_, body_bytes_);
  return State::kComplete;
}

// `head` is the status line and the headers, each with its CR LF.
bool ResponseReader::ParseHead(absl::string_view head) {
  response_ = HttpResponse();
  has_content_length_ = false;
  body_bytes_ = 0;

  absl::string_view rest = head;
  size_t end_of_line = rest.find("\r\n");
  absl::string_view line = rest.substr(0, end_of_line);
  rest.remove_prefix(end_of_line + 2);
  if (absl::ConsumePrefix(&line, "HTTP/1.1 ")) {
    response_.keep_alive = true;
  } else if (absl::ConsumePrefix(&line, "HTTP/1.0 ")) {
    response_.keep_alive = false;
  } else {
    Malformed("the response does not start with HTTP/1.1");
    return false;
  }
  if (line.size() < 3 || (line.size() > 3 && line[3] != ' ') ||
      !std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; })) {
    Malformed("the status line has no three-digit status");
    return false;
  }
  response_.status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (response_.status < 200) {
    Malformed(absl::StrCat("interim response ", response_.status));
    return false;
  }

  while (!rest.empty()) {
    end_of_line = rest.find("\r\n");
    if (!ParseHeader(rest.substr(0, end_of_line))) return false;
    rest.remove_prefix(end_of_line + 2);
  }
  if (!has_content_length_ && response_.status != 204 && response_.status != 304) {
    Malformed(absl::StrCat("no Content-Length in a ", response_.status, " response"));
    return false;
  }
  return true;
}

bool ResponseReader::ParseHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) {
    Malformed("a header without a name or a colon");
    return false;
  }
  const absl::string_view name = line.substr(0, colon);
  const absl::string_view value = Trimmed(line.substr(colon + 1));
  const auto is = [name](absl::string_view wanted) { return absl::EqualsIgnoreCase(name, wanted); };

  absl::string_view* field = nullptr;
  switch (name.size()) {  // The length alone distinguishes most headers, which is cheap.
    case 10:
      if (is("Connection")) {
        if (absl::EqualsIgnoreCase(value, "close")) response_.keep_alive = false;
        if (absl::EqualsIgnoreCase(value, "keep-alive")) response_.keep_alive = true;
      }
      return true;
    case 11:
      if (is("Retry-After")) field = &response_.retry_after;
      break;
    case 12:
      if (is("X-Version-Id")) field = &response_.version_id;
      if (is("Content-Type")) field = &response_.content_type;
      break;
    case 13:
      if (is("Cache-Control")) field = &response_.cache_control;
      break;
    case 14:
      if (is("Content-Length")) {
        uint64_t length = 0;
        if (has_content_length_ || !absl::SimpleAtoi(value, &length)) {
          Malformed("Content-Length is no number, or is there twice");
          return false;
        }
        if (length > body_bytes_max_) {
          Malformed(absl::StrCat("a body of ", length, " bytes, far more than any right answer"));
          return false;
        }
        has_content_length_ = true;
        body_bytes_ = static_cast<size_t>(length);
        return true;
      }
      break;
    case 17:
      if (is("Transfer-Encoding")) {
        Malformed("Transfer-Encoding instead of Content-Length");
        return false;
      }
      break;
    case 18:
      if (is("X-Snapshot-Request")) field = &response_.snapshot_request;
      break;
    case 19:
      if (is("X-Parent-Version-Id")) field = &response_.parent_version_id;
      break;
    default:
      break;
  }
  if (field == nullptr) return true;
  if (field->data() != nullptr) {
    Malformed(absl::StrCat("the header ", name, " is there twice"));
    return false;
  }
  *field = value;
  return true;
}

}  // namespace tcsync::load
