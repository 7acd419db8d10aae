#ifndef TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_
#define TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_

#include <cstdint>

namespace tcsync::listener {

// The bytes of a connection in the kernel: output that its client has not taken, and unread input.
int64_t BytesInKernel(int socket);

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_KERNEL_BYTES_H_
