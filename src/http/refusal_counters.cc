#include "http/refusal_counters.h"

#include <array>
#include <string>

#include "access/refusal.h"

namespace tcsync::http {

RefusalObserver CountRefusals(metrics::Registry& registry) {
  std::array<metrics::Counter*, access::kRefusalReasonCount> counters{};
  for (size_t i = 0; i < counters.size(); ++i) {
    const auto reason = static_cast<access::RefusalReason>(i);
    counters[i] = &registry.AddCounter("tcsync_refusals_total",
                                       "Requests of the sync protocol that were refused.",
                                       {{"reason", std::string(access::NameOf(reason))}});
  }
  return [counters](access::RefusalReason reason) { counters[static_cast<size_t>(reason)]->Add(); };
}

}  // namespace tcsync::http
