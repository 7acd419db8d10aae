#include "http/router.h"

#include "http/forwarded_fields.h"

namespace tcsync::http {
namespace {

std::optional<Uuid> ClientIdOf(const RequestHead& head) {
  if (head.CountOf("X-Client-Id") != 1) return std::nullopt;
  return Uuid::Parse(head.Header("X-Client-Id"));
}

}  // namespace

PeerAddress Router::SourceOf(const RequestHead& head) const {
  if (head.source != nullptr) return *head.source;
  if (!access_.Trusts(head.peer)) return head.peer;
  return access_.SourceOf(head.peer, ForwardedFieldsOf(head.headers));
}

std::variant<Response, PendingRequest> Router::StartRequest(const RequestHead& head) {
  const absl::string_view path = PathOf(head.target);
  return next_.StartRequest({.head = head,
                             .path = path,
                             .route = RouteOf(base_path_, path),
                             .client_id = ClientIdOf(head),
                             .source = SourceOf(head)});
}

}  // namespace tcsync::http
