#include "listener/request_parser.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync {
namespace {

namespace beast_http = boost::beast::http;

constexpr absl::string_view kEndOfHead = "\r\n\r\n";
constexpr size_t kLastChunkBytes = 5;  // "0", and twice the end of a line

// Stops the parser where the request is answered; never seen by anybody.
boost::system::error_code Stop() { return beast_http::error::end_of_stream; }

}  // namespace

RequestParser::RequestParser(http::Handler& handler, HeadScratch& scratch, const PeerAddress& peer)
    : handler_(handler), scratch_(scratch), peer_(peer) {
  eager(true);
  header_limit(kRequestHeadBytesMax);
  // The handler's business, which knows what the body is. (Boost 1.74 takes "none" for zero.)
  body_limit(std::numeric_limits<std::uint64_t>::max());
}

bool RequestParser::HeadIsComplete(absl::string_view bytes) {
  // What cannot be a method, such as the beginning of TLS, should not have to wait for a timeout.
  if (!absl::ascii_isupper(bytes.front())) {
    AnswerParseError(beast_http::error::bad_method);
    return false;
  }
  const size_t begin = searched_bytes_ - std::min(searched_bytes_, kEndOfHead.size() - 1);
  const size_t end = bytes.find(kEndOfHead, begin);
  searched_bytes_ = bytes.size();
  const size_t least_size =
      end == absl::string_view::npos ? bytes.size() + 1 : end + kEndOfHead.size();
  if (least_size > kRequestHeadBytesMax) {
    AnswerParseError(beast_http::error::header_limit);
    return false;
  }
  return end != absl::string_view::npos;
}

size_t RequestParser::Parse(absl::string_view bytes) {
  if (bytes.empty()) return 0;
  if (!HeadDone() && !HeadIsComplete(bytes)) return 0;
  size_t consumed = 0;
  while (!Ready() && consumed < bytes.size()) {
    // Boost 1.74 takes it for granted that the last chunk is there as a whole.
    if (HeadDone() && chunked() && bytes[consumed] == '0' &&
        bytes.size() - consumed < kLastChunkBytes) {
      break;
    }
    error_code error;
    const size_t step =
        put(boost::asio::const_buffer(bytes.data() + consumed, bytes.size() - consumed), error);
    consumed += step;
    if (error == beast_http::error::need_more) {
      if (HeadDone()) break;
      // The head is complete; the parser misses the end of a version that is too short.
      error = beast_http::error::bad_version;
    }
    if (error && !response_) AnswerParseError(error);
    if (error || step == 0) break;
  }
  // What is left is the beginning of a chunk's header or of trailers: no more than a head may be.
  if (!Ready() && bytes.size() - consumed > kRequestHeadBytesMax) {
    AnswerParseError(beast_http::error::bad_chunk);
  }
  return consumed;
}

void RequestParser::Finish(http::ResponseCallback done) {
  if (response_) return done(std::move(*response_));
  std::move(*request_).Finish(std::move(done));
}

bool RequestParser::TakeExpectContinue() {
  return HeadDone() && !response_ && std::exchange(expects_continue_, false);
}

void RequestParser::AnswerEarly(http::Response response) {
  request_.reset();
  response_ = std::move(response);
}

void RequestParser::AnswerParseError(error_code error) {
  if (error == beast_http::error::header_limit) {
    return AnswerEarly(http::TextResponse(
        431, absl::StrCat("The request's head is larger than ", kRequestHeadBytesMax, " bytes.")));
  }
  if (error == beast_http::error::bad_version) {
    return AnswerEarly(http::TextResponse(505, "This server speaks HTTP/1.1."));
  }
  AnswerEarly(http::TextResponse(
      400, absl::StrCat("The request is not valid HTTP/1.1: ", error.message(), ".")));
}

bool RequestParser::HasUnsupportedTransferCoding() const {
  return has_transfer_encoding_ && !is_plain_chunked_;
}

void RequestParser::AppendBody(string_view bytes, error_code& error) {
  if (response_) return;  // dropped
  std::optional<http::Response> response = request_->Append({bytes.data(), bytes.size()});
  if (!response) return;
  AnswerEarly(std::move(*response));
  error = Stop();
}

void RequestParser::on_request_impl(beast_http::verb method, string_view method_text,
                                    string_view target, int version, error_code&) {
  is_http10_ = version == 10;
  is_head_method_ = method == beast_http::verb::head;
  scratch_.text.assign(method_text.data(), method_text.size());
  scratch_.text.append(target.data(), target.size());
  scratch_.method_size = method_text.size();
  scratch_.target_size = target.size();
  scratch_.fields.clear();
}

void RequestParser::on_field_impl(beast_http::field name, string_view name_text, string_view value,
                                  error_code&) {
  if (HeadDone()) return;  // a trailer: nothing in the protocol comes in one
  if (name == beast_http::field::expect) {
    expects_continue_ = boost::beast::iequals(value, "100-continue");
  } else if (name == beast_http::field::transfer_encoding) {
    // Several fields are one list of codings, of which chunked is not the only one.
    is_plain_chunked_ = !has_transfer_encoding_ && boost::beast::iequals(value, "chunked");
    has_transfer_encoding_ = true;
  }
  scratch_.text.append(name_text.data(), name_text.size());
  scratch_.text.append(value.data(), value.size());
  scratch_.fields.push_back({name_text.size(), value.size()});
}

void RequestParser::on_header_impl(error_code& error) {
  if (HasUnsupportedTransferCoding()) {
    // Where the body ends is unknown, so nothing behind it can be trusted either.
    AnswerEarly(
        http::TextResponse(501, "The only Transfer-Encoding that this server takes is chunked."));
    end_is_unknown_ = true;
    error = Stop();
    return;
  }
  absl::string_view text = scratch_.text;
  const auto take = [&text](size_t size) {
    const absl::string_view part = text.substr(0, size);
    text.remove_prefix(size);
    return part;
  };
  const absl::string_view method = take(scratch_.method_size);
  const absl::string_view target = take(scratch_.target_size);
  scratch_.headers.clear();
  for (const HeadScratch::Field& field : scratch_.fields) {
    const absl::string_view name = take(field.name_size);
    scratch_.headers.push_back({name, take(field.value_size)});
  }
  std::variant<http::Response, http::PendingRequest> decision =
      handler_.Begin({method, target, scratch_.headers, peer_});
  if (auto* request = std::get_if<http::PendingRequest>(&decision)) {
    request_ = std::move(*request);
    return;
  }
  AnswerEarly(std::move(std::get<http::Response>(decision)));
  // A client that waits for "100 Continue" may or may not send its body after this answer.
  drops_body_ =
      !expects_continue_ && !chunked() && content_length().value_or(0) <= kDroppedBodyBytesMax;
  if (!drops_body_) error = Stop();
}

std::size_t RequestParser::on_body_impl(string_view body, error_code& error) {
  AppendBody(body, error);
  return body.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code& error) {
  AppendBody(body, error);
  return body.size();
}

}  // namespace tcsync
