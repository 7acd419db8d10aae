// The common parts of all benchmark programs besides measuring.
#ifndef TCSYNC_BENCH_MICRO_PROGRAM_H_
#define TCSYNC_BENCH_MICRO_PROGRAM_H_

#include <benchmark/benchmark.h>

#include <string>

namespace tcsync::micro {

// Registers function(state, arguments...), timed by the clock on the wall, because the measured
// code waits for other threads or for the disk.
template <typename Function, typename... Arguments>
benchmark::internal::Benchmark* Register(const std::string& name, Function function,
                                         Arguments... arguments) {
  return benchmark::RegisterBenchmark(
             name.c_str(), [=](benchmark::State& state) { function(state, arguments...); })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

// Runs the registered benchmarks, as the command line says; returns the program's exit status.
inline int RunBenchmarks(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_PROGRAM_H_
