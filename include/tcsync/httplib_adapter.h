// Mounts the sync protocol on a cpp-httplib server that a program already has. Header-only; needs
// <httplib.h>, 0.11 or later, compiled with the same CPPHTTPLIB_ macros as the library it links
// (`pkg-config --cflags cpp-httplib`). examples/mount_on_httplib.cc is the whole of a program.
//
//   httplib::Server server;
//   tcsync::MountOnHttplib(server, engine->handler(), "/tasks");  // and options.base_path the same
//   server.listen("127.0.0.1", 8080);
//
// This gives a program the whole protocol, and cpp-httplib's way of serving it. A program that is
// free to choose is better served by tcsync::Listener on a port of its own, because of these limits
// of cpp-httplib:
//
//  - One thread for each connection, for as long as it is open: when all threads of the pool have
//    one, further clients wait. Give the server a pool that is larger than the number of computers
//    that may sync at one time (httplib::Server::new_task_queue), and a short keep-alive
//    (set_keep_alive_timeout); Taskwarrior keeps its connection only during one sync.
//  - Large bodies pass in pieces, both ways, as everywhere. The only bound on the bodies of all
//    requests together is the handler's own, and the only limit on a body's slowness is
//    set_read_timeout for each piece of it.
//  - A body with a Content-Length over set_payload_max_length is read to its end and answered with
//    413 by cpp-httplib; by default there is no such maximum. Set it to a little over the option
//    body-bytes-max, so that the handler's own, clearer 413 is given up to there. A body in chunks
//    is limited by the handler alone. A body that was answered early is still read to its end,
//    since cpp-httplib could otherwise take it for the next request.
//  - "Expect: 100-continue" is answered by cpp-httplib, before the handler sees the request, with
//    100 always. A program can decide by Content-Length in set_expect_100_continue_handler.
//  - The methods TRACE and CONNECT, other unknown ones, request targets over 8 KiB and heads that
//    do not parse are refused by cpp-httplib. A request that an earlier route, a mount point for
//    files or a pre-routing handler of the program takes never reaches tcsync: mount it under a
//    path of its own, or last.
//  - The body of a GET, HEAD or OPTIONS is not read, and would be taken for the next request.
//
// An error handler of the server (set_error_handler) is called for tcsync's 4xx and 5xx answers
// too. It must leave those that have a Content-Type unchanged.
#ifndef TCSYNC_HTTPLIB_ADAPTER_H_
#define TCSYNC_HTTPLIB_ADAPTER_H_

#include <httplib.h>

#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"
#include "tcsync/peer_address.h"

namespace tcsync {
namespace httplib_adapter_internal {

// During its life, the request has no header fields but those that delimit its body. From the
// others cpp-httplib would conclude that it must decompress the body, without a bound and without
// noticing a missing end, or parse it as a form: the body is the handler's.
class OnlyFramingHeaders {
 public:
  // cpp-httplib gives out its own, modifiable request by a const reference.
  explicit OnlyFramingHeaders(const httplib::Request& request)
      : request_(const_cast<httplib::Request&>(request)), all_(std::move(request_.headers)) {
    request_.headers.clear();
    for (const char* const name : {"Content-Length", "Transfer-Encoding"}) {
      const auto fields = all_.equal_range(name);
      request_.headers.insert(fields.first, fields.second);
    }
  }
  OnlyFramingHeaders(const OnlyFramingHeaders&) = delete;
  OnlyFramingHeaders& operator=(const OnlyFramingHeaders&) = delete;
  ~OnlyFramingHeaders() { request_.headers = std::move(all_); }

 private:
  httplib::Request& request_;
  httplib::Headers all_;
};

// The header fields, borrowed from `request`.
inline std::vector<http::HeaderView> HeaderViews(const httplib::Request& request) {
  const bool is_chunked = request.has_header("Transfer-Encoding");
  std::vector<http::HeaderView> views;
  views.reserve(request.headers.size());
  for (const auto& field : request.headers) {
    // Beside Transfer-Encoding it means nothing (RFC 9112, section 6.3).
    if (is_chunked && absl::EqualsIgnoreCase(field.first, "Content-Length")) continue;
    views.push_back({field.first, field.second});
  }
  return views;
}

// A body that is read piece by piece: the next one after the last one was sent.
class PiecewiseBody {
 public:
  explicit PiecewiseBody(http::Response answer) : answer_(std::move(answer)) {}

  // Sends the next piece; false without one, and cpp-httplib then closes the connection.
  bool Send(httplib::DataSink& sink) {
    const http::BodySource::Piece piece = answer_.body_source->Read();
    return piece.ok() && sink.write(piece->data(), piece->size());
  }

