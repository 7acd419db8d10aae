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
#include "http/forwarded_fields.h"
#include "listener/http_grammar.h"

namespace tcsync::listener {
namespace {

namespace beast_http = boost::beast::http;

constexpr absl::string_view kEndOfHead = "\r\n\r\n";

// Stops the parser where the request is answered; never reported.
boost::system::error_code Stop() { return beast_http::error::end_of_stream; }

// Whether a field continues on the next line, which senders must not write any more, and which
// recipients read in different ways (RFC 9112, section 5.2).
bool HasFoldedLine(absl::string_view head) {
  for (size_t end = head.find('\n'); end + 1 < head.size(); end = head.find('\n', end + 1)) {
    if (end == absl::string_view::npos) break;
    if (head[end + 1] == ' ' || head[end + 1] == '\t') return true;
  }
  return false;
}

}  // namespace

RequestParser::RequestParser(http::Handler& handler, HeadScratch& scratch, const PeerAddress& peer,
                             const access::ProxyNetworks* trusted_proxies)
    : handler_(handler),
      scratch_(scratch),
      peer_(peer),
      trusted_proxies_(trusted_proxies),
      source_(peer) {
  header_limit(base::kRequestHeadBytesMax);
  // The handler bounds the body, because it knows the kind. (Boost 1.74 takes "none" for zero.)
  body_limit(std::numeric_limits<std::uint64_t>::max());
}

size_t RequestParser::CompleteHeadBytes(absl::string_view bytes) {
  // Bytes that begin no method, such as a TLS handshake, should not have to wait for a timeout.
  if (!absl::ascii_isupper(bytes.front())) {
    AnswerParseError(beast_http::error::bad_method);
    return 0;
  }
  const size_t begin = searched_bytes_ - std::min(searched_bytes_, kEndOfHead.size() - 1);
  const size_t end = bytes.find(kEndOfHead, begin);
  searched_bytes_ = bytes.size();
  const size_t least_size =
      end == absl::string_view::npos ? bytes.size() + 1 : end + kEndOfHead.size();
  if (least_size > base::kRequestHeadBytesMax) {
    AnswerParseError(beast_http::error::header_limit);
    return 0;
  }
  return end == absl::string_view::npos ? 0 : least_size;
}

size_t RequestParser::Parse(absl::string_view bytes) {
  took_body_ = false;
  if (bytes.empty() || Ready()) return 0;
  size_t consumed = 0;
  if (!HeadDone()) {
    const size_t head_bytes = CompleteHeadBytes(bytes);
    if (head_bytes == 0) return 0;
    ParseHead(bytes.substr(0, head_bytes));
    consumed = head_bytes;
  }
  while (!Ready() && !took_body_ && consumed < bytes.size()) {
    consumed += ParseBody(bytes.substr(consumed));
  }
  return consumed;
}

void RequestParser::ParseHead(absl::string_view head) {
  if (HasFoldedLine(head)) return AnswerMalformed("a header field continued on the next line");
  error_code error;
  put(boost::asio::const_buffer(head.data(), head.size()), error);
  // The head is complete; the parser does not notice a version that is too short.
  if (error == beast_http::error::need_more) error = beast_http::error::bad_version;
  if (error && !response_) return AnswerParseError(error);
  if (error) return;
  if (chunked()) {
    stage_ = Stage::kChunkedBody;
    return;
  }
  body_left_ = content_length().value_or(0);
  stage_ = body_left_ > 0 ? Stage::kSizedBody : Stage::kDone;
}

size_t RequestParser::ParseBody(absl::string_view bytes) {
  if (stage_ == Stage::kSizedBody) {
    const size_t size = std::min<uint64_t>(body_left_, bytes.size());
    body_left_ -= size;
    if (body_left_ == 0) stage_ = Stage::kDone;
    AppendBody(bytes.substr(0, size));
    return size;
  }
  const ChunkedBody::Step step = chunked_body_.Take(bytes);
  if (!step.data.empty()) AppendBody(step.data);
  if (response_ && !drops_body_) return step.consumed;
  if (chunked_body_.failed()) {
    AnswerMalformed(chunked_body_.problem());
  } else if (chunked_body_.done()) {
    stage_ = Stage::kDone;
  }
  return step.consumed;
}

std::optional<http::Response> RequestParser::Finish(http::ResponseCallback done) {
  return response_ ? std::move(response_) : std::move(*request_).Finish(std::move(done));
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
        431,
        absl::StrCat("The request's head is larger than ", base::kRequestHeadBytesMax, " bytes.")));
  }
  if (error == beast_http::error::bad_version) {
    return AnswerEarly(http::TextResponse(505, "This server speaks HTTP/1.1."));
  }
  AnswerMalformed(error.message());
}

void RequestParser::AnswerMalformed(absl::string_view problem) {
  AnswerEarly(
      http::TextResponse(400, absl::StrCat("The request is not valid HTTP/1.1: ", problem, ".")));
  // The bytes behind it cannot be trusted either.
  end_is_unknown_ = true;
  drops_body_ = false;
}

bool RequestParser::HasUnsupportedTransferCoding() const {
  return has_transfer_encoding_ && !is_plain_chunked_;
}

const char* RequestParser::ProblemOfHead() const {
  // RFC 9112, section 3.2. With two of them, or with an invalid one, a proxy and this server could
  // mean different servers.
  if (host_count_ == 0 && !is_http10_) return "there is no Host";
  if (host_count_ > 1) return "there are several Host fields";
  if (host_count_ == 1 && !host_is_valid_) return "Host is not a host with an optional port";
  // RFC 9112, section 6.1: a forwarder may have seen its end elsewhere.
  if (is_http10_ && has_transfer_encoding_) return "HTTP/1.0 has no Transfer-Encoding";
  return nullptr;
}

void RequestParser::AppendBody(absl::string_view bytes) {
  if (response_) return;  // dropped
  took_body_ = true;
  std::optional<http::Response> response = request_->Append(bytes);
  if (response) AnswerEarly(std::move(*response));
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
  if (name == beast_http::field::host) {
    host_count_ = static_cast<uint8_t>(std::min(host_count_ + 1, 2));
    host_is_valid_ = IsHost({value.data(), value.size()});
  } else if (name == beast_http::field::expect) {
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
  if (const char* const problem = ProblemOfHead(); problem != nullptr) {
    AnswerMalformed(problem);
    error = Stop();
    return;
  }
  if (HasUnsupportedTransferCoding()) {
    // The end of the body is unknown, so the bytes behind it cannot be trusted either.
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
  if (trusted_proxies_ != nullptr) {
    source_ = trusted_proxies_->SourceOf(peer_, http::ForwardedFieldsOf(scratch_.headers));
  }
  std::variant<http::Response, http::PendingRequest> decision =
      handler_.StartRequest({.method = method,
                             .target = target,
                             .headers = scratch_.headers,
                             .peer = peer_,
                             .source = trusted_proxies_ != nullptr ? &source_ : nullptr,
                             .may_wait = true});
  if (auto* request = std::get_if<http::PendingRequest>(&decision)) {
    request_ = std::move(*request);
    return;
  }
  AnswerEarly(std::move(std::get<http::Response>(decision)));
  // A client that waits for "100 Continue" may or may not send its body after this answer.
  drops_body_ = !expects_continue_ && !chunked() &&
                content_length().value_or(0) <= base::kDroppedBodyBytesMax;
  if (!drops_body_) error = Stop();
}

}  // namespace tcsync::listener
