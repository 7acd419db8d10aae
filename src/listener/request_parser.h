// Parses one HTTP/1.1 request (Boost.Beast's parser) and passes it to the handler as it arrives:
// the head is decided as soon as it is complete, the body is handed on without being kept here.
#ifndef TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_
#define TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tcsync/handler.h"
#include "tcsync/peer_address.h"

namespace tcsync {

// Where a head is put while the handler looks at it. A head is parsed only once it is complete, so
// one of these serves all connections of an event loop.
struct HeadScratch {
  struct Field {
    size_t name_size;
    size_t value_size;
  };
  std::string text;  // method, target, and each field's name and value, one behind the other
  size_t method_size = 0;
  size_t target_size = 0;
  std::vector<Field> fields;
  std::vector<http::HeaderView> headers;
};

// One thread. Use one for each request. What the constructor takes is borrowed.
class RequestParser final : private boost::beast::http::basic_parser<true> {
 public:
  // `peer` is who sends the request.
  RequestParser(http::Handler& handler, HeadScratch& scratch, const PeerAddress& peer);

  // Parses from `bytes`, which begin with what was not consumed before, and returns how many were
  // consumed. Nothing is consumed once Ready(); when bytes are left before that, they are the
  // beginning of something of which more is needed.
  size_t Parse(absl::string_view bytes);

  // The request needs no more bytes: it was received, or answered early.
  bool Ready() { return is_done() || (response_ && !drops_body_); }

  // Once Ready(): lets the request happen, unless it is answered already.
  void Finish(http::ResponseCallback done);

  // Whether the connection can go on after the response: the client wants it, and every byte of the
  // request was received.
  bool CanKeepAlive() { return is_done() && !end_is_unknown_ && keep_alive(); }

  // Whether the client waits for "100 Continue" and may send its body. True once at the most.
  bool TakeExpectContinue();

  bool HeadDone() const { return is_header_done(); }
  bool IsHttp10() const { return is_http10_; }

  // Whether the response must have no body, whatever its Content-Length says (RFC 9110, 9.3.2).
  bool IsHeadMethod() const { return is_head_method_; }

 private:
  using error_code = boost::system::error_code;
  using string_view = boost::beast::string_view;

  // Whether `bytes` hold the whole head, or so much that they never will (which is then answered).
  bool HeadIsComplete(absl::string_view bytes);

  // Answers the request before its end. What follows of it is dropped or left unread.
  void AnswerEarly(http::Response response);
  void AnswerParseError(error_code error);
  void AppendBody(string_view bytes, error_code& error);
  bool HasUnsupportedTransferCoding() const;

  // What basic_parser calls.
  void on_request_impl(boost::beast::http::verb method, string_view method_text, string_view target,
                       int version, error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body,
                                 error_code& error) override;
  void on_finish_impl(error_code&) override {}

  http::Handler& handler_;
  HeadScratch& scratch_;
  const PeerAddress& peer_;
  size_t searched_bytes_ = 0;  // of an incomplete head: no end of it in there
  bool is_http10_ = false;
  bool is_head_method_ = false;
  bool end_is_unknown_ = false;
  bool expects_continue_ = false;
  bool has_transfer_encoding_ = false;
  bool is_plain_chunked_ = false;
  bool drops_body_ = false;  // answered, and the rest of the request is received all the same
  std::optional<http::PendingRequest> request_;
  std::optional<http::Response> response_;
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_LISTENER_REQUEST_PARSER_H_
