// Counts refusals by their reason.
#ifndef TCSYNC_SRC_HTTP_REFUSAL_COUNTERS_H_
#define TCSYNC_SRC_HTTP_REFUSAL_COUNTERS_H_

#include "http/refusal_response.h"
#include "metrics/registry.h"

namespace tcsync::http {

// An observer that counts in the registry, which must outlive it.
RefusalObserver CountRefusals(metrics::Registry& registry);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_REFUSAL_COUNTERS_H_
