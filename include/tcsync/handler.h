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

  // Takes the next bytes of the body as received (still compressed, if they are). A response, such
  // as 413, means that the request is answered and must not be continued.
  std::optional<Response> Append(absl::string_view bytes);

  // Whether the pieces so far are still on their way to storage, so that Append() should get no
  // more for now. If so, `resume` is called exactly once when it may, on any thread and possibly
  // before this returns, unless the request is finished or destroyed before; it must not block, and
  // must not call this request. Finish() needs no waiting.
  bool PauseUntil(absl::AnyInvocable<void()> resume);

  // Ends the body and executes the request. The response, if it is ready; otherwise `done` gets it.
  std::optional<Response> Finish(ResponseCallback done) &&;
  // The same, but waits for the response. Not on a thread that a callback of this library uses.
  Response Finish() &&;

  // After Finish(): whether the response waits for the client's next version (RequestHead's
  // may_wait).
  bool IsWaiting() const;
  // Ends that wait, so that the response comes now. Without effect if there is none.
  void EndWait();

 private:
  std::unique_ptr<Implementation> implementation_;
};

// Thread-safe. Must outlive its pending requests and their callbacks.
class Handler {
 public:
  virtual ~Handler() = default;

  // Decides by the head: a response, or a request that waits for its body. Of `head`,
  // Content-Length (absent or empty: unknown) and Content-Encoding are read among others;
  // Transfer-Encoding is left to the caller.
  virtual std::variant<Response, PendingRequest> StartRequest(const RequestHead& head) = 0;

  // A whole request. `body` is borrowed for the call, which waits for the disk while a body of more
  // than 128 KiB is taken in pieces; then do not call it on a thread that a callback of this
  // library uses. Returns the response, whose body may still come in pieces, if it is ready;
  // otherwise `done` gets it.
  std::optional<Response> Handle(const RequestHead& head, absl::string_view body,
                                 ResponseCallback done);
  // The same, but waits for the response in any case.
  Response Handle(const RequestHead& head, absl::string_view body);
};

// Makes a response whole whose body comes in pieces; this takes the memory of the whole body,
// outside every budget. Returns the response, with its body in `body`, if it is ready; otherwise
// `done` gets it. A body that cannot be read to its end becomes a 500, or a 503 for want of memory.
std::optional<Response> CollectBody(Response response, ResponseCallback done);

}  // namespace tcsync::http

#endif  // TCSYNC_HANDLER_H_
