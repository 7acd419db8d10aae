#include "http/body_memory.h"

#include <algorithm>

namespace tcsync::http {

bool GrowBody(std::string& body, uint64_t needed, const BodyGrowth& growth, ByteCharge& charge) {
  if (needed <= body.capacity()) return true;
  uint64_t reservation = std::max<uint64_t>(2 * body.size(), growth.first_bytes);
  if (growth.declared_bytes >= needed) reservation = std::min(reservation, growth.declared_bytes);
  reservation = std::max(needed, std::min(reservation, growth.bytes_max));
  if (!charge.TryResize(reservation + growth.beside_bytes)) return false;
  MoveToCapacity(body, reservation);
  return true;
}

void MoveToCapacity(std::string& body, uint64_t capacity) {
  std::string moved;
  moved.reserve(capacity);
  moved.append(body);
  body.swap(moved);
}

}  // namespace tcsync::http