 private:
  const http::Response answer_;
};

// Waits until the handler wants more of the body.
inline void WaitToGoOn(http::PendingRequest& pending) {
  const auto resumed = std::make_shared<std::promise<void>>();
  if (pending.PauseUntil([resumed] { resumed->set_value(); })) resumed->get_future().wait();
}

// Gives the answer to cpp-httplib. The body is neither copied nor compressed, and keeps its place
// in the budget for bodies until it has been sent.
inline void Give(http::Response answer, httplib::Response& response) {
  std::string content_type;
  response.status = answer.status;
  for (http::Header& header : answer.headers) {
    if (header.name == "Content-Type") {
      content_type = std::move(header.value);
    } else {
      response.set_header(std::string(header.name), header.value);
    }
  }
  if (answer.body_bytes() == 0) {
    if (!content_type.empty()) response.set_header("Content-Type", content_type);
    return;
  }
  if (answer.body_source != nullptr) {
    const size_t bytes = answer.body_source->bytes();
    const auto sent = std::make_shared<PiecewiseBody>(std::move(answer));
    response.set_content_provider(
        bytes, content_type,
        [sent](size_t, size_t, httplib::DataSink& sink) { return sent->Send(sink); });
    return;
  }
  const auto kept = std::make_shared<const http::Response>(std::move(answer));
  response.set_content_provider(kept->body.size(), content_type,
                                [kept](size_t offset, size_t length, httplib::DataSink& sink) {
                                  return sink.write(kept->body.data() + offset, length);
                                });
}

// Answers one request. `read_body` is null for methods whose body cpp-httplib does not read.
inline void Serve(http::Handler& handler, const httplib::Request& request,
                  const httplib::ContentReader* read_body, httplib::Response& response) {
  // The protocol has no parts of bodies; cpp-httplib would cut them out of our answers.
  const_cast<httplib::Request&>(request).ranges.clear();

  const std::vector<http::HeaderView> headers = HeaderViews(request);
  std::variant<http::Response, http::PendingRequest> begun =
      handler.StartRequest({request.method, request.target, headers,
                            PeerAddress::Parse(request.remote_addr).value_or(PeerAddress())});
  std::optional<http::Response> answer;
  std::optional<http::PendingRequest> pending;
  if (auto* const early = std::get_if<http::Response>(&begun)) {
    answer = std::move(*early);
  } else {
    pending = std::move(std::get<http::PendingRequest>(begun));
  }

  // Without either field there is no body, but cpp-httplib would wait for one until a timeout.
  const bool has_body = read_body != nullptr && (request.has_header("Content-Length") ||
                                                 request.has_header("Transfer-Encoding"));
  if (has_body) {
    const OnlyFramingHeaders only_framing_headers(request);
    const bool is_complete = (*read_body)([&](const char* bytes, size_t size) {
      if (pending.has_value()) answer = pending->Append(absl::string_view(bytes, size));
      if (answer.has_value()) pending.reset();
      if (pending.has_value()) WaitToGoOn(*pending);
      return true;  // also when answered: the rest must not be taken for the next request
    });
    if (!is_complete) {
      // The status is cpp-httplib's: 413 over its maximum, 400 for a body that broke off.
      response.set_header("Cache-Control", "no-store, max-age=0");
      response.set_content("The body could not be read to its end, or is too large.\n",
                           "text/plain");
      return;
    }
  }
  if (!answer.has_value()) answer = std::move(*pending).Finish();
  Give(*std::move(answer), response);
}

// A regular expression that matches `base_path` and every path beneath it; for "", everything.
inline std::string RoutePattern(absl::string_view base_path) {
  const std::string anything = "[\\s\\S]*";
  std::string pattern;
  for (const char character : base_path) {
    if (absl::string_view("\\^$.|?*+()[]{}").find(character) != absl::string_view::npos) {
      pattern += '\\';
    }
    pattern += character;
  }
  while (!pattern.empty() && pattern.back() == '/') pattern.pop_back();
  return pattern.empty() ? anything : pattern + "(?:/" + anything + ")?";
}

}  // namespace httplib_adapter_internal

// Routes every request for `base_path` and the paths beneath it to `handler`, in all methods that
// cpp-httplib can route. `base_path` must be the handler's own (Options::base_path), such as
// "/tasks"; "" is everything. Call it before server.listen(); `handler` must outlive the server's
// last request. Throws std::bad_alloc.
inline void MountOnHttplib(httplib::Server& server, http::Handler& handler,
                           absl::string_view base_path = "") {
  namespace internal = httplib_adapter_internal;
  const auto without_body = [&handler](const httplib::Request& request,
                                       httplib::Response& response) {
    internal::Serve(handler, request, nullptr, response);
  };
  const auto with_body = [&handler](const httplib::Request& request, httplib::Response& response,
                                    const httplib::ContentReader& read_body) {
    internal::Serve(handler, request, &read_body, response);
  };
  const std::string pattern = internal::RoutePattern(base_path);
  server.Get(pattern, httplib::Server::Handler(without_body));  // and HEAD
  server.Options(pattern, httplib::Server::Handler(without_body));
  server.Post(pattern, httplib::Server::HandlerWithContentReader(with_body));
  server.Put(pattern, httplib::Server::HandlerWithContentReader(with_body));
  server.Patch(pattern, httplib::Server::HandlerWithContentReader(with_body));
  server.Delete(pattern, httplib::Server::HandlerWithContentReader(with_body));
}

}  // namespace tcsync

#endif  // TCSYNC_HTTPLIB_ADAPTER_H_
