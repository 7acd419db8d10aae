#include "http/router.h"

namespace tcsync::http {
namespace {

std::optional<Uuid> ClientIdOf(const RequestHead& head) {
  if (head.CountOf("X-Client-Id") != 1) return std::nullopt;
  return Uuid::Parse(head.Header("X-Client-Id"));
}

}  // namespace

std::variant<Response, PendingRequest> Router::Begin(const RequestHead& head) {
  return next_.Begin({.head = head,
                      .route = ParseTarget(base_path_, head.target),
                      .client_id = ClientIdOf(head),
                      .source = access_.SourceOf(head)});
}

}  // namespace tcsync::http
