// The sync protocol over HTTP: a request's head and body in, a response out. No sockets.
//
// A caller that has a whole request uses Handle(). One that receives a body piece by piece, as the
// listener does, uses StartRequest(), then Append() for each piece, with PauseUntil() after it, and
// Finish() at the end; a request that cannot succeed is answered by StartRequest() from its head
// alone, before its body is received.
#ifndef TCSYNC_HANDLER_H_
#define TCSYNC_HANDLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

// Receives the response of a call that did not return one: exactly once, on another thread or after
// that call has returned; must not block. It is not called for a response that is returned.
using ResponseCallback = absl::AnyInvocable<void(Response)>;

// A request whose head was accepted, and which waits for its body. Move-only; one thread at a time.
// Destroying it before Finish() abandons the request without any effect.
class PendingRequest {
 public:
  class Implementation;

  explicit PendingRequest(std::unique_ptr<Implementation> implementation);
  PendingRequest(PendingRequest&&) noexcept;
  PendingRequest& operator=(PendingRequest&&) noexcept;
  ~PendingRequest();

  // Takes the next bytes of the body as they came (still compressed, if they are). A response, such
  // as 413, means that the request is answered and must not be continued.
  std::optional<Response> Append(absl::string_view bytes);

  // Whether the pieces so far are still on their way to storage, so that no more should be given to
  // Append() for now. If so, `resume` is called exactly once when they may be, on any thread and
  // possibly before this returns, unless the request is finished or destroyed before; it must not
  // block, and must not call this request. Finish() needs no waiting.
  bool PauseUntil(absl::AnyInvocable<void()> resume);

  // Ends the body and lets the request happen. The response, if it is ready; otherwise `done` gets
  // it.
  std::optional<Response> Finish(ResponseCallback done) &&;
  // The same, but waits for the response. Not on a thread that a callback of this library uses.
  Response Finish() &&;

 private:
  std::unique_ptr<Implementation> implementation_;
};

// Thread-safe. Must outlive its pending requests and the callbacks that it was given.
class Handler {
 public:
  virtual ~Handler() = default;

  // Decides by the head: a response, or a request that waits for its body. Of `head`,
  // Content-Length (absent or empty: unknown) and Content-Encoding are read among others;
  // Transfer-Encoding is the caller's business.
  virtual std::variant<Response, PendingRequest> StartRequest(const RequestHead& head) = 0;

  // A whole request. `body` is borrowed for the call, which waits for the disk while a body of more
  // than 128 KiB is taken in pieces; it must then not be made on a thread that a callback of this
  // library uses. The response, which may still have its body in pieces, if it is ready; otherwise
  // `done` gets it.
  std::optional<Response> Handle(const RequestHead& head, absl::string_view body,
                                 ResponseCallback done);
  // The same, but waits for the response in any case.
  Response Handle(const RequestHead& head, absl::string_view body);
};

// Makes a response whole whose body comes in pieces, for callers who want it so; it takes the
// memory of the whole body, beside every budget. The response whose body is in `body`, if it is
// ready; otherwise `done` gets it. If the body cannot be read to its end, that is a 500 in place of
// it, or a 503 where it is for want of memory.
std::optional<Response> CollectBody(Response response, ResponseCallback done);

}  // namespace tcsync::http

#endif  // TCSYNC_HANDLER_H_
