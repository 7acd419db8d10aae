// Interprets a request's head, once: its endpoint, its client, and its source.
#ifndef TCSYNC_SRC_HTTP_ROUTER_H_
#define TCSYNC_SRC_HTTP_ROUTER_H_

#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "access/access_control.h"
#include "http/route.h"
#include "tcsync/handler.h"
#include "tcsync/peer_address.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// Borrows the head, as RequestHead borrows its parts.
struct RoutedRequest {
  const RequestHead& head;
  absl::string_view path;  // of the target
  Route route;
  std::optional<Uuid> client_id;  // if there is one X-Client-Id, and it is a UUID
  PeerAddress source;             // behind trusted proxies
};

// A handler of requests that have been routed; otherwise as Handler.
class RoutedHandler {
 public:
  virtual ~RoutedHandler() = default;
  virtual std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) = 0;
};

// Borrows its arguments.
class Router final : public Handler {
 public:
  // `base_path` as a person writes it.
  Router(absl::string_view base_path, const access::AccessControl& access, RoutedHandler& next)
      : base_path_(NormalizeBasePath(base_path)), access_(access), next_(next) {}

  std::variant<Response, PendingRequest> StartRequest(const RequestHead& head) override;

 private:
  PeerAddress SourceOf(const RequestHead& head) const;

  const std::string base_path_;
  const access::AccessControl& access_;
  RoutedHandler& next_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_ROUTER_H_
