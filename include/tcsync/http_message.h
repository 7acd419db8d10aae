// HTTP messages as the handler sees them: no sockets, no types of an HTTP library.
#ifndef TCSYNC_HTTP_MESSAGE_H_
#define TCSYNC_HTTP_MESSAGE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tcsync/peer_address.h"

namespace tcsync::http {

// A header field of a request, borrowed from its receiver.
struct HeaderView {
  absl::string_view name;  // any case
  absl::string_view value;
};

// A request without its body. Everything is borrowed, and needed only during the call that takes
// it. `target` is the request target as received; a query part is ignored.
struct RequestHead {
  absl::string_view method;
  absl::string_view target;
  absl::Span<const HeaderView> headers;
  PeerAddress peer = {};  // the sender: a client, or a proxy in front of us
  // The client behind trusted proxies, if the caller knows it; nullptr: it is found by the option
  // trusted-proxy.
  const PeerAddress* source = nullptr;
  // Whether the caller can hold the request for as long as it asks to wait for the client's next
  // version (docs/protocol.md, "Waiting for the next version"); otherwise it is answered at once.
  // Only a caller that takes the response by callback can.
  bool may_wait = false;

  // The value of the first field with that name, in any case; empty when there is none.
  absl::string_view Header(absl::string_view name) const;

  // The number of fields with that name, in any case.
  int CountOf(absl::string_view name) const;
};

struct Header {
  absl::string_view name;  // a constant that lives as long as the process
  std::string value;
};

// The body of a response that is too large to be in memory as a whole. One thread at a time.
class BodySource {
 public:
  using Piece = absl::StatusOr<std::string>;
  using PieceCallback = absl::AnyInvocable<void(Piece)>;

  virtual ~BodySource() = default;

  // The size of the whole body, also after a part of it was read.
  virtual uint64_t bytes() const = 0;

  // Reads the next piece, which is never empty; do not call it after the last byte, or before the
  // last requested piece has come. Returns a piece that is ready. Otherwise `done` gets it, as a
  // ResponseCallback (tcsync/handler.h) gets its response, and also when the source was destroyed
  // meanwhile. After an error the body cannot be completed, and its connection has to be closed.
  virtual std::optional<Piece> Read(PieceCallback done) = 0;
  // The same, but waits for the piece. Not on a thread that a callback of this library uses.
  Piece Read();
};

// The handler's answer. The sender adds Content-Length, Date and Connection.
struct Response {
  int status = 200;
  absl::InlinedVector<Header, 4> headers;
  std::string body;
  // The source of a body that comes in pieces; `body` is empty then.
  std::unique_ptr<BodySource> body_source;
  // Holds what the body, or one piece of it, takes of the memory budget: keep it until all is sent.
  std::shared_ptr<void> memory;
  // For how long the request has waited for the client's next version, as it had asked.
  std::chrono::nanoseconds waited{0};

  uint64_t body_bytes() const {
    return body_source != nullptr ? body_source->bytes() : body.size();
  }
};

// An empty answer, with the header that every answer has: it concerns one client's private state,
// so no cache may keep it.
Response EmptyResponse(int status);

// The same with one sentence of plain text, for people.
Response TextResponse(int status, absl::string_view sentence);

// "OK", "Not Found", ...; "Unknown" for a status that the handler never gives.
absl::string_view ReasonPhrase(int status);

}  // namespace tcsync::http

#endif  // TCSYNC_HTTP_MESSAGE_H_
