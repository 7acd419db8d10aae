// Latencies of a benchmark's operations, and their report as its counters.
#ifndef TCSYNC_BENCH_MICRO_LATENCY_H_
#define TCSYNC_BENCH_MICRO_LATENCY_H_

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>

#include "load/histogram.h"

namespace tcsync::micro {

inline uint64_t NowNanoseconds() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

// Counters p50_us, p99_us and p999_us: microseconds below which that part of the operations took.
inline void ReportLatency(benchmark::State& state, const load::Histogram& latency) {
  const auto microseconds = [&latency](double quantile) {
    return static_cast<double>(latency.ValueAtQuantile(quantile)) / 1e3;
  };
  state.counters["p50_us"] = microseconds(0.5);
  state.counters["p99_us"] = microseconds(0.99);
  state.counters["p999_us"] = microseconds(0.999);
}

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_LATENCY_H_
