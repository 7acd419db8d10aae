#include "listener/kernel_bytes.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#if defined(__linux__)
#include <linux/sockios.h>
#endif

namespace tcsync::listener {

int64_t BytesInKernel(int socket) {
  int unread = 0;
  if (ioctl(socket, FIONREAD, &unread) != 0) unread = 0;
  int unsent = 0;
#if defined(SIOCOUTQ)
  if (ioctl(socket, SIOCOUTQ, &unsent) != 0) unsent = 0;
#elif defined(SO_NWRITE)
  socklen_t size = sizeof unsent;
  if (getsockopt(socket, SOL_SOCKET, SO_NWRITE, &unsent, &size) != 0) unsent = 0;
#endif
  return int64_t{unread} + unsent;
}

}  // namespace tcsync::listener
