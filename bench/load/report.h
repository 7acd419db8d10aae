// Writes a run's results for people, or as one JSON object.
#ifndef TCSYNC_BENCH_LOAD_REPORT_H_
#define TCSYNC_BENCH_LOAD_REPORT_H_

#include <cstddef>
#include <string>

#include "load/results.h"

namespace tcsync::load {

// The parameters of the run, which the report repeats.
struct RunDescription {
  std::string load;
  std::string url;
  size_t connections = 0;
  bool connection_per_request = false;
  size_t clients = 0;     // 0: the load names a new one per request, or those of the population
  size_t population = 0;  // 0: not part of this load
  size_t threads = 0;
  size_t segment_bytes = 0;
  size_t chain = 0;  // 0: not part of this load
  double rate = 0;   // requests per second; 0: closed loop
  double seconds = 0;
  double warmup_seconds = 0;
  // Processor time of the load program itself from the warm-up to the last answer, in cores. Near
  // `threads`, the load program was the bottleneck, not the server.
  double own_cores = 0;
};

std::string HumanReport(const RunDescription& run, const Results& results);

// Keys end in their unit. Each kind of answer that occurred has an object under "answers".
std::string JsonReport(const RunDescription& run, const Results& results);

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_REPORT_H_
