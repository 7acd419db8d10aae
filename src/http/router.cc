#include "http/router.h"

#include "http/forwarded_fields.h"

namespace tcsync::http {
namespace {

std::optional<Uuid> ClientIdOf(const RequestHead& head) {
  if (head.CountOf("X-Client-Id") != 1) return std::nullopt;
  return Uuid::Parse(head.Header("X-Client-Id"));
}

}  // namespace

std::variant<Response, PendingRequest> Router::StartRequest(const RequestHead& head) {
  const bool is_forwarded = access_.Trusts(head.peer);
  return next_.StartRequest(
      {.head = head,
       .route = ParseTarget(base_path_, head.target),
       .client_id = ClientIdOf(head),
       .source = is_forwarded ? access_.SourceOf(head.peer, ForwardedFieldsOf(head.headers))
                              : head.peer});
}

}  // namespace tcsync::http
