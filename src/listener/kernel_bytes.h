#ifndef TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_
#define TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_

#include <cstdint>

namespace tcsync::listener {

// What the kernel keeps of a connection: what its client has not taken, and what was not read.
int64_t BytesInKernel(int socket);

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_
