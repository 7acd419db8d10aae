// The memory of a request body that is collected: it follows what has arrived, not what was
// announced, so that an announcement costs nothing.
#ifndef TCSYNC_SRC_HTTP_BODY_MEMORY_H_
#define TCSYNC_SRC_HTTP_BODY_MEMORY_H_

#include <cstdint>
#include <string>

#include "tcsync/http_message.h"

namespace tcsync::http {

struct BodyGrowth {
  uint64_t first_bytes = 0;     // the body starts with this much and doubles
  uint64_t declared_bytes = 0;  // no more than that is expected; 0: unknown
  uint64_t bytes_max = 0;       // more is reserved only if it is needed
  uint64_t beside_bytes = 0;    // charged as well
};

// Gives `body` room for `needed` bytes in all. False, and nothing changes: the charge cannot grow.
bool GrowBody(std::string& body, uint64_t needed, const BodyGrowth& growth, ByteCharge& charge);

// Gives `body` that capacity, in a new string: one that has something would at least double.
void MoveToCapacity(std::string& body, uint64_t capacity);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_MEMORY_H_
