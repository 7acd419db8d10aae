// The memory of a request body that is collected: it follows the received bytes, not the announced
// length, so that an announcement costs nothing.
#ifndef TCSYNC_SRC_HTTP_BODY_MEMORY_H_
#define TCSYNC_SRC_HTTP_BODY_MEMORY_H_

#include <cstdint>
#include <string>

#include "http/byte_budget.h"

namespace tcsync::http {

struct BodyGrowth {
  uint64_t first_bytes = 0;     // the first size of the body, which then doubles
  uint64_t declared_bytes = 0;  // an upper bound; 0: unknown
  uint64_t bytes_max = 0;       // more is reserved only on need
  uint64_t beside_bytes = 0;    // charged in addition
};

// Gives `body` room for `needed` bytes in all. False, with no change, if the charge cannot grow.
bool GrowBody(std::string& body, uint64_t needed, const BodyGrowth& growth, ByteCharge& charge);

// Gives `body` that capacity, in a new string: an existing one would at least double.
void MoveToCapacity(std::string& body, uint64_t capacity);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_MEMORY_H_
