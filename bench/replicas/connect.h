// A client's connection to the server of the benchmark of replicas.
#ifndef TCSYNC_BENCH_REPLICAS_CONNECT_H_
#define TCSYNC_BENCH_REPLICAS_CONNECT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tcsync/envelope.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync::bench {

struct Connected {
  SealingKey key;
  std::unique_ptr<RemoteServer> server;  // borrows `key`
};

// Derives the key, which takes a good part of a second. Does not connect yet.
absl::StatusOr<std::unique_ptr<Connected>> Connect(const std::string& url, const Uuid& client_id,
                                                   const std::string& secret);

}  // namespace tcsync::bench

#endif  // TCSYNC_BENCH_REPLICAS_CONNECT_H_
