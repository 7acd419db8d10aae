// The server of the benchmark of replicas, with its histories.
#ifndef TCSYNC_BENCH_REPLICAS_SERVE_H_
#define TCSYNC_BENCH_REPLICAS_SERVE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace tcsync::bench {

struct ServeOptions {
  size_t versions = 10'000;
  size_t tasks = 20'000;
  uint64_t seed = 1;
  std::string tasks_file;  // gets the tasks that a replica must have: {UUID: {property: value}}
};

// Fills a server on loopback, writes a line of JSON to standard output, and serves until the end of
// standard input. There are two clients with the same history: the server has a snapshot of the
// second one, near its end.
absl::Status Serve(const ServeOptions& options);

}  // namespace tcsync::bench

#endif  // TCSYNC_BENCH_REPLICAS_SERVE_H_
