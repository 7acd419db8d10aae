// The limits of a client, as every backend compares them.
#ifndef TCSYNC_SRC_STORAGE_CLIENT_LIMITS_H_
#define TCSYNC_SRC_STORAGE_CLIENT_LIMITS_H_

#include <cstdint>

namespace tcsync::storage {

// Whether the amount exceeds a limit of ClientLimits (tcsync/storage.h), where 0 is none.
inline bool IsOver(uint64_t amount, uint64_t max) { return max > 0 && amount > max; }

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_CLIENT_LIMITS_H_
