// Refusing answers, and their log lines. Real clients do not show the body of an error to people,
// so the log has a person's information as well.
#ifndef TCSYNC_SRC_HTTP_REFUSAL_RESPONSE_H_
#define TCSYNC_SRC_HTTP_REFUSAL_RESPONSE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/refusal.h"
#include "base/logger.h"
#include "http/log_throttle.h"
#include "http/route.h"
#include "http/router.h"
#include "tcsync/http_message.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// Called for each refused request, on any thread; must not block.
using RefusalObserver = std::function<void(access::RefusalReason)>;

// Thread-safe.
class RefusalResponder {
 public:
  // The facts of the refused request.
  struct Subject {
    std::optional<Endpoint> endpoint = std::nullopt;
    std::optional<Uuid> client_id = std::nullopt;
  };

  RefusalResponder(base::Logger logger, RefusalObserver observer);

  // The answer; logged, unless the log has enough lines of that reason for now.
  Response Refuse(const Subject& subject, const access::Refusal& refusal);

 private:
  void Log(const Subject& subject, const access::Refusal& refusal);

  const base::Logger logger_;
  const RefusalObserver observer_;
  std::vector<std::unique_ptr<LogThrottle>> throttles_;  // by reason
};

// The 405 of a method that the request's endpoint does not answer; nullopt: it answers it.
// `responder` logs and counts it; nullptr for a page that is not the protocol's.
std::optional<Response> RefuseMethod(const RoutedRequest& request, RefusalResponder* responder);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_REFUSAL_RESPONSE_H_
