// Counting, and adding up the counts of the threads.
#include "load/results.h"

namespace tcsync::load {
namespace {

// Enough for a diagnosis; a broken server repeats itself.
constexpr size_t kFaultsKept = 5;

}  // namespace

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAdded:
      return "added";
    case Outcome::kConflict:
      return "conflict";
    case Outcome::kSegment:
      return "segment";
    case Outcome::kUpToDate:
      return "up_to_date";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kLost:
      return "lost";
    case Outcome::kWrong:
      return "wrong";
  }
  return "unknown";
}

void Results::CountAnswer(Outcome outcome, uint64_t latency_ns, bool in_window) {
  if (in_window) ++counts_[Index(outcome)];
  latencies_[Index(outcome)].Record(latency_ns);
}

void Results::AddFault(absl::string_view fault) {
  ++fault_count_;
  if (first_faults_.size() < kFaultsKept) first_faults_.emplace_back(fault);
}

void Results::Merge(const Results& other) {
  for (const Outcome outcome : kOutcomes) {
    counts_[Index(outcome)] += other.counts_[Index(outcome)];
    latencies_[Index(outcome)].Merge(other.latencies_[Index(outcome)]);
  }
  for (const std::string& fault : other.first_faults_) {
    if (first_faults_.size() < kFaultsKept) first_faults_.push_back(fault);
  }
  fault_count_ += other.fault_count_;
  reconnects_ += other.reconnects_;
  unsent_ += other.unsent_;
}

}  // namespace tcsync::load
