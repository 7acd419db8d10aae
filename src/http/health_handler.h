// GET /health and GET /health/live, in front of another handler.
//
//   /health       200 {"status":"ok",...} or 503 {"status":"failing",...}: writes, syncs and reads
//   /health/live  200 {"status":"ok"}: this process answers; touches nothing
//
// Both are for anybody, and for programs that look after the server: no client ID is needed. What
// is found is shared by all who ask within a second, so that nobody can make it a load, and is told
// in words that give no figures away.
#ifndef TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_
#define TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "metrics/health.h"
#include "tcsync/handler.h"

namespace tcsync::http {

// Borrows what it is given.
class HealthHandler final : public Handler {
 public:
  // Answers at the root, where programs look that know no base path, and under `base_path`, which
  // is all that some proxies pass on; everything else is for `next`.
  // `refuse`, unless it is null, may refuse a request, as one that its address makes too often.
  using Refuse = std::function<std::optional<Response>(const RequestHead&)>;
  HealthHandler(metrics::HealthService& health, absl::string_view base_path, Handler& next,
                Refuse refuse = nullptr);

  std::variant<Response, PendingRequest> Begin(const RequestHead& head) override;

 private:
  enum class Target { kHealth, kLive, kOther };

  Target TargetOf(absl::string_view target) const;

  metrics::HealthService& health_;
  const std::string base_path_;
  Handler& next_;
  const Refuse refuse_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_
