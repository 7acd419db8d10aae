// The counts of a run: answers by kind, their latencies, and the faults.
#ifndef TCSYNC_BENCH_LOAD_RESULTS_H_
#define TCSYNC_BENCH_LOAD_RESULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "load/histogram.h"

namespace tcsync::load {

// The outcomes of a request. All but kWrong are right, which a load may or may not expect.
enum class Outcome {
  kAdded,     // 200 to add-version
  kConflict,  // 409 to add-version
  kSegment,   // 200 to get-child-version
  kUpToDate,  // 404 to get-child-version
  kRefused,   // 429 or 503 with Retry-After: the server protects itself
  kLost,      // no answer, on a connection of its own: the server did not take it, or closed it
  kWrong,     // anything else
};

inline constexpr std::array<Outcome, 7> kOutcomes = {
    Outcome::kAdded,   Outcome::kConflict, Outcome::kSegment, Outcome::kUpToDate,
    Outcome::kRefused, Outcome::kLost,     Outcome::kWrong};

// For people, and as the key in JSON: "added", "conflict", …
absl::string_view OutcomeName(Outcome outcome);

// Thread-compatible: each thread has its own, and Merge adds them up at the end.
class Results {
 public:
  // An answer in the measured time. `in_window`: it came before the end of that time, so it counts
  // for the rate; of a later one only the latency is kept.
  void CountAnswer(Outcome outcome, uint64_t latency_ns, bool in_window);

  // A fault, at any time of the run; the first few are kept with their texts.
  void AddFault(absl::string_view fault);

  void AddReconnects(uint64_t count) { reconnects_ += count; }
  void AddUnsent(uint64_t count) { unsent_ += count; }
  void Merge(const Results& other);

  uint64_t Count(Outcome outcome) const { return counts_[Index(outcome)]; }
  const Histogram& Latency(Outcome outcome) const { return latencies_[Index(outcome)]; }

  // Wrong answers, lost connections and all other faults that make the run a failure.
  uint64_t fault_count() const { return fault_count_; }
  const std::vector<std::string>& first_faults() const { return first_faults_; }

  uint64_t reconnects() const { return reconnects_; }

  // Open loop: requests for which no connection was free in time: before the end, or, when each has
  // a connection of its own, at the due time.
  uint64_t unsent() const { return unsent_; }

 private:
  static size_t Index(Outcome outcome) { return static_cast<size_t>(outcome); }

  std::array<uint64_t, kOutcomes.size()> counts_{};
  std::array<Histogram, kOutcomes.size()> latencies_;
  uint64_t fault_count_ = 0;
  std::vector<std::string> first_faults_;
  uint64_t reconnects_ = 0;
  uint64_t unsent_ = 0;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_RESULTS_H_
