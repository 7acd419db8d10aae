// Resolves host names to addresses, within a deadline.
#ifndef TCSYNC_SRC_REMOTE_NAME_LOOKUP_H_
#define TCSYNC_SRC_REMOTE_NAME_LOOKUP_H_

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "remote/cancellation.h"

namespace tcsync::remote {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t size;
};

struct NameLookup {
  enum class Outcome { kFound, kFailed, kTimedOut, kCancelled };
  Outcome outcome;
  std::vector<SocketAddress> addresses;  // at least one if found, in the order to try
  std::string problem;                   // the system's message if it failed
};

// Resolves `host`, a name or an address. An address needs no lookup and is always in time.
//
// getaddrinfo() cannot be interrupted, so it runs on a thread of its own, which is left behind when
// the deadline or a cancellation comes first. That thread ends when the system's resolver gives up,
// usually within half a minute, and owns all that it touches. Lack of memory throws std::bad_alloc,
// and lack of a thread or a descriptor std::system_error.
NameLookup LookUpName(const std::string& host, uint16_t port,
                      std::chrono::steady_clock::time_point deadline,
                      const Cancellation& cancellation);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_NAME_LOOKUP_H_
