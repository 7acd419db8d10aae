// Parses one HTTP/1.1 request and passes it to the handler as it arrives. The head, which
// Boost.Beast's parser splits, is decided as soon as it is complete. The body is passed on without
// being kept here. Framing the body is this code's own: bytes behind the head are never a field,
// and no bound depends on how the network cuts the bytes.
#ifndef TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_
#define TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "access/proxy_networks.h"
#include "listener/chunked_body.h"
#include "tcsync/handler.h"
#include "tcsync/peer_address.h"

namespace tcsync::listener {

// The place of a head while the handler looks at it. A head is parsed only once it is complete, so
// one of these serves all connections of an event loop.
struct HeadScratch {
  struct Field {
    size_t name_size;
    size_t value_size;
  };
  std::string text;  // method, target, and each field's name and value, one after the other
  size_t method_size = 0;
  size_t target_size = 0;
  std::vector<Field> fields;
  std::vector<http::HeaderView> headers;
};

// Beast's parser, with a function that its newer releases require and its older ones lack. It is
// for fields behind a chunked body, which Beast never sees here.
class HeadParser : public boost::beast::http::basic_parser<true> {
 protected:
  virtual void on_trailer_field_impl(boost::beast::http::field, boost::beast::string_view,
                                     boost::beast::string_view, boost::system::error_code&) {}
};

// One thread, and one object for each request. The constructor's arguments are borrowed.
class RequestParser final : private HeadParser {
 public:
  // `peer` is the sender of the request. It may name the request's source if it is one of
  // `trusted_proxies`, which are nullptr for any other.
  RequestParser(http::Handler& handler, HeadScratch& scratch, const PeerAddress& peer,
                const access::ProxyNetworks* trusted_proxies = nullptr);

  // Parses from `bytes`, which begin with those not consumed before, and returns the number of
  // consumed bytes: at most up to the end of the next piece of the body. Nothing is consumed once
  // Ready(). If nothing is consumed before that, `bytes` are the beginning of an incomplete head.
  size_t Parse(absl::string_view bytes);

  // The request needs no more bytes: it has been received, or answered early.
  bool Ready() const { return stage_ == Stage::kDone || (response_ && !drops_body_); }

  // Whether parsing must pause until `resume` is called (PendingRequest::PauseUntil). `make_resume`
  // creates that function, if it is needed. To be called after Parse() unless Ready().
  template <typename MakeResume>
  bool PauseUntil(const MakeResume& make_resume) {
    return took_body_ && request_ && request_->PauseUntil(make_resume());
  }

  // Once Ready(): executes the request, unless it is already answered. As PendingRequest's.
  std::optional<http::Response> Finish(http::ResponseCallback done);

  // After Finish(), as PendingRequest's.
  bool IsWaiting() const { return request_ && request_->IsWaiting(); }
  void EndWait() {
    if (request_) request_->EndWait();
  }

  // Whether the connection can continue after the response: the client wants it, and every byte of
  // the request was received.
  bool CanKeepAlive() const { return stage_ == Stage::kDone && !end_is_unknown_ && keep_alive(); }

  // The source of the request, once HeadDone().
  const PeerAddress& source() const { return source_; }

  // Whether the client waits for "100 Continue" and may send its body. True once at most.
  bool TakeExpectContinue();

  bool HeadDone() const { return stage_ != Stage::kHead; }
  bool IsHttp10() const { return is_http10_; }

  // Whether the response must have no body, whatever its Content-Length says (RFC 9110, 9.3.2).
  bool IsHeadMethod() const { return is_head_method_; }

 private:
  using error_code = boost::system::error_code;
  using string_view = boost::beast::string_view;

  enum class Stage : uint8_t { kHead, kSizedBody, kChunkedBody, kDone };

  // The size of the head at the beginning of `bytes`; 0 while its end is missing, or when they can
  // never become a head (which is then answered).
  size_t CompleteHeadBytes(absl::string_view bytes);
  void ParseHead(absl::string_view head);
  // Takes the next piece of the body; returns the number of consumed bytes.
  size_t ParseBody(absl::string_view bytes);
  // The reason that a parsed head is ambiguous or against the rules; nullptr: none.
  const char* ProblemOfHead() const;

  // Answers the request before its end. The rest of it is dropped or left unread.
  void AnswerEarly(http::Response response);
  void AnswerParseError(error_code error);
  void AnswerMalformed(absl::string_view problem);
  void AppendBody(absl::string_view bytes);
  bool HasUnsupportedTransferCoding() const;

  // The functions that basic_parser calls.
  void on_request_impl(boost::beast::http::verb method, string_view method_text, string_view target,
                       int version, error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  http::Handler& handler_;
  HeadScratch& scratch_;
  const PeerAddress& peer_;
  const access::ProxyNetworks* const trusted_proxies_;
  PeerAddress source_;
  size_t searched_bytes_ = 0;  // of an incomplete head, without its end
  Stage stage_ = Stage::kHead;
  bool took_body_ = false;  // within the last Parse()
  uint8_t host_count_ = 0;  // 2 means more, too
  bool host_is_valid_ = false;
  bool is_http10_ = false;
  bool is_head_method_ = false;
  bool end_is_unknown_ = false;
  bool expects_continue_ = false;
  bool has_transfer_encoding_ = false;
  bool is_plain_chunked_ = false;
  bool drops_body_ = false;  // answered, but the rest of the request is received
  uint64_t body_left_ = 0;   // of a body with a known size
  ChunkedBody chunked_body_;
  std::optional<http::PendingRequest> request_;
  std::optional<http::Response> response_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_
